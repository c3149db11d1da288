// @ts-check
/** Who is writing now. */
import { get } from "./elements.js";
import { visible } from "./names.js";

const TYPING_MS = 4_000;

export class Typing {
  /** @type {Map<string, number>} name -> until when */ #writers = new Map();

  /** @param {string | null} writer */
  begin(writer) {
    this.#writers.set(visible(writer), Date.now() + TYPING_MS);
    this.#tell();
    setTimeout(() => this.#tell(), TYPING_MS + 100);
  }

  /** @param {string | null} writer */
  end(writer) {
    if (this.#writers.delete(visible(writer))) this.#tell();
  }

  /** Nobody is writing here: another room is shown. */
  forget() {
    this.#writers.clear();
    this.#tell();
  }

  #tell() {
    for (const [name, until] of this.#writers) if (until < Date.now()) this.#writers.delete(name);
    const names = [...this.#writers.keys()];
    const verb = names.length > 1 ? "are writing" : "is writing";
    get("typing", HTMLElement).textContent = names.length ? `${names.slice(0, 3).join(", ")} ${verb} …` : "";
  }
}
