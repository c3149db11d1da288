// @ts-check
/**
 * What a client sends, again and again until it is answered: messages, one at a time and in order, each with a key; and
 * joins and leaves.
 */

/** @typedef {import("./room.js").DataType} DataType */
/**
 * @typedef {object} Outgoing something being sent; `unconfirmed` is sent again automatically, `failed` was refused and can be retried
 * @property {string} key
 * @property {string} room
 * @property {"send" | "edit" | "delete"} event
 * @property {string} [id] of the message that is edited or deleted
 * @property {DataType} [dataType]
 * @property {string} [data] the text, the text of the JSON, or base64
 * @property {"sending" | "unconfirmed" | "stored" | "failed"} state
 * @property {string} [reason]
 * @property {string} [code] the server's name for why it was refused
 */
/**
 * @typedef {{ key?: string, id?: string, room?: string, code: string, message: string, retryAfter?: number }} Refusal
 * the app's answer to an event that it refuses
 */

const CONFIRM_MS = 15_000;
const MAX_FRAME_BYTES = 1024 * 1024; // the service closes a connection that sends more
const LONGEST_PAUSE_MS = 30_000;
const ANSWERS = { join: "joined", leave: "left" };
// Web PubSub itself refuses these. Any other failure may have reached the app.
const REFUSED = ["Forbidden", "BadRequest", "NotFound"];

export class Outbox {
  /** @type {Map<string, Outgoing>} by key: all that has not come back as a message, in the order of sending */ #all = new Map();
  /** @type {Map<number, string>} ack id -> key, of this connection */ #acks = new Map();
  /** @type {{ key: string, ackId: number, timer: ReturnType<typeof setTimeout> } | null} */ #current = null;
  /** @type {Set<string>} keys of messages that were read but not acknowledged */ #shown = new Set();
  /** @type {any[]} messages of this user, one of which may be the current one */ #unclear = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} until the next one may be sent */ #pause;
  #failures = 0;

  /**
   * @param {import("./line.js").Line} line
   * @param {{ outgoing: (outgoing: Outgoing) => void, own: (envelope: any) => void }} owner `own` gets a message that was
   * held back until its id was known
   */
  constructor(line, owner) {
    this.line = line;
    this.owner = owner;
  }

  /** @returns {Outgoing[]} */
  get unsent() {
    return [...this.#all.values()].filter(({ state }) => state !== "stored");
  }

  /** @param {Omit<Outgoing, "key" | "state">} what @returns {Outgoing} */
  put(what) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    const key = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
    /** @type {Outgoing} */ const outgoing = { key, ...what, state: "sending" };
    this.#all.set(key, outgoing);
    this.sendNext();
    return outgoing;
  }

  /** @param {string} key */
  retry(key) {
    const outgoing = this.#all.get(key);
    if (outgoing?.state === "failed") this.#settle(outgoing, "sending");
  }

