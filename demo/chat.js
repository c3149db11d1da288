// @ts-check
/** The page: it puts its parts together. */
import { ChatClient } from "./client.js";
import { Composer } from "./composer/composer.js";
import { announce, get } from "./elements.js";
import { localOrigin } from "./local.js";
import { nameOfTab, visible } from "./names.js";
import { showPeople } from "./people.js";
import { StatusBar, returnInWords } from "./status.js";
import { offerSwitch } from "./switcher.js";
import { inWords } from "./timeline/lines.js";
import { Log } from "./timeline/log.js";
import { Timeline } from "./timeline/timeline.js";
import { TryIt } from "./try.js";
import { Typing } from "./typing.js";

const OFFLINE_MS = 10_000;
const query = new URLSearchParams(location.search);
const userId = query.get("user") || (await nameOfTab());
let room = query.get("room") || document.documentElement.dataset.defaultRoom || "lobby";
let unseen = 0; // messages that came while nobody looked at the page
let isReadingOlder = false;
let wayBack = 0;
/** @type {import("./timeline/log.js").Entry | null} of a connection that was lost */ let outage = null;
/** @type {Map<string, Log>} */ const logs = new Map();

const chat = new ChatClient("../", { rooms: [room], userId }, {
  status(now) {
    status.show(now);
    if (now.state !== "stopped") clearTimeout(wayBack);
    if (now.state === "connected") connected();
    else if (chat.service && now.state !== "connecting") outage ??= logOf(room).note("You are offline.");
  },
  rooms: (rooms) => rooms.forEach(({ name, isRead }) => logOf(name).setRead(isRead)),
  health: (health) => status.showHealth(health),
  returned(back) {
    if (outage) logOf(room).rewrite(outage, returnInWords(back));
    outage = null;
  },
  messages(messages, source, of) {
    logOf(of).add(messages, source);
    if (source !== "history") for (const message of messages) if (message.from !== chat.userId) tell(message);
  },
  changes: (changes, _, of) => logOf(of).change(changes),
  reset: (of) => logOf(of).reset(),
  repeat: (message) => logOf(message.room).repeat(message.id),
  outgoing(outgoing) {
    if (outgoing.event === "send") logOf(outgoing.room).outgoing(outgoing);
    if (outgoing.state === "failed") announce(`Not sent: ${outgoing.reason}`);
    if (outgoing.state !== "sending") tryIt.settled();
  },
  people(people, of) {
    if (of === room) showPeople(people, chat.userId);
  },
  typing(writer, of) {
    if (of === room) typing.begin(writer);
  },
});

const status = new StatusBar(() => chat.start());
const typing = new Typing();
const composer = new Composer({ send, typing: () => chat.typing(room) });
const timeline = new Timeline(get("messages", HTMLElement), {
  serviceOrigin: () => localOrigin(chat.service),
  readOlder,
  retry: (key) => chat.retry(key),
  edit: (key) => composer.fill(...discard(key)),
  discard,
}, logOf(room));
const tryIt = new TryIt(chat, composer, () => {
  chat.stop();
  status.offlineUntil(Date.now() + OFFLINE_MS);
  wayBack = setTimeout(() => chat.start(), OFFLINE_MS);
});
offerSwitch(chat, () => room);

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
}

/** @param {import("./client.js").DataType} dataType @param {string} data */
function send(dataType, data) {
  logOf(room).outgoing(chat.send(room, dataType, data));
  timeline.toEnd();
}

/** @param {string} key @returns {[import("./client.js").DataType, string]} what it was */
function discard(key) {
  const { dataType = "text", data = "" } = chat.unsent.find((one) => one.key === key) ?? {};
  chat.discard(key);
  logOf(room).discard(key);
  return [dataType, data];
}

async function readOlder() {
  if (isReadingOlder || !chat.hasOlder(room)) return;
  isReadingOlder = true;
  timeline.list.ariaBusy = "true";
  // What fails is tried again with the next scrolling.
  await chat.readOlder(room).catch(() => {});
  timeline.list.ariaBusy = null;
  isReadingOlder = false;
}

/** Say what somebody else wrote. @param {import("./client.js").Message} message */
function tell(message) {
  if (message.room === room) {
    typing.end(message.from);
    announce(`${visible(message.from)}: ${inWords(message)}`);
  }
  if (document.hidden) unseen += 1;
  nameRoom();
}

function nameRoom() {
  document.title = `${unseen ? `(${unseen}) ` : ""}${visible(room)} – chat`;
  get("room", HTMLElement).textContent = visible(room);
  get("other", HTMLAnchorElement).href = `?${new URLSearchParams({ room })}`;
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
