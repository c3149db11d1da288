// @ts-check
/**
 * A chat client for browsers, usable alone:
 *
 *     const chat = new ChatClient("https://<app>/api/", { room: "lobby", userId: "ana" }, {
 *       message: (message) => console.log(message.from, message.data),
 *     });
 *     chat.start();
 *     chat.send("text", "hello");
 *
 * What it keeps to, also when the line drops:
 * - Nothing is missed: it subscribes first, holds back what arrives, reads the history, then shows both, merged by id.
 *   After a reconnect, and once a minute, it reads what came since the last reading.
 * - Nothing is shown twice: `message` is called once for an id, whatever the service delivers.
 * - Nothing is lost or stored twice on the way up: each message has a key. What was not acknowledged is sent again over
 *   the next connection, and the server stores a key once.
 * - Nothing overtakes: messages go up one at a time, and what the server refuses as too fast is sent again first.
 */
import { Presence } from "./presence.js";

/** @typedef {"text" | "json" | "binary"} DataType */
/**
 * @typedef {object} Message as stored; `data` is a string, a JSON value, or base64
 * @property {string} id
 * @property {string} time ISO 8601, UTC
 * @property {string | null} from
 * @property {DataType} dataType
 * @property {any} data
 * @property {string} [key] that its sender gave it
 */
/**
 * @typedef {object} Outgoing a message on its way; when it `failed` it has a reason and can be retried
 * @property {string} key
 * @property {DataType} dataType
 * @property {string} data the text, the text of the JSON, or base64
 * @property {"sending" | "stored" | "failed"} state
 * @property {string} [reason]
 */
/**
 * @typedef {object} Status `waiting` tries again at `retryAt` (milliseconds, as Date.now), `refused` never
 * @property {"connecting" | "connected" | "waiting" | "refused" | "stopped"} state
 * @property {string} [reason]
 * @property {string} [code] the server's name for why it refused
 * @property {number} [retryAt]
 */
/**
 * @typedef {object} Listener
 * @property {(status: Status) => void} [status]
 * @property {(message: Message, source: "live" | "history" | "missed") => void} [message] once for each id
 * @property {(message: Message) => void} [repeat] the service delivered an id again; it was not shown again
 * @property {(outgoing: Outgoing) => void} [outgoing] its state changed
 * @property {(people: import("./presence.js").Person[]) => void} [people]
 * @property {(userId: string | null) => void} [typing]
 */

const MAX_FRAME_BYTES = 1024 * 1024; // the service closes a connection that sends more
const OPEN_MS = 20_000;
const BEAT_MS = 20_000;
const SETTLE_MS = 4_000;
const LONGEST_WAIT_MS = 30_000;
const TYPING_MS = 2_500;

/**
 * What messages sort by: the second in which the service got them, then when the server did, then the id. It is the same
 * for everybody, and a message that was delivered again stays where it was.
 * @param {Message} message
 */
export function orderOf({ id, time }) {
  return `${id.slice(0, 10)} ${time} ${id}`;
}

/** @param {{ type: string }} envelope what is not a message tells of one: it was edited or deleted */
const isMessage = ({ type }) => type === "message";

/** The server said no: the same request will not do better. */
class RefusedError extends Error {
  /** @param {string} message @param {string} [code] the server's name for it */
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

export class ChatClient {
  #run = new AbortController(); // of one attempt to connect and what follows from it
  #retry = 0;
  #failures = 0;
  /** @type {WebSocket | null} */ #socket = null;
  #isReady = false;
  #lastFrame = 0;
  #lastPing = 0;
  #lastTyping = 0;
  #ackId = 0;
  /** @type {Map<number, string>} ack id -> key, of this connection */ #unacknowledged = new Map();
  /** @type {Map<string, Outgoing>} by key: all that was not shown yet */ #outbox = new Map();
  /** @type {Map<string, boolean>} message id -> whether it came live */ #shown = new Map();
  /** @type {string | null | undefined} newest id of the last reading; undefined before the first */ #cursor;
  /** @type {string | null} */ #older = null;
  /** @type {string | null} key of the message that is on its way */ #current = null;
  #pause = 0;
  #presence = new Presence();
  /** @type {Set<string>} connections of this client that are over */ #gone = new Set();

