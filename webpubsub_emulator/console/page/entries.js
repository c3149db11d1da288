import { byId } from "./elements.js";
import { rowFor } from "./rows.js";

/** The kinds of entries that each choice shows. */
const KINDS = { events: "event", sends: "delivery" };

/** The list of events, messages to clients and log lines, newest first. */
export class Entries {
  #rows = new Map();
  #list = byId("entries");
  #waiting = new Map();
  #isPaused = false;
  #matches = () => true;
  #limit = 5000;

  /** `onShown` hears how many rows are in sight, of how many, and how many wait. */
  constructor(onShown, onConnection) {
    this.onShown = onShown;
    this.onConnection = onConnection;
  }

  start(limit) {
    this.#limit = limit;
    this.clear();
  }

  clear() {
    this.#rows.clear();
    this.#waiting.clear();
    this.#list.replaceChildren();
    this.#count();
  }

  pause(isPaused) {
    this.#isPaused = isPaused;
    if (!isPaused) {
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      this.add(waiting);
    }
    this.#count();
  }

  /** Takes new entries, oldest first, and changed ones. */
  add(entries) {
    if (this.#isPaused) {
      for (const entry of entries) this.#waiting.set(entry.id, entry);
      this.#count();
      return;
    }
    const added = document.createDocumentFragment();
    for (const entry of entries) {
      let row = this.#rows.get(entry.id);
      if (row === undefined) {
        row = rowFor(entry, this.onConnection);
        this.#rows.set(entry.id, row);
        added.prepend(row.item);
      }
      row.show(entry);
      row.item.hidden = !this.#matches(row);
    }
    this.#list.prepend(added);
    for (const [id, row] of this.#rows) {
      if (this.#rows.size <= this.#limit) break;
      this.#rows.delete(id);
      row.item.remove();
    }
    this.#count();
  }

  /** Shows the rows that have `text`, are of this connection, and of the kind to `show`; without one, all. */
  filter({ text, connection, show }) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#matches = (row) =>
      words.every((word) => row.words.includes(word)) &&
      (connection === null || row.isOf(connection)) &&
      (show === "all" || (show === "problems" ? row.isProblem() : row.entry.kind === KINDS[show]));
    for (const row of this.#rows.values()) row.item.hidden = !this.#matches(row);
    this.#count();
  }

  #count() {
    let shown = 0;
    for (const row of this.#rows.values()) if (!row.item.hidden) shown += 1;
    byId("empty").hidden = this.#rows.size > 0;
    this.onShown(shown, this.#rows.size, this.#waiting.size);
  }
}
