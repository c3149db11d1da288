// @ts-check
/** The page: what is on it, and what a person does with it. */
import { ChatClient } from "./client.js";
import { shrink } from "./images.js";
import { inject, localOrigin } from "./local.js";
import { nameOfTab } from "./names.js";
import { Scroll } from "./scroll.js";
import { Timeline, avatar, element } from "./timeline.js";

const TYPING_MS = 4_000;
const query = new URLSearchParams(location.search);
const room = query.get("room") || null; // without one: the server's default room
const userId = query.get("user") || (await nameOfTab());

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
function get(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`There is no ${kind.name} #${id}`);
}

const status = get("status", HTMLElement);
const trouble = get("trouble", HTMLElement);
const reason = get("reason", HTMLElement);
const text = get("text", HTMLTextAreaElement);
const asJson = get("json", HTMLButtonElement);
const latest = get("latest", HTMLButtonElement);
const messages = get("messages", HTMLElement);
const announcer = get("announcer", HTMLElement);
const localNote = get("local-note", HTMLElement);
const switcher = get("switcher", HTMLDialogElement);
const signIn = get("sign-in", HTMLAnchorElement);
const nameField = get("name", HTMLLabelElement);
const file = get("file", HTMLInputElement);

const STATES = { connecting: "Connecting", connected: "Connected", waiting: "Offline", refused: "Not connected", stopped: "Stopped" };
let countdown = 0;
let isReadingOlder = false;
/** @type {{ note: HTMLElement, since: number, missed: number } | null} */ let outage = null;
/** @type {Map<string, number>} */ const writers = new Map();

const chat = new ChatClient("../", { room, userId }, {
  status: showStatus,
  outgoing(outgoing) {
    timeline.update(outgoing);
    if (outgoing.state === "failed") announcer.textContent = `Not sent: ${outgoing.reason}`;
  },
  repeat: (message) => timeline.markRepeat(message.id),
  people: showPeople,
  typing: showTyping,
  message(message, source) {
    scroll.beforeChange();
    timeline.add(message, source);
    if (source === "history") return;
    if (outage && source === "missed") outage.missed += 1;
    if (!scroll.isFollowing) latest.hidden = false;
    if (message.from !== chat.userId) announce(message);
  },
});
const timeline = new Timeline(messages, { self: () => chat.userId, retry: (key) => chat.retry(key) });
const scroll = new Scroll(messages, readOlder);

/** @param {import("./client.js").Status} now */
function showStatus({ state, reason: why, code, retryAt }) {
  status.dataset.state = state;
  status.textContent = STATES[state];
  clearInterval(countdown);
  if (state === "connected") return connected();
  if (state === "connecting") return;
  if (!outage && chat.service) {
    scroll.beforeChange();
    outage = { note: timeline.note("The line dropped."), since: Date.now(), missed: 0 };
  }
  trouble.hidden = false;
  reason.textContent = why ?? "";
  // App Service authentication is on HTTPS only, and never on the machine of a developer.
  signIn.hidden = code !== "unauthorized" || location.protocol !== "https:";
  const tell = () => {
    const seconds = Math.ceil(((retryAt ?? 0) - Date.now()) / 1000);
    get("countdown", HTMLElement).textContent = !retryAt ? "" : seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again.";
  };
  tell();
  countdown = setInterval(tell, 1000);
}

function connected() {
  trouble.hidden = true;
  nameRoom();
  // A user who signed in has the name that the server gives.
  get("other", HTMLElement).hidden = nameField.hidden = chat.userId !== userId;
  get("me", HTMLElement).textContent = chat.userId ? `as ${chat.userId}` : "";
  if (outage) {
    const seconds = Math.max(1, Math.round((Date.now() - outage.since) / 1000));
    const missed = outage.missed === 1 ? "1 missed message" : `${outage.missed || "no"} missed messages`;
    outage.note.textContent = announcer.textContent = `The line was down for ${seconds} s; ${missed} read from the history.`;
    outage = null;
  }
  localNote.textContent = ""; // a fault was for the connection before
  const origin = localOrigin(chat.service);
  get("local", HTMLElement).hidden = origin === null;
  if (origin) get("traffic", HTMLAnchorElement).href = `${origin}/`;
}

function nameRoom() {
  if (chat.room === null) return;
  document.title = `${chat.room} – chat`;
  get("room", HTMLElement).textContent = chat.room;
  get("other", HTMLAnchorElement).href = `?${new URLSearchParams({ room: chat.room })}`;
}

/** @param {import("./presence.js").Person[]} people */
function showPeople(people) {
  get("people", HTMLElement).replaceChildren(
    ...people.map((person) => {
      const name = element("span", "name", person.userId ?? "Somebody");
      const line = element("li", "", avatar(person.userId), name);
      if (person.userId === chat.userId) line.append(element("span", "hint", "you"));
      if (person.connections > 1) line.append(element("span", "hint", `${person.connections} tabs`));
      return line;
    }),
  );
}

