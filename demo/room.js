// @ts-check
/** What a client knows about one room: its messages, their last changes, and how far it has read. */
import { Presence } from "./presence.js";

/** @typedef {"text" | "json" | "binary"} DataType */
/** @typedef {"live" | "history" | "missed"} Source `missed` came while the client was away, or without a broadcast */
/**
 * @typedef {object} Message `data` is always a string: the text, the text of the JSON as it was written, or base64
 * @property {string} id
 * @property {string} time ISO 8601, UTC
 * @property {string | null} from
 * @property {string} room
 * @property {DataType} dataType
 * @property {string} data
 * @property {string} [key] that its sender gave it
 * @property {string} [editedAt]
 * @property {string} [deletedAt] of a message that was deleted before this client had it: nothing else is known about it
 */
/**
 * @typedef {object} Change of a message that this client has
 * @property {string} id of the message
 * @property {string} room
 * @property {"edited" | "deleted"} kind
 * @property {string} time
 * @property {DataType} [dataType] of the new content
 * @property {string} [data]
 */

/** @typedef {{ messages: Message[], changes: Change[], repeats: Message[] }} News what is new in some envelopes */
/**
 * @typedef {object} RoomInfo
 * @property {string} name
 * @property {boolean} isPrivate
 * @property {string | null} title of a private room, once known
 * @property {boolean} isRead whether its history was read and is kept up to date
 */
/**
 * @typedef {object} PrivateRoom
 * @property {string} name with its `@`
 * @property {string} title
 * @property {string[]} members in the order of joining
 */
/**
 * @typedef {object} Member of a private room
 * @property {string} room
 * @property {"joined" | "left"} event
 * @property {string} userId
 */

export const ALL_PRIVATE = "@";
const DATA_TYPES = ["text", "json", "binary"];
const MAX_KNOWN = 20_000;
// Ids begin with the second in which the service got the message, in hexadecimal digits.
const SECOND_DIGITS = 10;
const REDELIVERY_MS = 120_000;

/**
 * Return the sort key of a message: the second in which the service received it, then the server's time, then the id. It
 * is the same for everybody, and does not change when the message is delivered again.
 * @param {Message} message
 */
export function orderOf({ id, time }) {
  return `${id.slice(0, SECOND_DIGITS)} ${time} ${id}`;
}

export class Room {
  /** @type {Map<string, { time: string, isLive: boolean, isDeleted: boolean }>} by id; the time is of the last change */
  #known = new Map();
  /** @type {string | null | undefined} the oldest id that it has; null means all, undefined that nothing was read */ #oldest;
  /** @type {string | null} newest id of the last reading */ #newest = null;
  #newestSince = 0;
  #isSettled = false;
  presence = new Presence();
  /** whether the list of its people is shown */ isWatched = false;
  /** whether to read its history and keep it up to date */ isOpen = true;
  /** @type {string | null} of a private room, once known */ title = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  get isPrivate() {
    return this.name.startsWith(ALL_PRIVATE);
  }

  get isRead() {
    return this.#oldest !== undefined;
  }

  /** @returns {string | null} the `before` of the next older page; null if nothing is older */
  get older() {
    return this.#oldest ?? null;
  }

  /** @returns {{ after?: string, overlap?: string }} the query for what came since the last reading */
  get since() {
    // A message can be delivered two minutes late, with an id before the last one that was read. If the newest id stays
    // the newest for that long and is then read again, no such message is left.
    return this.#newest === null ? {} : { after: this.#newest, ...(!this.#isSettled && { overlap: "true" }) };
  }

