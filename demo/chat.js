// @ts-check
/** The page: it puts its parts together. */
import { Changes } from "./changes/changes.js";
import { ChatClient } from "./client.js";
import { Composer } from "./composer/composer.js";
import { announce, get } from "./elements.js";
import { localOrigin } from "./local.js";
import { nameOfTab, visible } from "./names.js";
import { showPeople } from "./rooms/people.js";
import { rememberedRooms } from "./rooms/remembered.js";
import { Side } from "./rooms/side.js";
import { offerSwitch } from "./rooms/switcher.js";
import { StatusBar, returnInWords } from "./status.js";
import { inWords } from "./timeline/lines.js";
import { Log } from "./timeline/log.js";
import { Timeline } from "./timeline/timeline.js";
import { TryIt } from "./try.js";
import { Typing } from "./typing.js";

const OFFLINE_MS = 10_000;
const query = new URLSearchParams(location.search);
const userId = query.get("user") || (await nameOfTab());
const firstRoom = query.get("room") || document.documentElement.dataset.defaultRoom || "lobby";
let unseen = 0; // messages that came while nobody looked at the page
let naming = 0;
let isReadingOlder = false;
let wayBack = 0;
/** @type {{ log: Log, note: import("./timeline/log.js").Entry } | null} of a connection that was lost */ let outage = null;
/** @type {Map<string, Log>} */ const logs = new Map();
/** @type {Map<string, Composer["draft"]>} by room: what is written and not sent */ const drafts = new Map();

const chat = new ChatClient("../", { rooms: [firstRoom, ...rememberedRooms(), "@"], userId }, {
  status(now) {
    status.show(now);
    if (now.state !== "stopped") clearTimeout(wayBack);
    if (now.state === "connected") connected();
    else if (chat.service && now.state !== "connecting") outage ??= noteOf(logOf(side.room), "You are offline.");
  },
  rooms(rooms) {
    for (const { name, isRead } of rooms) logOf(name).setRead(isRead);
    side.listed(rooms);
    nameRoom();
  },
  refused: (of, why) => side.refused(of, why),
  members: ({ room: of }) => side.changed(of),
  health: (health) => status.showHealth(health),
  returned(back) {
    outage?.log.rewrite(outage.note, returnInWords(back));
    outage = null;
  },
  messages(messages, source, of) {
    logOf(of).add(messages, source);
    if (source === "history") return;
    side.count(messages, of);
    for (const message of messages) if (message.from !== chat.userId) tell(message);
  },
  changes: (changes, _, of) => logOf(of).change(changes),
  reset: (of) => logOf(of).reset(),
  repeat(message) {
    logOf(message.room).repeat(message.id);
    tryIt.settled(); // an answer that gets lost does so after the room heard the message
  },
  outgoing(outgoing) {
    if (outgoing.event === "send") logOf(outgoing.room).outgoing(outgoing);
    else changes.update(outgoing);
    if (outgoing.state === "failed") announce(`Not sent: ${outgoing.reason}`);
    if (outgoing.state !== "sending") tryIt.settled();
  },
  people(people, of) {
    if (of === side.room) showPeople(people, chat.userId);
  },
  typing(writer, of) {
    if (of === side.room) typing.begin(writer);
  },
});

const status = new StatusBar(() => chat.start());
const typing = new Typing();
const composer = new Composer({ send, typing: () => chat.typing(side.room) });
const timeline = new Timeline(get("messages", HTMLElement), {
  serviceOrigin: () => localOrigin(chat.service),
  readOlder,
  retry: (key) => chat.retry(key),
  edit: (key) => composer.takeBack(...discard(key)),
  discard,
}, logOf(firstRoom));
const changes = new Changes(timeline.list, { chat, composer, logOf, shownRoom: () => side.room });
timeline.decorate((line, entry) => changes.decorate(line, entry));
const tryIt = new TryIt(chat, composer, goOffline);
const side = new Side(chat, firstRoom, { show: showRoom, note, goOffline });
offerSwitch(chat, () => side.room);

/** @param {string} room @param {string} before the one that was shown */
function showRoom(room, before) {
  changes.stop();
  // What is meant for a private room must not be a key press away from an open one.
  drafts.set(before, composer.draft);
  composer.show(...(drafts.get(room) ?? ["text", ""]));
  typing.forget();
  get("people", HTMLElement).replaceChildren();
  timeline.show(logOf(room));
  nameRoom();
}

function goOffline() {
  chat.stop();
  status.offlineUntil(Date.now() + OFFLINE_MS);
  wayBack = setTimeout(() => chat.start(), OFFLINE_MS);
}

/** Tell something in the room that is shown. @param {string} text */
function note(text) {
  logOf(side.room).note(text);
  announce(text);
}

/** @param {Log} log @param {string} text */
function noteOf(log, text) {
  return { log, note: log.note(text) };
}

/** @param {string} of a room @returns {Log} */
function logOf(of) {
  const known = logs.get(of);
  if (known) return known;
  const log = new Log(of, () => chat.userId);
  log.forgot = (id) => chat.forget(of, id);
  logs.set(of, log);
  return log;
}

function connected() {
  for (const { name, isRead } of chat.rooms) logOf(name).setRead(isRead);
  // A user who signed in has the name that the server gives.
  get("other", HTMLElement).hidden = get("name", HTMLElement).hidden = chat.userId !== userId;
  get("me", HTMLElement).textContent = chat.userId ? `as ${visible(chat.userId)}` : "";
  tryIt.connected();
  side.connected();
}

/** @param {import("./client.js").DataType} dataType @param {string} data */
function send(dataType, data) {
  if (changes.take(dataType, data)) return;
  logOf(side.room).outgoing(chat.send(side.room, dataType, data));
  timeline.toEnd();
}

/** @param {string} key @returns {[import("./client.js").DataType, string]} what it was */
function discard(key) {
  const { dataType = "text", data = "" } = chat.unsent.find((one) => one.key === key) ?? {};
  chat.discard(key);
  logOf(side.room).discard(key);
  return [dataType, data];
}

async function readOlder() {
  if (isReadingOlder || !chat.hasOlder(side.room)) return;
  isReadingOlder = true;
  timeline.list.ariaBusy = "true";
  // What fails is tried again with the next scrolling.
  await chat.readOlder(side.room).catch(() => {});
  timeline.list.ariaBusy = null;
  isReadingOlder = false;
}

/** Say what somebody else wrote. @param {import("./client.js").Message} message */
function tell(message) {
  if (message.room === side.room) {
    typing.end(message.from);
    announce(`${visible(message.from)}: ${inWords(message)}`);
  }
  if (!document.hidden) return;
  unseen += 1;
  naming ||= setTimeout(nameRoom); // once for many
}

function nameRoom() {
  naming = 0;
  document.title = `${unseen ? `(${unseen}) ` : ""}${side.title} – chat`;
  get("room", HTMLElement).textContent = side.title;
  get("other", HTMLAnchorElement).href = `?${new URLSearchParams({ room: side.room })}`;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) unseen = 0;
  nameRoom();
});
// Either way the old connection is dead; offline, the attempt says so.
for (const change of ["online", "offline"]) addEventListener(change, () => chat.start());
// A page that the browser keeps for the way back must not look present meanwhile.
addEventListener("pagehide", () => chat.stop());
addEventListener("pageshow", (event) => event.persisted && chat.start());
addEventListener("beforeunload", (event) => {
  if (chat.unsent.length) event.preventDefault();
});

nameRoom();
chat.start();
