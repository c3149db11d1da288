// @ts-check
/** What the page says of its connection and of what is behind it, and what was missed when the connection is back. */
import { announce, get } from "./elements.js";

/** @typedef {import("./client.js").Health} Health */
/** @typedef {import("./client.js").Status} Status */

const STATES = { connecting: "Connecting", connected: "Connected", waiting: "Offline", refused: "Not connected", stopped: "Offline" };
const PARTS = { service: "Web PubSub", app: "App", storage: "Storage" };
const FAILING = {
  service: "Web PubSub does not accept what the app sends.",
  app: "The app fails: nothing is stored now.",
  storage: "The storage fails: nothing is stored now.",
};

export class StatusBar {
  #status = get("status", HTMLElement);
  #trouble = get("trouble", HTMLElement);
  #signIn = get("sign-in", HTMLAnchorElement);
  #timer = 0;
  /** @type {Status} */ #now = { state: "connecting" };
  /** @type {Health} */ #health = { service: "unknown", app: "unknown", storage: "unknown" };
  /** @type {number | null} until when the page is offline because a person wants it */ #wanted = null;

  /** @param {() => void} again */
  constructor(again) {
    const back = new URLSearchParams({ post_login_redirect_uri: location.pathname + location.search });
    this.#signIn.href = `/.auth/login/aad?${back}`;
    get("again", HTMLButtonElement).addEventListener("click", again);
  }

  /** @param {Status} now */
  show(now) {
    // While it tries again, what was wrong stays on the page.
    this.#now = now.state === "connecting" ? { ...this.#now, state: now.state, retryAt: undefined } : now;
    if (now.state !== "stopped") this.#wanted = null;
    this.#tell();
  }

  /** @param {Health} health */
  showHealth(health) {
    this.#health = health;
    this.#tell();
  }

  /** The page is offline on purpose. @param {number} until milliseconds, as Date.now */
  offlineUntil(until) {
    this.#wanted = until;
    this.#tell();
  }

  /** @returns {(keyof typeof PARTS)[]} */
  get #failing() {
    return /** @type {(keyof typeof PARTS)[]} */ (Object.keys(PARTS)).filter((part) => this.#health[part] === "failing");
  }

  #tell() {
    const { state, code } = this.#now;
    const isConnected = state === "connected";
    const failing = this.#failing;
    const isWell = isConnected && !failing.length;
    document.body.dataset.state = state;
    this.#status.dataset.state = isConnected && !isWell ? "failing" : state;
    this.#status.textContent = isConnected && !isWell ? `${failing.map((part) => PARTS[part]).join(", ")} failing` : STATES[state];
    for (const [part, name] of Object.entries(PARTS)) this.#showPart(/** @type {keyof typeof PARTS} */ (part), name);
    this.#trouble.hidden = isWell || (state === "connecting" && this.#trouble.hidden) || (state === "stopped" && this.#wanted === null);
    this.#trouble.classList.toggle("wanted", this.#wanted !== null);
    get("again", HTMLButtonElement).hidden = isConnected;
    get("again", HTMLButtonElement).textContent = this.#wanted === null ? "Try now" : "Come back now";
    get("reason", HTMLElement).textContent = this.#reason(failing);
    // App Service authentication is on HTTPS only, and never on the machine of a developer.
    this.#signIn.hidden = code !== "unauthorized" || location.protocol !== "https:";
    clearInterval(this.#timer);
    if (this.#until) this.#timer = setInterval(() => this.#countDown(), 1000);
    this.#countDown();
  }

  /** @param {(keyof typeof PARTS)[]} failing @returns {string} */
  #reason(failing) {
    const { state, reason, errorId } = this.#now;
    const isConnected = state === "connected";
    if (this.#wanted !== null) return "Offline on purpose.";
    const why = isConnected ? (this.#health.reason ?? FAILING[failing[0]] ?? "") : (reason ?? "");
    const id = isConnected ? this.#health.errorId : errorId;
    return id ? `${why} (error ${id})` : why;
  }

  /** @param {keyof typeof PARTS} part @param {string} name */
  #showPart(part, name) {
    const shown = get(part, HTMLElement);
    const known = this.#health[part];
    const state = part === "service" && known === "ok" && this.#now.state !== "connected" ? "unknown" : known;
    shown.dataset.state = state;
    shown.title = { ok: `${name} answers`, failing: `${name} does not answer as it should`, unknown: `${name}: not known` }[state];
    get(`${part}-state`, HTMLElement).textContent = ` ${state}`;
  }

  get #until() {
    return this.#wanted ?? this.#now.retryAt;
  }

  #countDown() {
    const seconds = Math.ceil(((this.#until ?? 0) - Date.now()) / 1000);
    const [soon, now] = this.#wanted === null ? ["Trying again in", "Trying again."] : ["Back in", "Coming back."];
    const isTrying = this.#now.state === "connecting" || Boolean(this.#until);
    get("countdown", HTMLElement).textContent = seconds > 0 ? `${soon} ${seconds} s.` : isTrying ? now : "";
  }
}

/** What a person is told after a time away. @param {{ seconds: number, missed: number, isComplete: boolean }} back @returns {string} */
export function returnInWords({ seconds, missed, isComplete }) {
  const messages = missed === 1 ? "1 missed message" : `${missed} missed messages`;
  const what = !isComplete ? "You missed more than was loaded: scroll up to read it." : missed ? `${messages} read from the history.` : "You missed nothing.";
  const text = `Reconnected after ${Math.max(1, Math.round(seconds))} s. ${what}`;
  announce(text);
  return text;
}
