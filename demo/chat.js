// @ts-check
/** The page: it puts its parts together. */
import { ChatClient } from "./client.js";
import { Composer } from "./composer.js";
import { announce, get } from "./elements.js";
import { Faults } from "./local.js";
import { nameOfTab } from "./names.js";
import { showPeople } from "./people.js";
import { Scroll } from "./scroll.js";
import { StatusBar } from "./status.js";
import { offerSwitch } from "./switcher.js";
import { Timeline } from "./timeline.js";
import { Typing } from "./typing.js";

const query = new URLSearchParams(location.search);
let room = query.get("room") ?? ""; // without one: the server's default room
const userId = query.get("user") || (await nameOfTab());

const latest = get("latest", HTMLButtonElement);
const messages = get("messages", HTMLElement);
let isReadingOlder = false;

const chat = new ChatClient("../", { rooms: room ? [room] : [], userId }, {
  status(now) {
    status.show(now);
    if (now.state !== "connected") return;
    nameRoom();
    nameUser();
    faults.connected();
  },
  outgoing(outgoing) {
    timeline.update(outgoing);
    if (outgoing.state === "failed") announce(`Not sent: ${outgoing.reason}`);
  },
  repeat: (message) => timeline.markRepeat(message.id),
  people: (people) => showPeople(people, chat.userId),
  typing: (writer) => typing.begin(writer),
  messages(list, source) {
    scroll.beforeChange();
    for (const message of list) {
      timeline.add(message, source);
      if (source === "missed") status.countMissed();
      if (source !== "history" && message.from !== chat.userId) announceMessage(message);
    }
    if (source !== "history" && !scroll.isFollowing) latest.hidden = false;
  },
});
const timeline = new Timeline(messages, { self: () => chat.userId, retry: (key) => chat.retry(key) });
const scroll = new Scroll(messages, readOlder);
const typing = new Typing();
const status = new StatusBar({ note, again: () => chat.start() });
const faults = new Faults(chat);
new Composer({
  send(dataType, data) {
    timeline.addOutgoing(chat.send(room, dataType, data));
    scroll.toEnd();
  },
  typing: () => chat.typing(room),
  complain(text) {
    announce(text);
    note(text);
  },
});
offerSwitch(chat, () => room);

/** @param {string} text */
function note(text) {
  scroll.beforeChange();
  return timeline.note(text);
}

function nameUser() {
  // A user who signed in has the name that the server gives.
  get("other", HTMLElement).hidden = get("name", HTMLElement).hidden = chat.userId !== userId;
  get("me", HTMLElement).textContent = chat.userId ? `as ${chat.userId}` : "";
}

function nameRoom() {
  room ||= chat.rooms[0]?.name ?? "";
  if (!room) return;
  document.title = `${room} – chat`;
  get("room", HTMLElement).textContent = room;
  get("other", HTMLAnchorElement).href = `?${new URLSearchParams({ room })}`;
}

/** @param {import("./client.js").Message} message */
function announceMessage({ from, dataType, data }) {
  typing.end(from);
  const what = dataType === "text" ? data : dataType === "json" ? "JSON" : "an image";
  announce(`${from ?? "Somebody"}: ${String(what).slice(0, 200)}`);
}

async function readOlder() {
  if (isReadingOlder || !chat.hasOlder(room)) return;
  isReadingOlder = true;
  messages.ariaBusy = "true";
  // What fails is tried again with the next scrolling.
  await chat.readOlder(room).catch(() => {});
  messages.ariaBusy = null;
  isReadingOlder = false;
}

messages.addEventListener("scroll", () => {
  if (scroll.isFollowing) latest.hidden = true;
});
latest.addEventListener("click", () => scroll.toEnd());
// Either way the old line is dead; offline, the attempt says so.
for (const change of ["online", "offline"]) addEventListener(change, () => chat.start());
// A page that the browser keeps for the way back must not look present meanwhile.
addEventListener("pagehide", () => chat.stop());
addEventListener("pageshow", (event) => event.persisted && chat.start());
addEventListener("beforeunload", (event) => {
  if (chat.unsent.length) event.preventDefault();
});

nameRoom();
chat.start();
