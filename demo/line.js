// @ts-check
/**
 * A client's line: HTTP to the app, a WebSocket to the service, and the attempts to reconnect when it is lost.
 * JSON stays as it was written: `data` of an envelope is a string, and no number loses digits.
 */

const OPEN_MS = 20_000;
const BEAT_MS = 20_000;
const SETTLE_MS = 4_000;
const FIRST_WAIT_MS = 4_000;
const LONGEST_WAIT_MS = 30_000;
const HEALTH_MS = 10_000;

/**
 * @typedef {"ok" | "failing" | "unknown"} Part
 * @typedef {object} Health by the last answers; `reason` says what is failing, `errorId` is the id of the last error
 * @property {Part} app
 * @property {Part} service Web PubSub
 * @property {Part} storage
 * @property {string} [reason]
 * @property {string} [errorId]
 */
/**
 * @typedef {object} Status `waiting` tries again at `retryAt` (milliseconds, as Date.now), `refused` never
 * @property {"connecting" | "connected" | "waiting" | "refused" | "stopped"} state
 * @property {string} [reason]
 * @property {string} [code] the server's name for why it refused
 * @property {number} [retryAt]
 * @property {string} [errorId]
 */
/**
 * @typedef {object} Owner what a line calls on its client
 * @property {() => Promise<URL>} negotiate where to connect
 * @property {() => Promise<void>} opened there is a connection: read what was missed, while what arrives is held back
 * @property {() => void} ready everything missed was read
 * @property {() => void} lost
 * @property {(frame: any) => void} receive
 * @property {(isLate: boolean) => void} beat every 20 seconds; late if the machine slept
 * @property {(status: Status) => void} status
 * @property {(health: Health) => void} health
 */

/** The server refused: the same request would be refused again. */
export class RefusedError extends Error {
  /** @param {string} message @param {string} [code] the server's name for it @param {string} [room] the refused one of several */
  constructor(message, code, room) {
    super(message);
    this.code = code;
    this.room = room;
  }
}

/** It failed now, and may work later. */
class FailedError extends Error {
  /** @param {string} message @param {string} [errorId] */
  constructor(message, errorId) {
    super(message);
    this.errorId = errorId;
  }
}

export class Line {
  #run = new AbortController(); // of one attempt to connect, and of its connection
  #failures = 0;
  #lastFrame = 0;
  #lastPing = 0;
  #ids = 0;
  #askedHealth = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #asking;
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {Map<string, { resolve: (result: any) => void, reject: (error: Error) => void }>} */ #invocations = new Map();
  /** @type {Health} */ health = { app: "unknown", service: "unknown", storage: "unknown" };
  /** @type {string | null} of the current connection */ connectionId = null;
  /** whether everything missed was read, and events may be sent */ isReady = false;

  /** @param {URL} api @param {Owner} owner */
  constructor(api, owner) {
    this.api = api;
    this.owner = owner;
  }

  /** Connect and stay connected; if it is waiting, try now. */
  start() {
    this.#disconnect();
    this.#run = new AbortController();
    const run = this.#run.signal;
    this.#connect(run).catch((error) => this.#lose(run, error));
  }