  /** @type {string | null} of the current connection */ connectionId = null;
  /** @type {URL | null} of the service, without the token */ service = null;

  /**
   * @param {string | URL} api where the routes are, with a slash at the end
   * @param {{ room?: string | null, userId?: string | null }} who without a room it is the server's default room; where
   * users sign in, the server knows the user id
   * @param {Listener} listener
   */
  constructor(api, { room = null, userId = null }, listener) {
    this.api = new URL(api, globalThis.location?.href);
    this.room = room;
    this.userId = userId;
    this.listener = listener;
  }

  /** Connect and stay connected; while it waits: try again now. */
  start() {
    this.#disconnect();
    this.#run = new AbortController();
    const run = this.#run.signal;
    this.#connect(run).catch((error) => this.#lose(run, error));
  }

  /** Disconnect; what is not stored stays in the outbox. */
  stop() {
    this.#disconnect();
    this.listener.status?.({ state: "stopped" });
  }

  /** @returns {Outgoing[]} what is not stored */
  get unsent() {
    return [...this.#outbox.values()].filter(({ state }) => state !== "stored");
  }

  /** @returns {boolean} whether `readOlder` has something to read */
  get hasOlder() {
    return this.#older !== null;
  }

  /**
   * Send a message, as soon as there is a line; `outgoing` tells what becomes of it.
   * @param {DataType} dataType
   * @param {string} data the text, the text of the JSON, or base64
   * @returns {Outgoing}
   */
  send(dataType, data) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    const key = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
    /** @type {Outgoing} */ const outgoing = { key, dataType, data, state: "sending" };
    this.#outbox.set(key, outgoing);
    this.#sendNext();
    this.#lastTyping = 0;
    return outgoing;
  }

  /** @param {string} key of a message that failed; with its key it cannot be stored twice */
  retry(key) {
    const outgoing = this.#outbox.get(key);
    if (outgoing?.state !== "failed") return;
    this.#settle(outgoing, "sending");
  }

  /** Read the page of history before the oldest message. */
  async readOlder() {
    const page = await this.#get("messages", { before: this.#older });
    this.#older = page.next;
    for (const message of page.messages.filter(isMessage)) this.#show(message, "history");
  }

  /** Tell the room that the user is writing: not stored, and not more often than makes sense. */
  typing() {
    if (Date.now() - this.#lastTyping < TYPING_MS) return;
    this.#lastTyping = Date.now();
    this.#write({ type: "event", event: "typing", dataType: "json", data: {} });
  }

  /** @param {AbortSignal} run */
  async #connect(run) {
    this.listener.status?.({ state: "connecting" });
    const access = await this.#get("negotiate", {});
    if (run.aborted) return;
    this.userId = access.userId;
    this.room = access.room;
    const url = new URL(access.url);
    this.service = new URL(url.pathname, url);
    /** @type {object[] | null} */ let heldBack = [];
    const connectionId = await this.#open(url, run, (frame) => (heldBack ? heldBack.push(frame) : this.#receive(frame)));
    this.connectionId = connectionId;
    this.#readPresence().catch(() => {}); // who is here may come later; the next beat asks again
    await this.#readNewer();
    if (run.aborted) return;
    this.#isReady = true;
    this.listener.status?.({ state: "connected" });
    for (const frame of heldBack) this.#receive(frame);
    heldBack = null;
    this.#sendNext();
    this.#keepAlive(run);
  }