/** @param {string | null} writer */
function showTyping(writer) {
  const name = writer ?? "Somebody";
  writers.set(name, Date.now() + TYPING_MS);
  tellTyping();
  setTimeout(tellTyping, TYPING_MS + 100);
}

function tellTyping() {
  for (const [name, until] of writers) if (until < Date.now()) writers.delete(name);
  const names = [...writers.keys()];
  const verb = names.length > 1 ? "are writing" : "is writing";
  get("typing", HTMLElement).textContent = names.length ? `${names.slice(0, 3).join(", ")} ${verb} …` : "";
}

/** @param {import("./client.js").Message} message */
function announce({ from, dataType, data }) {
  writers.delete(from ?? "Somebody");
  const what = dataType === "text" ? data : dataType === "json" ? "JSON" : "an image";
  announcer.textContent = `${from ?? "Somebody"}: ${String(what).slice(0, 200)}`;
  tellTyping();
}

/** @param {import("./client.js").DataType} dataType @param {string} data */
function send(dataType, data) {
  timeline.addOutgoing(chat.send(dataType, data));
  scroll.toEnd();
}

function submit() {
  const value = text.value;
  if (!value.trim()) return;
  const isJson = asJson.ariaPressed === "true";
  try {
    if (isJson) JSON.parse(value);
  } catch {
    text.setCustomValidity("This is not JSON.");
    return void text.reportValidity();
  }
  send(isJson ? "json" : "text", value);
  text.value = "";
  text.focus();
}

/** @param {Blob | null | undefined} image */
async function sendImage(image) {
  if (!image) return;
  try {
    send("binary", await shrink(image));
  } catch (error) {
    announcer.textContent = /** @type {Error} */ (error).message;
    scroll.beforeChange();
    timeline.note(/** @type {Error} */ (error).message);
  }
}

async function readOlder() {
  if (isReadingOlder || !chat.hasOlder) return;
  isReadingOlder = true;
  messages.ariaBusy = "true";
  // What fails is tried again with the next scrolling.
  await chat.readOlder().catch(() => {});
  messages.ariaBusy = null;
  isReadingOlder = false;
}

/** @param {object} fault @param {string} done */
async function breakIt(fault, done) {
  try {
    await inject(localOrigin(chat.service) ?? "", fault);
    localNote.textContent = done;
  } catch (error) {
    localNote.textContent = /** @type {Error} */ (error).message;
  }
}

nameRoom();
signIn.href = `/.auth/login/aad?${new URLSearchParams({ post_login_redirect_uri: location.pathname + location.search })}`;

get("composer", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
text.addEventListener("input", () => {
  text.setCustomValidity("");
  if (text.value) chat.typing();
});
text.addEventListener("paste", ({ clipboardData }) => {
  // Spreadsheets and word processors put a picture of the text beside it.
  if (!clipboardData || clipboardData.types.includes("text/plain")) return;
  sendImage([...clipboardData.files].find((one) => one.type.startsWith("image/")));
});
asJson.addEventListener("click", () => {
  const isJson = asJson.ariaPressed !== "true";
  asJson.ariaPressed = String(isJson);
  text.placeholder = isJson ? '{"any": "JSON"}' : "Message";
  text.setCustomValidity("");
  text.focus();
});
get("image", HTMLButtonElement).addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  sendImage(file.files?.[0]);
  file.value = "";
});
messages.addEventListener("scroll", () => {
  if (scroll.isFollowing) latest.hidden = true;
});
latest.addEventListener("click", () => scroll.toEnd());
get("again", HTMLButtonElement).addEventListener("click", () => chat.start());
// Either way the old line is dead; offline, the attempt says so.
for (const change of ["online", "offline"]) addEventListener(change, () => chat.start());
// A page that the browser keeps for the way back must not look present meanwhile.
addEventListener("pagehide", () => chat.stop());
addEventListener("pageshow", (event) => event.persisted && chat.start());
addEventListener("beforeunload", (event) => {
  if (chat.unsent.length) event.preventDefault();
});
get("cut", HTMLButtonElement).addEventListener("click", () =>
  breakIt({ fault: "cut_connections", connectionId: chat.connectionId }, "The line was cut."),
);
get("duplicate", HTMLButtonElement).addEventListener("click", () => {
  const hub = chat.service?.pathname.split("/").at(-1);
  const fault = { fault: "duplicate_event", hub, connectionId: chat.connectionId, event: "send", count: 1 };
  return breakIt(fault, "Your next message will be delivered twice.");
});
get("switch", HTMLButtonElement).addEventListener("click", () => {
  switcher.returnValue = "";
  get("new-room", HTMLInputElement).value = chat.room ?? "";
  get("new-user", HTMLInputElement).value = chat.userId ?? "";
  switcher.showModal();
});
get("cancel", HTMLButtonElement).addEventListener("click", () => switcher.close());
switcher.addEventListener("close", () => {
  if (switcher.returnValue !== "go") return;
  const search = new URLSearchParams({ room: get("new-room", HTMLInputElement).value.trim() });
  if (!nameField.hidden) search.set("user", get("new-user", HTMLInputElement).value.trim());
  location.search = String(search);
});

chat.start();