  stop() {
    this.#disconnect();
    clearTimeout(this.#asking);
    this.#asking = undefined;
    this.owner.status({ state: "stopped" });
  }

  /** @returns {number} of a frame of this connection */
  nextId() {
    return ++this.#ids;
  }

  /** @param {object} frame dropped if there is no connection */
  write(frame) {
    if (this.isReady) this.#write(frame);
  }

  /**
   * Send a user event whose answer is the result.
   * @param {string} event
   * @param {"text" | "json"} dataType
   * @param {any} data
   * @returns {Promise<any>}
   */
  invoke(event, dataType, data) {
    return new Promise((resolve, reject) => {
      const invocationId = String(this.nextId());
      const timer = setTimeout(() => end(reject)(new FailedError("The app did not answer.")), OPEN_MS);
      /** @param {(value: any) => void} settle @returns {(value: any) => void} */
      const end = (settle) => (value) => (clearTimeout(timer), this.#invocations.delete(invocationId), settle(value));
      this.#invocations.set(invocationId, { resolve: end(resolve), reject: end(reject) });
      const isOpen = this.#write({ type: "invoke", invocationId, target: "event", event, dataType, data });
      if (!isOpen) this.#invocations.get(invocationId)?.reject(new FailedError("There is no connection."));
    });
  }

  /**
   * Ask the app.
   * @param {string} route
   * @param {Record<string, string | string[] | number | null | undefined>} parameters
   * @returns {Promise<any>}
   */
  async get(route, parameters) {
    const url = new URL(route, this.api);
    for (const [name, value] of Object.entries(parameters)) {
      for (const one of [value].flat()) if (one !== null && one !== undefined) url.searchParams.append(name, String(one));
    }
    const { response, text } = await this.#fetch(url).catch(() => {
      this.#note({ app: "failing", reason: "The app does not answer." });
      throw new FailedError("The app does not answer. Is it running?");
    });
    const body = parse(text) ?? {};
    const { status } = response;
    if (response.ok) {
      this.#note({ app: "ok", ...(route === "messages" && { storage: "ok" }), ...(route === "presence" && { service: "ok" }) });
      return body;
    }
    const isKnown = body.type === "error"; // an answer of this app, not of a proxy before it
    const why = body.code === "unavailable" ? "Storage or Web PubSub does not answer the app." : body.message;
    const reason = why ?? (status === 401 ? "The app asks for a sign-in or a key." : `The app answered ${status} to ${route}.`);
    // The app itself refused. Any other status, also 404, can come from an app that is being deployed.
    if ([400, 401, 403].includes(status)) throw new RefusedError(reason, body.code, body.room);
    this.#note({ app: isKnown ? "ok" : "failing", reason, errorId: body.id });
    this.askHealth();
    throw new FailedError(reason, body.id);
  }