  /** @param {URL} url @param {AbortSignal} run @param {(frame: object) => void} receive @returns {Promise<string>} */
  #open(url, run, receive) {
    return new Promise((resolve, reject) => {
      const socket = (this.#socket = new WebSocket(url, "json.webpubsub.azure.v1"));
      let why = "Web PubSub did not let this page in. Does the event handler answer?";
      const timer = setTimeout(() => this.#lose(run, new Error("Web PubSub does not answer.")), OPEN_MS);
      run.addEventListener("abort", () => (socket.close(), reject(run.reason)));
      socket.onclose = () => this.#lose(run, new Error(why));
      socket.onmessage = (event) => {
        this.#lastFrame = performance.now();
        const frame = JSON.parse(event.data);
        if (run.aborted) return;
        if (frame.type !== "system") return receive(frame);
        clearTimeout(timer);
        why = frame.message ?? "The line dropped.";
        if (frame.event === "connected") resolve(frame.connectionId);
      };
    });
  }

  /** @param {AbortSignal} run */
  #keepAlive(run) {
    let beats = 0;
    const beat = () => {
      this.#failures = 0; // not before: a line that drops as soon as it is there would be tried twice a second for ever
      // Not by the time that passed: browsers hold back the timers of a tab that nobody looks at.
      if (this.#lastFrame < this.#lastPing) return this.#lose(run, new Error("The line went silent."));
      this.#write({ type: "ping" });
      this.#lastPing = performance.now();
      this.#readPresence().catch(() => {});
      if (++beats % 3 === 0) this.#readNewer().catch(() => {});
    };
    // Soon once more: what the server has of the list may be from before the last line was lost.
    const timers = [setTimeout(beat, SETTLE_MS), setInterval(beat, BEAT_MS)];
    run.addEventListener("abort", () => timers.forEach(clearTimeout));
  }

  #disconnect() {
    clearTimeout(this.#retry);
    this.#run.abort();
    if (this.connectionId) this.#gone.add(this.connectionId);
    this.#socket = this.connectionId = null;
    this.#isReady = false;
    this.#unacknowledged.clear();
    this.#current = null;
    clearTimeout(this.#pause);
    this.#pause = 0;
  }

  /** @param {AbortSignal} run @param {Error} error */
  #lose(run, error) {
    if (run.aborted) return;
    this.#disconnect();
    if (error instanceof RefusedError) {
      return this.listener.status?.({ state: "refused", reason: error.message, code: error.code });
    }
    // Half of the wait is chance: clients that lost the same server do not come back all at once.
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
    this.#retry = setTimeout(() => this.start(), wait);
    this.listener.status?.({ state: "waiting", reason: error.message, retryAt: Date.now() + wait });
  }

  /** @param {any} frame */
  #receive({ type, data, ...ack }) {
    if (type === "ack") return this.#acknowledge(ack);
    if (data?.type === "error") return this.#refused(data);
    if (data?.room !== this.room) return;
    if (data.type === "message") this.#show(data, "live");
    else if (data.type === "typing" && data.userId !== this.userId) this.listener.typing?.(data.userId);
    else if (data.type === "presence") {
      for (const event of data.events) this.#presence.heed(event);
      this.listener.people?.(this.#presence.people);
    }
  }

  /** @param {{ key?: string, code: string, message: string, retryAfter?: number }} error */
  #refused({ key, code, message, retryAfter }) {
    const outgoing = this.#outbox.get(key ?? "");
    if (!outgoing) return;
    if (code !== "rate_limited") return this.#settle(outgoing, "failed", message);
    // The acknowledgement is of the refusal, whichever comes first.
    for (const [ackId, sent] of this.#unacknowledged) if (sent === key) this.#unacknowledged.delete(ackId);
    this.#pause ||= setTimeout(() => {
      this.#pause = 0;
      this.#sendNext();
    }, 1000 * (retryAfter ?? 1));
    this.#settle(outgoing, "sending");
  }

