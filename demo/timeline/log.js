// @ts-check
/**
 * What is known of one room's messages, in their order: those that are stored, those on their way, and the page's notes.
 * It has no document, so a room that nobody looks at has one, too.
 */
import { orderOf } from "../client.js";

/** @typedef {import("../client.js").Message} Message */
/** @typedef {import("../client.js").Outgoing} Outgoing */
/** @typedef {import("../client.js").Change} Change */

/**
 * @typedef {object} Entry one line to be; `version` grows when it has to be drawn again
 * @property {"message" | "outgoing" | "note"} kind
 * @property {string} order what entries sort by
 * @property {number} version
 * @property {boolean} isOwn
 * @property {string | null} from
 * @property {string} time ISO 8601, UTC
 * @property {Message} [message] of a message
 * @property {Outgoing} [outgoing] of one on its way
 * @property {string} [text] of a note
 * @property {boolean} [isMissed] it was read from the history after a time away
 * @property {boolean} [isRepeat] the service delivered it again
 * @property {boolean} [isUnfolded] a long one is shown whole
 * @property {boolean} [isOpen] its details are shown
 */

const MAX_MESSAGES = 5_000;
const MAX_CHARACTERS = 32 * 1024 * 1024;
const AT_THE_END = "\uffff";

export class Log {
  /** @type {Entry[]} in order */ entries = [];
  /** Whether the newest of its history is here. */ isRead = false;
  /** Whether somebody reads far up in it: then nothing is dropped. */ isPinned = false;
  /** Called after each change. */ changed = () => {};
  /** Called with what is older than everything that is left. @type {(id: string) => void} */ forgot = () => {};
  /** @type {Map<string, Entry>} by message id */ #messages = new Map();
  /** @type {Map<string, Entry>} by key, of those on their way */ #outgoing = new Map();
  #characters = 0;
  #count = 0;

  /** @param {string} room @param {() => string | null} self who is looking */
  constructor(room, self) {
    this.room = room;
    this.self = self;
  }

  /** @param {Message[]} messages @param {"live" | "history" | "missed"} source */
  add(messages, source) {
    for (const message of messages) this.#add(message, source);
    this.#trim();
    this.changed();
  }

  /** @param {Change[]} changes */
  change(changes) {
    for (const { id, kind, time, dataType, data } of changes) {
      const entry = this.#messages.get(id);
      if (!entry?.message) continue;
      this.#characters -= entry.message.data.length;
      if (kind === "deleted") entry.message = { ...entry.message, data: "", deletedAt: time };
      else entry.message = { ...entry.message, editedAt: time, dataType: dataType ?? entry.message.dataType, data: data ?? "" };
      this.#characters += entry.message.data.length;
      entry.version += 1;
    }
    this.changed();
  }

  /** @param {string} id of a message that was delivered again */
  repeat(id) {
    const entry = this.#messages.get(id);
    if (!entry || entry.isRepeat) return;
    entry.isRepeat = true;
    this.redraw(entry);
  }

  /** A message of one's own was sent, or its state is another one. @param {Outgoing} outgoing */
  outgoing(outgoing) {
    const known = this.#outgoing.get(outgoing.key);
    if (known) return this.redraw(known);
    if (outgoing.state === "stored") return;
    const time = new Date().toISOString();
    const order = AT_THE_END + this.#number();
    const entry = this.#insert({ kind: "outgoing", order, version: 0, isOwn: true, from: this.self(), time, outgoing });
    this.#outgoing.set(outgoing.key, entry);
    this.changed();
  }

  /** @param {string} key of a message that is not sent after all */
  discard(key) {
    this.#dropOutgoing(key);
    this.changed();
  }

  /** Put a note behind what is stored. @param {string} text @returns {Entry} for `rewrite` */
  note(text) {
    const last = this.entries.findLast(({ kind }) => kind !== "outgoing");
    const order = `${last?.order.split("\0")[0] ?? ""}\0${this.#number()}`;
    const time = new Date().toISOString();
    const entry = this.#insert({ kind: "note", order, version: 0, isOwn: false, from: null, time, text });
    this.changed();
    return entry;
  }

  /** @param {Entry} note @param {string} text */
  rewrite(note, text) {
    if (!this.has(note)) return void this.note(text); // it went with the messages around it
    note.text = text;
    this.redraw(note);
  }

  /** @param {Entry} entry */
  redraw(entry) {
    entry.version += 1;
    this.changed();
  }

  /** @param {string} id of a message @returns {Entry | undefined} */
  find(id) {
    return this.#messages.get(id);
  }

  /** @param {Entry} entry */
  has(entry) {
    return this.entries[this.indexOf(entry)] === entry;
  }

  /** @param {boolean} isRead */
  setRead(isRead) {
    this.isRead = isRead;
    this.changed();
  }

  /** Forget what is stored: it is read again. */
  reset() {
    this.entries = this.entries.filter(({ kind }) => kind === "outgoing");
    this.#messages.clear();
    this.#characters = 0;
    this.changed();
  }

  /** @param {Entry} entry @returns {number} where it is, or would be */
  indexOf({ order }) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].order < order) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {Message} message @param {"live" | "history" | "missed"} source */
  #add(message, source) {
    const isOwn = message.from !== null && message.from === this.self();
    const wasPending = isOwn && message.key !== undefined && this.#dropOutgoing(message.key);
    if (this.#messages.has(message.id)) return;
    const isMissed = source === "missed" && !wasPending;
    const { from, time } = message;
    const entry = this.#insert({ kind: "message", order: orderOf(message), version: 0, isOwn, from, time, message, isMissed });
    this.#messages.set(message.id, entry);
    this.#characters += message.data.length;
  }

  /** @param {Entry} entry @returns {Entry} */
  #insert(entry) {
    this.entries.splice(this.indexOf(entry), 0, entry);
    return entry;
  }

  /** @param {string} key @returns {boolean} whether there was one */
  #dropOutgoing(key) {
    const entry = this.#outgoing.get(key);
    if (!entry) return false;
    this.#outgoing.delete(key);
    this.entries.splice(this.indexOf(entry), 1);
    return true;
  }

  /** Let go of the oldest; they are read again when somebody scrolls up to them. */
  #trim() {
    if (this.isPinned) return;
    let count = 0;
    while (this.#messages.size > MAX_MESSAGES || (this.#characters > MAX_CHARACTERS && this.#messages.size > 1)) {
      const { message } = this.entries[count++];
      if (!message) continue;
      this.#messages.delete(message.id);
      this.#characters -= message.data.length;
    }
    if (!count) return;
    this.entries.splice(0, count);
    const oldest = this.entries.find(({ kind }) => kind === "message")?.message;
    if (oldest) this.forgot(oldest.id);
  }

  #number() {
    return String(++this.#count).padStart(10, "0");
  }
}
