// @ts-check
/** *Try it*: what the guarantees are worth is seen when something goes wrong. */
import { get } from "./elements.js";
import { armedFor, disarm, inject, localOrigin } from "./local.js";

const MESSAGE_EVENT = "send"; // of this page's messages: typing, and who comes and goes, is left alone
/** @type {Record<string, { fault: import("./local.js").Fault, chip: string }>} */
const FAULTS = {
  duplicate: { fault: { fault: "duplicate_event" }, chip: "Next message: delivered twice" },
  lose: { fault: { fault: "drop_answer" }, chip: "Next message: the answer gets lost" },
  slow: { fault: { fault: "delay", seconds: 5 }, chip: "Next message: the app takes 5 s" },
};

export class TryIt {
  #panel = get("local", HTMLDetailsElement);
  #note = get("local-note", HTMLElement);
  #isNarrow = matchMedia("(width <= 52rem)"); // there the panel lies over the messages
  /** @type {Map<string, () => void>} kind of an armed fault -> takes its chip away */ #chips = new Map();

  /** @param {import("./client.js").ChatClient} chat @param {import("./composer/composer.js").Composer} composer @param {() => void} goOffline */
  constructor(chat, composer, goOffline) {
    this.chat = chat;
    this.composer = composer;
    const fit = () => (this.#panel.open = !this.#isNarrow.matches);
    this.#isNarrow.addEventListener("change", fit);
    fit();
    get("offline", HTMLButtonElement).addEventListener("click", () => {
      goOffline();
      this.#close();
    });
    for (const [id, { fault }] of Object.entries(FAULTS)) {
      get(id, HTMLButtonElement).addEventListener("click", () => this.#do((origin) => this.#arm(origin, fault)));
    }
  }

  /** Offer what the service of a new connection can do. */
  connected() {
    const origin = localOrigin(this.chat.service);
    this.#panel.hidden = origin === null;
    if (origin) get("traffic", HTMLAnchorElement).href = `${origin}/`;
    this.settled();
  }

  /** A message got its answer, or the connection is another one: a fault may wait no longer. */
  settled() {
    if (this.#chips.size) this.#do((origin) => this.#show(origin));
  }

  /** @param {string} origin @param {import("./local.js").Fault} fault */
  async #arm(origin, fault) {
    if (this.#chips.has(fault.fault)) return;
    const hub = this.chat.service?.pathname.split("/").at(-1);
    await inject(origin, { ...fault, hub, connectionId: this.chat.connectionId ?? "", event: MESSAGE_EVENT, count: 1 });
    await this.#show(origin);
    this.#close();
    get("text", HTMLTextAreaElement).focus();
  }

  /** @param {string} origin */
  async #show(origin) {
    const { connectionId } = this.chat;
    const armed = new Set(connectionId === null ? [] : (await armedFor(origin, connectionId)).map(({ fault }) => fault));
    for (const { fault, chip } of Object.values(FAULTS)) {
      const kind = fault.fault;
      if (armed.has(kind) === this.#chips.has(kind)) continue;
      this.#chips.get(kind)?.();
      this.#chips.delete(kind);
      if (armed.has(kind)) this.#chips.set(kind, this.composer.addChip(chip, () => this.#do((to) => this.#disarm(to))));
    }
  }

  #close() {
    if (this.#isNarrow.matches) this.#panel.open = false;
  }

  /** @param {string} origin */
  async #disarm(origin) {
    if (this.chat.connectionId !== null) await disarm(origin, this.chat.connectionId);
    await this.#show(origin);
  }

  /** @param {(origin: string) => Promise<void>} act */
  async #do(act) {
    try {
      await act(localOrigin(this.chat.service) ?? "");
      this.#note.textContent = "";
    } catch (error) {
      this.#note.textContent = /** @type {Error} */ (error).message;
    }
  }
}