  /** @param {any} ack */
  #acknowledge({ ackId, success, error }) {
    const outgoing = this.#outbox.get(this.#unacknowledged.get(ackId) ?? "");
    this.#unacknowledged.delete(ackId);
    // A message that the server refused is acknowledged, too.
    if (outgoing?.state !== "sending") return;
    if (success || error?.name === "Duplicate") return this.#settle(outgoing, "stored");
    const isUnknown = error?.name === "InternalServerError";
    this.#settle(outgoing, "failed", isUnknown ? "The event handler did not confirm it." : error?.message);
  }

  /** @param {Outgoing} outgoing @param {Outgoing["state"]} state @param {string} [reason] */
  #settle(outgoing, state, reason) {
    Object.assign(outgoing, { state, reason });
    this.listener.outgoing?.(outgoing);
    if (outgoing.key === this.#current) this.#current = null;
    this.#sendNext();
  }

  /** Send the oldest message that is not stored, one at a time: what has to be sent again is overtaken by none. */
  #sendNext() {
    if (!this.#isReady || this.#current !== null || this.#pause) return;
    const outgoing = this.unsent.find(({ state }) => state === "sending");
    if (!outgoing) return;
    const { key, dataType, data } = outgoing;
    const frame = { type: "event", event: "send", ackId: ++this.#ackId, dataType: "json", data: { key, dataType, data } };
    if (new Blob([JSON.stringify(frame)]).size > MAX_FRAME_BYTES) {
      return this.#settle(outgoing, "failed", "It is larger than the service takes.");
    }
    this.#current = key;
    this.#unacknowledged.set(frame.ackId, key);
    this.#write(frame);
  }

  /** @param {object} frame */
  #write(frame) {
    if (this.#isReady && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** @param {Message} message @param {"live" | "history" | "missed"} source */
  #show(message, source) {
    const outgoing = message.from === this.userId && this.#outbox.get(message.key ?? "");
    if (outgoing) {
      this.#outbox.delete(outgoing.key);
      this.#settle(outgoing, "stored");
    }
    const cameLive = this.#shown.get(message.id);
    this.#shown.set(message.id, cameLive || source === "live");
    if (cameLive === undefined) this.listener.message?.(message, source);
    else if (cameLive && source === "live") this.listener.repeat?.(message);
  }

  /** Read what came since the last reading, and show none of it before all is here: a failure leaves no gap. */
  async #readNewer() {
    const [after, isFirst] = [this.#cursor ?? null, this.#cursor === undefined];
    /** @type {Message[]} newest first */ const messages = [];
    /** @type {string | null} */ let newest = null;
    /** @type {string | null} */ let before = null;
    do {
      // A message that was delivered again can stand before the last one that was read.
      const overlap = after && "true";
      const page = await this.#get("messages", { after, overlap, before, limit: isFirst ? 50 : 200 });
      messages.push(...page.messages.filter(isMessage));
      newest ??= page.newest;
      before = page.next;
    } while (before && !isFirst);
    if (isFirst) this.#older = before;
    this.#cursor = newest ?? after;
    for (const message of messages.reverse()) this.#show(message, isFirst ? "history" : "missed");
  }

  async #readPresence() {
    const { time, connections } = await this.#get("presence", {});
    if (!this.connectionId) return;
    // The service hears of a lost line later than its client.
    const alive = connections.filter((/** @type {any} */ one) => !this.#gone.has(one.connectionId));
    this.#presence.correct({ time, connections: alive }, { connectionId: this.connectionId, userId: this.userId });
    this.listener.people?.(this.#presence.people);
  }

  /** @param {string} route @param {Record<string, string | number | null>} parameters @returns {Promise<any>} */
  async #get(route, parameters) {
    const url = new URL(route, this.api);
    for (const [name, value] of Object.entries({ room: this.room, userId: this.userId, ...parameters })) {
      if (value !== null) url.searchParams.set(name, String(value));
    }
    const response = await fetch(url, { signal: AbortSignal.timeout(OPEN_MS) }).catch(() => {
      throw new Error("The app does not answer. Is it running?");
    });
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    const { status } = response;
    const why = body.code === "unavailable" ? "Storage or Web PubSub does not answer the app." : body.message;
    const other = status === 401 ? "The app asks for a sign-in or a key." : `The app answered ${status} to ${route}.`;
    // The app's own no. Any other status, 404 among them, can be an app that is being deployed.
    throw [400, 401, 403].includes(status) ? new RefusedError(why ?? other, body.code) : new Error(why ?? other);
  }
}
