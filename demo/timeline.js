// @ts-check
/** The list of messages: in their order, each once; what is on its way stands at the end. */
import { orderOf } from "./client.js";
import { avatar, element } from "./elements.js";
import { imageType } from "./images.js";

/** @typedef {import("./client.js").Message} Message */
/** @typedef {import("./client.js").Outgoing} Outgoing */

const GROUP_MS = 5 * 60_000; // one author's messages within it share a head
const STATES = { sending: "Sending", unconfirmed: "Not confirmed", stored: "Stored", failed: "Not sent" };
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export class Timeline {
  /** @type {Map<string, HTMLElement>} key -> line of a message whose id is not known yet */ #pending = new Map();
  /** @type {Map<string, HTMLElement>} message id -> line */ #lines = new Map();

  /** @param {HTMLElement} list @param {{ self: () => string | null, retry: (key: string) => void }} chat */
  constructor(list, chat) {
    this.list = list;
    this.chat = chat;
  }

  /** @param {Message} message @param {"live" | "history" | "missed"} source */
  add(message, source) {
    const isOwn = message.from === this.chat.self();
    const pending = isOwn ? this.#pending.get(message.key ?? "") : undefined;
    this.#pending.delete(message.key ?? "");
    pending?.remove();
    const line = this.#line(message.from, message.time, body(message.dataType, message.data, message.from), isOwn);
    line.dataset.order = orderOf(message);
    if (source === "missed" && !pending) line.append(badge("missed", "Read from the history"));
    if (isOwn) line.append(badge("stored", STATES.stored));
    this.#lines.set(message.id, line);
    this.#insert(line, line.dataset.order);
  }

  /** @param {string} id of a message that was delivered again */
  markRepeat(id) {
    const line = this.#lines.get(id);
    if (line && !line.querySelector(".repeat")) line.append(badge("repeat", "Delivered twice, shown once"));
  }

  /** @param {Outgoing} outgoing */
  addOutgoing(outgoing) {
    const content = body(outgoing.dataType, outgoing.data ?? "", null);
    const line = this.#line(this.chat.self(), new Date().toISOString(), content, true);
    this.#pending.set(outgoing.key, line);
    this.list.append(line);
    this.update(outgoing);
    this.#arrange(line);
  }

  /** @param {Outgoing} outgoing */
  update({ key, state, reason }) {
    const line = this.#pending.get(key);
    if (!line) return;
    line.querySelector(".state")?.remove();
    const shown = badge(state, state === "failed" ? `${STATES.failed}: ${reason}` : STATES[state]);
    shown.classList.add("state");
    if (state === "failed") {
      const again = element("button", "", "Try again");
      again.addEventListener("click", () => this.chat.retry(key));
      shown.append(" ", again);
    }
    line.append(shown);
  }

  /** Put a note behind what is stored. @param {string} text @returns {HTMLElement} whose text may change */
  note(text) {
    const line = element("li", "note", text);
    const stored = [...this.list.querySelectorAll("[data-order]")];
    line.dataset.order = /** @type {HTMLElement | undefined} */ (stored.at(-1))?.dataset.order ?? "";
    this.#insert(line, line.dataset.order);
    return line;
  }

  /** @param {string | null} from @param {string} time @param {Node} content @param {boolean} isOwn */
  #line(from, time, content, isOwn) {
    const stamp = /** @type {HTMLTimeElement} */ (element("time", "", clock.format(new Date(time))));
    stamp.dateTime = time;
    stamp.title = full.format(new Date(time));
    const name = element("strong", "", from ?? "Somebody");
    const head = element("div", "head", avatar(from), name, " ", stamp);
    const line = element("li", isOwn ? "message own" : "message", head, element("div", "bubble", content));
    Object.assign(line.dataset, { from: from ?? "", time });
    return line;
  }

  /** @param {HTMLElement} line @param {string} order */
  #insert(line, order) {
    /** @type {Element | null} */ let next = null;
    for (let one = this.list.lastElementChild; one; one = one.previousElementSibling) {
      const other = /** @type {HTMLElement} */ (one).dataset.order;
      if (other !== undefined && other <= order) break;
      next = one;
    }
    this.list.insertBefore(line, next);
    this.#arrange(line);
  }

  /** Say again who shares a head, and where a day begins, around a new line. @param {HTMLElement} line */
  #arrange(line) {
    for (const one of [line, line.nextElementSibling]) {
      if (!(one instanceof HTMLElement) || !one.dataset.time) continue;
      let previous = /** @type {HTMLElement | null} */ (one.previousElementSibling);
      while (previous && !previous.dataset.time) previous = /** @type {HTMLElement | null} */ (previous.previousElementSibling);
      const [time, before] = [new Date(one.dataset.time), new Date(previous?.dataset.time ?? 0)];
      const isSameDay = time.toDateString() === before.toDateString();
      const continues = isSameDay && previous === one.previousElementSibling && previous?.dataset.from === one.dataset.from && +time - +before < GROUP_MS;
      one.classList.toggle("continues", continues);
      one.querySelector(".day")?.remove();
      if (!isSameDay) one.prepend(element("p", "day", calendar.format(time)));
    }
  }
}

/** @param {string} kind @param {string} text */
function badge(kind, text) {
  return element("p", `badge ${kind}`, text);
}

/** @param {import("./client.js").DataType | undefined} dataType @param {string} data @param {string | null} from @returns {Node} */
function body(dataType, data, from) {
  if (dataType === "text") return element("p", "text", data);
  if (dataType === "json") return element("pre", "json", data);
  const type = imageType(data);
  if (!type) return element("p", "binary", `${Math.floor((data.length * 3) / 4)} bytes`);
  const image = new Image();
  image.src = `data:${type};base64,${data}`;
  image.alt = from ? `Image from ${from}` : "Your image";
  return image;
}
