// @ts-check
/** What only the emulator can do: go wrong when asked to, and show its traffic. In Azure none of it appears. */
import { get } from "./elements.js";

/** The emulator's address, null for a service in Azure. @param {URL | null} service */
export function localOrigin(service) {
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(service?.hostname ?? "");
  return service && service.protocol === "ws:" && isLoopback ? `http://${service.host}` : null;
}

/** @param {string} origin @param {object} fault */
export async function inject(origin, fault) {
  const response = await fetch(`${origin}/emulator/faults`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fault),
  });
  if (!response.ok) throw new Error(`The emulator answered ${response.status}.`);
}

export class Faults {
  #note = get("local-note", HTMLElement);

  /** @param {import("./client.js").ChatClient} chat */
  constructor(chat) {
    this.chat = chat;
    get("cut", HTMLButtonElement).addEventListener("click", () =>
      this.#inject({ fault: "cut_connections", connectionId: chat.connectionId }, "The line was cut."),
    );
    get("duplicate", HTMLButtonElement).addEventListener("click", () => {
      const hub = chat.service?.pathname.split("/").at(-1);
      const fault = { fault: "duplicate_event", hub, connectionId: chat.connectionId, event: "send", count: 1 };
      return this.#inject(fault, "Your next message will be delivered twice.");
    });
  }

  /** Offer what the service of a new connection can do. */
  connected() {
    this.#note.textContent = ""; // a fault was for the connection before
    const origin = localOrigin(this.chat.service);
    get("local", HTMLElement).hidden = origin === null;
    if (origin) get("traffic", HTMLAnchorElement).href = `${origin}/`;
  }

  /** @param {object} fault @param {string} done */
  async #inject(fault, done) {
    try {
      await inject(localOrigin(this.chat.service) ?? "", fault);
      this.#note.textContent = done;
    } catch (error) {
      this.#note.textContent = /** @type {Error} */ (error).message;
    }
  }
}