  /** Something failed: ask the app for the cause, every 10 to 15 seconds, until all is well. */
  askHealth() {
    if (this.#asking !== undefined) return;
    const since = performance.now() - this.#askedHealth;
    const wait = since > HEALTH_MS ? 1_000 * Math.random() : HEALTH_MS * (1 + Math.random() / 2) - since;
    this.#asking = setTimeout(() => this.#readHealth(), wait);
  }

  async #readHealth() {
    clearTimeout(this.#asking);
    this.#asking = undefined;
    this.#askedHealth = performance.now();
    const parts = await this.#fetch(new URL("health", this.api)).then(({ text }) => parse(text), () => null);
    if (typeof parts?.storage !== "string") {
      return this.#note({ app: "failing", storage: "unknown", service: "unknown", reason: "The app does not answer." });
    }
    /** @param {string} state @returns {Part} */
    const part = (state) => (state === "ok" ? "ok" : "failing");
    const told = { storage: part(parts.storage), service: part(parts.webpubsub) };
    const silent = [told.storage !== "ok" && "Storage", told.service !== "ok" && "Web PubSub"].filter(Boolean).join(" and ");
    this.#note({ app: "ok", ...told, ...(silent && { reason: `${silent} does not answer the app.` }) });
  }

  /** An event was answered, so nothing is failing. */
  noteAnswer() {
    this.#note({ app: "ok", service: "ok", storage: "ok" });
  }

  /** Ping the service; if nothing comes back soon, the line is lost. */
  probe() {
    const run = this.#run.signal;
    const asked = performance.now();
    if (!this.isReady || !this.#write({ type: "ping" })) return;
    setTimeout(() => this.#lastFrame < asked && this.#lose(run, new FailedError("The connection went silent.")), SETTLE_MS);
  }

  /** @param {Partial<Health>} told */
  #note(told) {
    const before = this.health;
    const now = { ...before, ...told };
    const isFailing = [now.app, now.service, now.storage].includes("failing");
    const { app, service, storage } = now;
    this.health = isFailing || told.reason ? now : { app, service, storage };
    if (JSON.stringify(before) !== JSON.stringify(this.health)) this.owner.health(this.health);
    if (isFailing && !this.#run.signal.aborted) this.askHealth();
  }

  /** @param {URL} url */
  async #fetch(url) {
    const response = await fetch(url, { signal: AbortSignal.timeout(OPEN_MS) });
    return { response, text: await response.text() };
  }

  /** @param {AbortSignal} run */
  async #connect(run) {
    this.owner.status({ state: "connecting" });
    const url = await this.owner.negotiate();
    if (run.aborted) return;
    /** @type {object[] | null} */ let heldBack = [];
    this.connectionId = await this.#open(url, run, (frame) => (heldBack ? heldBack.push(frame) : this.owner.receive(frame)));
    this.#note({ service: "ok" });
    await this.owner.opened();
    if (run.aborted) return;
    this.isReady = true;
    this.owner.status({ state: "connected" });
    const arrived = heldBack;
    heldBack = null;
    for (const frame of arrived) this.owner.receive(frame);
    this.owner.ready();
    this.#keepAlive(run);
  }

  /** @param {URL} url @param {AbortSignal} run @param {(frame: object) => void} receive @returns {Promise<string>} */
  #open(url, run, receive) {
    return new Promise((resolve, reject) => {
      const socket = (this.#socket = new WebSocket(url, "json.webpubsub.azure.v1"));
      let why = "";
      const timer = setTimeout(() => this.#lose(run, new FailedError("Web PubSub does not answer.")), OPEN_MS);
      run.addEventListener("abort", () => (clearTimeout(timer), socket.close(), reject(run.reason)));
      socket.onclose = async () => {
        if (run.aborted) return;
        const reason = why || (await this.#whyNot());
        this.#lose(run, new FailedError(reason));
      };
      socket.onmessage = (event) => {
        this.#lastFrame = performance.now();
        if (run.aborted) return;
        const frame = parse(event.data);
        if (frame?.type === "invokeResponse") this.#resolve(frame);
        else if (frame?.type !== "system") receive(frame ?? {});
        else {
          clearTimeout(timer);
          why = frame.message ?? "The connection was lost.";
          if (frame.event === "connected") resolve(frame.connectionId);
        }
      };
    });
  }

  /** Ask the app why a WebSocket did not open: browsers do not say it. */
  async #whyNot() {
    if (performance.now() - this.#askedHealth > HEALTH_MS) await this.#readHealth();
    if (this.health.service === "failing") return "Web PubSub does not answer.";
    return "Web PubSub refused the connection: the app did not answer.";
  }

  /** @param {any} frame */
  #resolve({ invocationId, success, data }) {
    const invocation = this.#invocations.get(String(invocationId));
    if (!success) invocation?.reject(new FailedError("The app did not answer."));
    else if (typeof data?.code === "string") invocation?.reject(new RefusedError(data.message ?? data.code, data.code));
    else invocation?.resolve(data);
  }

  /** @param {AbortSignal} run */
  #keepAlive(run) {
    let last = performance.now();
    const beat = () => {
      this.#failures = 0; // not earlier, or a line that is lost as soon as it opens would be tried without a pause
      // Not by the time that passed: browsers delay the timers of a hidden tab.
      if (this.#lastFrame < this.#lastPing) return this.#lose(run, new FailedError("The connection went silent."));
      const isLate = performance.now() - last > 2 * BEAT_MS;
      last = this.#lastPing = performance.now();
      this.#write({ type: "ping" });
      this.owner.beat(isLate);
    };
    // Once more soon: the server's list may be from before the last line was lost.
    const timers = [setTimeout(beat, SETTLE_MS), setInterval(beat, BEAT_MS)];
    run.addEventListener("abort", () => timers.forEach(clearTimeout));
  }

  #disconnect() {
    clearTimeout(this.#retry);
    this.#run.abort();
    this.owner.lost();
    this.#socket = this.connectionId = null;
    this.isReady = false;
    for (const { reject } of this.#invocations.values()) reject(new FailedError("The connection was lost."));
  }

  /** @param {AbortSignal} run @param {Error & { code?: string, errorId?: string }} error */
  #lose(run, error) {
    if (run.aborted) return;
    this.#disconnect();
    const { message: reason, code, errorId } = error;
    if (error instanceof RefusedError) return this.owner.status({ state: "refused", reason, code });
    // The whole wait is random, so that clients of one lost server do not all come back at the same time.
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++) * Math.random();
    this.#retry = setTimeout(() => this.start(), wait);
    this.owner.status({ state: "waiting", reason, retryAt: Date.now() + wait, ...(errorId && { errorId }) });
  }

  /** @param {object} frame @returns {boolean} whether there was a connection */
  #write(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }
}

/**
 * Read the JSON of a frame or of an answer; null for other text. JSON in `data` of an envelope becomes its text, as it
 * was written: JSON.parse turns 12345678901234567890 into 12345678901234567000, and 1.00 into 1.
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  /** @type {any} */ let value;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (Array.isArray(value?.messages)) {
    if (!value.messages.some(hasJson)) return value;
    const list = member(text, first(text, 0), "messages");
    let number = 0;
    for (const { start } of members(text, list.start)) keep(text, start, value.messages[number++]);
  } else if (hasJson(value?.data)) {
    keep(text, member(text, first(text, 0), "data").start, value.data);
  }
  return value;
}

