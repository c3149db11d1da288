// @ts-check
/** What the page says of its connection: a dot, why it is not there, and what was missed when it is back. */
import { announce, get } from "./elements.js";

const STATES = { connecting: "Connecting", connected: "Connected", waiting: "Offline", refused: "Not connected", stopped: "Stopped" };

export class StatusBar {
  #status = get("status", HTMLElement);
  #trouble = get("trouble", HTMLElement);
  #signIn = get("sign-in", HTMLAnchorElement);
  #countdown = 0;
  #wasConnected = false;
  /** @type {{ note: HTMLElement, since: number, missed: number } | null} */ #outage = null;

  /** @param {{ note: (text: string) => HTMLElement, again: () => void }} page */
  constructor(page) {
    this.page = page;
    const back = new URLSearchParams({ post_login_redirect_uri: location.pathname + location.search });
    this.#signIn.href = `/.auth/login/aad?${back}`;
    get("again", HTMLButtonElement).addEventListener("click", page.again);
  }

  /** @param {import("./client.js").Status} now */
  show({ state, reason, code, retryAt }) {
    this.#status.dataset.state = state;
    this.#status.textContent = STATES[state];
    clearInterval(this.#countdown);
    if (state === "connected") return this.#connected();
    if (state === "connecting") return;
    if (this.#wasConnected) this.#outage ??= { note: this.page.note("The line dropped."), since: Date.now(), missed: 0 };
    this.#trouble.hidden = false;
    get("reason", HTMLElement).textContent = reason ?? "";
    // App Service authentication is on HTTPS only, and never on the machine of a developer.
    this.#signIn.hidden = code !== "unauthorized" || location.protocol !== "https:";
    const tell = () => {
      const seconds = Math.ceil(((retryAt ?? 0) - Date.now()) / 1000);
      get("countdown", HTMLElement).textContent = !retryAt ? "" : seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again.";
    };
    tell();
    this.#countdown = setInterval(tell, 1000);
  }

  /** Count a message that came while there was no line. */
  countMissed() {
    if (this.#outage) this.#outage.missed += 1;
  }

  #connected() {
    this.#wasConnected = true;
    this.#trouble.hidden = true;
    if (!this.#outage) return;
    const { note, since, missed } = this.#outage;
    const seconds = Math.max(1, Math.round((Date.now() - since) / 1000));
    const told = missed === 1 ? "1 missed message" : `${missed || "no"} missed messages`;
    note.textContent = `The line was down for ${seconds} s; ${told} read from the history.`;
    announce(note.textContent);
    this.#outage = null;
  }
}