  /**
   * Add what was read since the last reading.
   * @param {any[]} envelopes newest first
   * @param {{ newest: string | null, next: string | null, at: number }} page `at` is when it was requested, in milliseconds
   */
  takeNewer(envelopes, { newest, next, at }) {
    const isFirst = !this.isRead;
    if (isFirst) this.#oldest = next;
    if (newest !== null && newest !== this.#newest) {
      [this.#newest, this.#newestSince, this.#isSettled] = [newest, at, false];
    } else if (at - this.#newestSince > REDELIVERY_MS) this.#isSettled = true;
    return this.take(envelopes.toReversed(), isFirst ? "history" : "missed");
  }

  /** Add the page before the oldest message. @param {any[]} envelopes newest first @param {string | null} next */
  takeOlder(envelopes, next) {
    this.#oldest = next;
    return this.take(envelopes.toReversed(), "history");
  }

  /** Forget everything that is older. @param {string} id */
  forget(id) {
    if (id <= (this.#oldest ?? "")) return;
    if (this.isRead) this.#oldest = id;
    for (const known of this.#known.keys()) if (known < id) this.#known.delete(known);
  }

  /** Forget everything. */
  clear() {
    this.#known.clear();
    this.#oldest = undefined;
    this.#newest = null;
  }

  /**
   * Add envelopes in their order; return what is new.
   * @param {any[]} envelopes
   * @param {Source} source
   */
  take(envelopes, source) {
    /** @type {News} */
    const news = { messages: [], changes: [], repeats: [] };
    for (const envelope of envelopes) {
      // Older ones come with their page.
      if (typeof envelope.id !== "string" || envelope.id < (this.#oldest ?? "")) continue;
      if (envelope.type === "message" && isMessage(envelope)) this.#takeMessage(envelope, source, news);
      else if (envelope.type === "edited" || envelope.type === "deleted") this.#takeChange(envelope, source, news);
    }
    this.#shrink();
    news.messages.sort((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1));
    return news;
  }

  /** @param {any} message @param {Source} source @param {News} news */
  #takeMessage(message, source, news) {
    const isLive = source === "live";
    const known = this.#known.get(message.id);
    if (!known) {
      this.#known.set(message.id, { time: message.editedAt ?? "", isLive, isDeleted: false });
      news.messages.push(message);
      return;
    }
    if (known.isLive && isLive) news.repeats.push(message);
    known.isLive ||= isLive;
    if (message.editedAt) this.#takeChange({ ...message, type: "edited", time: message.editedAt }, source, news);
  }

  /** @param {any} change @param {Source} source @param {News} news */
  #takeChange({ id, type, time, dataType, data }, source, news) {
    const known = this.#known.get(id);
    const isDeleted = type === "deleted";
    const told = time ?? new Date().toISOString(); // notifications of private rooms have no time
    if (!known) {
      if (!isDeleted) return;
      this.#known.set(id, { time: told, isLive: source === "live", isDeleted });
      const seconds = parseInt(id.slice(0, SECOND_DIGITS), 16) || 0;
      const sent = new Date(1000 * seconds).toISOString();
      news.messages.push({ id, time: sent, from: null, room: this.name, dataType: "text", data: "", deletedAt: told });
    } else if (!known.isDeleted && (isDeleted || !time || time > known.time)) {
      known.isDeleted = isDeleted;
      known.time = time ?? known.time;
      news.changes.push({ id, room: this.name, kind: type, time: told, ...(!isDeleted && { dataType, data }) });
    }
  }

  /** Bound what is kept, even if nobody calls `forget`. */
  #shrink() {
    if (this.#known.size <= MAX_KNOWN) return;
    this.forget([...this.#known.keys()].sort()[MAX_KNOWN / 2]);
  }
}

/** Whether it is an envelope of the app: others may use its hub. @param {any} envelope */
function isMessage({ time, from, dataType, data }) {
  const isFromSomebody = from === null || typeof from === "string";
  return isFromSomebody && typeof data === "string" && DATA_TYPES.includes(dataType) && !Number.isNaN(Date.parse(time));
}

/** @param {any} answer of an invocation @returns {PrivateRoom} */
export function toRoom({ roomId, title, members }) {
  return { name: ALL_PRIVATE + roomId, title, members };
}

/**
 * Translate a notification into the envelope of an open room.
 * @param {string} kind of a notification
 * @param {any} body
 * @param {string} room
 * @returns {any} an envelope, empty for what is not about a message
 */
export function toEnvelope(kind, { message, messageId }, room) {
  if (kind === "MessageDeleted") return { type: "deleted", id: messageId, room };
  if (kind !== "MessageCreated" && kind !== "MessageUpdated") return {};
  const { messageId: id, createdAt, createdBy = null, bodyType = "", content } = message;
  const isBinary = content.binary !== null;
  const dataType = isBinary ? "binary" : bodyType.startsWith("application/json") ? "json" : "text";
  const said = { id, room, dataType, data: isBinary ? content.binary : content.text };
  if (kind === "MessageUpdated") return { type: "edited", ...said };
  return { type: "message", time: createdAt, from: createdBy, ...said };
}