/** @param {any} envelope */
function hasJson(envelope) {
  return envelope?.dataType === "json" && "data" in envelope;
}

/** @param {string} text @param {number} start of an envelope @param {any} envelope */
function keep(text, start, envelope) {
  if (!hasJson(envelope)) return;
  const data = member(text, start, "data");
  envelope.data = text.slice(data.start, data.end);
}

// The functions below walk over a text that JSON.parse has accepted, so it is valid JSON.

/** @param {string} text @param {number} start of an object @param {string} name @returns {{ start: number, end: number }} */
function member(text, start, name) {
  let found = { start, end: start };
  for (const one of members(text, start)) if (one.name === name) found = one; // the last one of two, as in JSON.parse
  return found;
}

/** Where the values of an object or an array are. @param {string} text @param {number} start */
function* members(text, start) {
  for (let at = first(text, start + 1); text[at] !== "}" && text[at] !== "]"; ) {
    let name = "";
    if (text[start] === "{") {
      const end = endOfString(text, at);
      name = JSON.parse(text.slice(at, end));
      at = first(text, first(text, end) + 1); // after the colon
    }
    const end = endOfValue(text, at);
    yield { name, start: at, end };
    at = first(text, end);
    if (text[at] === ",") at = first(text, at + 1);
  }
}

/** @param {string} text @param {number} at @returns {number} the position of the next character that is not white space */
function first(text, at) {
  while (" \t\n\r".includes(text[at])) at++;
  return at;
}

/** @param {string} text @param {number} start of a value @returns {number} */
function endOfValue(text, start) {
  if (text[start] === '"') return endOfString(text, start);
  const mark = text[start] === "{" || text[start] === "[" ? /["{}[\]]/g : /[\s,}\]]|$/g;
  mark.lastIndex = start;
  for (let depth = 0; ; ) {
    const { 0: character, index } = /** @type {RegExpExecArray} */ (mark.exec(text));
    if (character === '"') mark.lastIndex = endOfString(text, index);
    else if (character === "{" || character === "[") depth += 1;
    else if (--depth <= 0) return depth < 0 ? index : index + 1;
  }
}

/** @param {string} text @param {number} start of a string @returns {number} */
function endOfString(text, start) {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return end + 1;
  }
}