  /** @param {string} key */
  discard(key) {
    if (this.#all.get(key)?.state === "stored") return;
    this.#all.delete(key);
    this.#shown.delete(key);
    this.#next(key);
  }

  /** The connection is closed: what was not acknowledged is sent over the next one. */
  lost() {
    clearTimeout(this.#current?.timer);
    clearTimeout(this.#pause);
    this.#current = null;
    this.#pause = undefined;
    this.#acks.clear();
    this.#unclear = []; // the history has them, with their keys
  }

  /** Send the oldest one that is not stored, so that none overtakes one that must be sent again. */
  sendNext() {
    if (!this.line.isReady || this.#current || this.#pause !== undefined) return;
    const outgoing = this.unsent.find(isWaiting);
    if (!outgoing) return;
    const { key, room, event, id, dataType, data } = outgoing;
    const ackId = this.line.nextId();
    const what = { ...(event === "send" ? { key } : { id }), room, dataType, data };
    const frame = { type: "event", event, ackId, dataType: "json", data: what };
    if (new Blob([JSON.stringify(frame)]).size > MAX_FRAME_BYTES) {
      return this.#settle(outgoing, "failed", "It is larger than the service accepts.", "too_large");
    }
    const timer = setTimeout(() => {
      this.line.askHealth();
      this.#settle(outgoing, "unconfirmed", "There was no acknowledgement.");
    }, CONFIRM_MS);
    this.#current = { key, ackId, timer };
    this.#acks.set(ackId, key);
    this.line.write(frame);
  }

  /** @param {{ ackId?: number, success?: boolean, error?: { name: string, message: string } }} ack */
  acknowledge({ ackId = 0, success, error }) {
    const outgoing = this.#all.get(this.#acks.get(ackId) ?? "");
    this.#acks.delete(ackId);
    // A message that the server refused is acknowledged as well.
    if (!outgoing || !isWaiting(outgoing)) return;
    if (success || error?.name === "Duplicate") {
      this.#failures = 0;
      this.line.noteAnswer();
      this.#settle(outgoing, "stored");
    } else if (REFUSED.includes(error?.name ?? "")) {
      this.#settle(outgoing, "failed", error?.message, error?.name);
    } else if (ackId === this.#current?.ackId) {
      this.line.askHealth();
      this.#rest(Math.min(LONGEST_PAUSE_MS, 2_000 * 2 ** this.#failures++) * (0.5 + Math.random() / 2));
      this.#settle(outgoing, "unconfirmed", "The app did not confirm it.");
    }
  }

  /** Handle a refusal by the app. @param {Refusal} refusal @returns {boolean} whether it is about one of these */
  refuse({ key, id, code, message, retryAfter }) {
    const isMeant = (/** @type {Outgoing} */ one) => (key ? one.key === key : one.event !== "send" && one.id === id);
    const outgoing = key || id ? [...this.#all.values()].find(isMeant) : undefined;
    if (!outgoing) return false;
    // The acknowledgement belongs to the refusal, whichever comes first.
    for (const [ackId, sent] of this.#acks) if (sent === outgoing.key) this.#acks.delete(ackId);
    if (isLater(code)) this.#rest(1000 * (retryAfter ?? 2));
    this.#settle(outgoing, isLater(code) ? "sending" : "failed", message, code);
    return true;
  }

  /**
   * Hold back a message that may be the one being sent: private rooms do not name its key, and the answer names its id.
   * @param {any} envelope
   * @param {string | null} userId
   * @returns {boolean} whether it is held back
   */
  mayBeOwn(envelope, userId) {
    const current = this.#all.get(this.#current?.key ?? "");
    const mayBe = current?.event === "send" && current.room === envelope.room && current.id === undefined;
    if (!mayBe || envelope.type !== "message" || envelope.from !== userId) return false;
    this.#unclear.push(envelope);
    return true;
  }

  /** @param {string} id of the message being sent to a private room */
  answered(id) {
    const current = this.#all.get(this.#current?.key ?? "");
    if (current?.event === "send") current.id = id;
    this.#clarify();
  }

  /**
   * Take out what came back as a message. What was only read is sent again until it is acknowledged: it may be stored
   * although nobody was told.
   * @param {import("./room.js").Message} message
   * @param {string | null} userId
   * @param {import("./client.js").Source} source
   * @returns {boolean} whether it was here
   */
  take(message, userId, source) {
    if (message.from !== userId) return false;
    const isMeant = (/** @type {Outgoing} */ one) => one.event === "send" && one.id === message.id;
    const outgoing = message.key ? this.#all.get(message.key) : [...this.#all.values()].find(isMeant);
    if (!outgoing) return false;
    message.key = outgoing.key;
    if (source !== "live" && isWaiting(outgoing)) {
      this.#shown.add(outgoing.key);
      return true;
    }
    this.#all.delete(outgoing.key);
    if (outgoing.state !== "stored") this.#settle(outgoing, "stored");
    return true;
  }

  /** @param {Outgoing} outgoing @param {Outgoing["state"]} state @param {string} [reason] @param {string} [code] */
  #settle(outgoing, state, reason, code) {
    Object.assign(outgoing, { state, reason, code });
    // A message stays until it comes back, unless it was read before.
    if (state === "stored" && (this.#shown.delete(outgoing.key) || outgoing.event !== "send")) this.#all.delete(outgoing.key);
    this.owner.outgoing(outgoing);
    this.#next(outgoing.key);
  }

  /** @param {string} key of something that is no longer being sent */
  #next(key) {
    if (key === this.#current?.key) {
      clearTimeout(this.#current.timer);
      this.#current = null;
      this.#clarify();
    }
    this.sendNext();
  }

  #clarify() {
    for (const envelope of this.#unclear.splice(0)) this.owner.own(envelope);
  }

  /** Send nothing for a while. @param {number} wait in milliseconds */
  #rest(wait) {
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined;
      this.sendNext();
    }, wait);
  }
}

/** The joins and leaves that wait for an answer; each is sent again until it is answered. */
export class Requests {
  /** @type {Map<string, { event: "join" | "leave", resolve: () => void, reject: (error: Error) => void }>} by room */
  #all = new Map();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} by room: until it is sent again */ #timers = new Map();

  /** @param {import("./line.js").Line} line */
  constructor(line) {
    this.line = line;
  }

  /** @param {"join" | "leave"} event @param {string} room @returns {Promise<void>} */
  ask(event, room) {
    this.reject(room, new Error("A later request for this room replaced it."));
    return new Promise((resolve, reject) => {
      this.#all.set(room, { event, resolve, reject });
      this.#write(room);
    });
  }

  /** There is a connection, and it is in these rooms. @param {string[]} rooms */
  ready(rooms) {
    for (const room of this.#all.keys()) rooms.includes(room) ? this.#end(room)?.resolve() : this.#write(room);
  }

  /** The connection is closed, and is no longer in any room. */
  lost() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const [room, { event }] of this.#all) if (event === "leave") this.#end(room)?.resolve();
  }

  /** @param {string} type of an answer @param {string} room @returns {boolean} whether it was waited for */
  resolve(type, room) {
    const request = this.#all.get(room);
    if (!request || ANSWERS[request.event] !== type) return false;
    this.#end(room);
    request.resolve();
    return true;
  }

  /** @param {string} room @param {Error} error @returns {boolean} whether it was waited for */
  reject(room, error) {
    const request = this.#end(room);
    request?.reject(error);
    return request !== undefined;
  }

  /** Handle a refusal by the app. @param {Refusal} refusal @returns {string | null} the room, if it is refused for good */
  refused({ room, code, retryAfter }) {
    const name = room ?? (code === "invalid_room" ? [...this.#all.keys()][0] : undefined);
    if (name === undefined || !this.#all.has(name)) return null;
    if (!isLater(code)) return name;
    this.#writeLater(name, 1000 * (retryAfter ?? 2));
    return null;
  }

  /** @param {string} room */
  #end(room) {
    const request = this.#all.get(room);
    this.#all.delete(room);
    clearTimeout(this.#timers.get(room));
    this.#timers.delete(room);
    return request;
  }

  /** @param {string} room */
  #write(room) {
    const request = this.#all.get(room);
    if (!request || !this.line.isReady) return;
    this.line.write({ type: "event", event: request.event, dataType: "json", data: { room } });
    this.#writeLater(room, CONFIRM_MS);
  }

  /** @param {string} room @param {number} wait in milliseconds */
  #writeLater(room, wait) {
    clearTimeout(this.#timers.get(room));
    this.#timers.set(room, setTimeout(() => this.#write(room), wait));
  }
}

/** Whether an event that was refused with this code may pass later. @param {string} code */
function isLater(code) {
  return code === "rate_limited" || code === "unavailable";
}

/** @param {Outgoing} outgoing */
function isWaiting({ state }) {
  return state === "sending" || state === "unconfirmed";
}
