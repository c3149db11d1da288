import { byId, duration, element } from "./elements.js";
import { showDetails } from "./details.js";

const WARNING_LEVELS = new Set(["WARNING", "ERROR", "CRITICAL"]);

/** The list of events and log lines, newest first. */
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
        row = entry.kind === "log" ? new LogRow() : new EventRow(this.onConnection);
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
      words.every((word) => row.text.includes(word)) &&
      (connection === null || row.isOf(connection)) &&
      (show === "all" || (show === "events" ? row.entry.kind === "event" : row.isProblem()));
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

class EventRow {
  constructor(onConnection) {
    this.time = element("time");
    this.family = element("span", { className: "family" });
    this.name = element("span", { className: "name" });
    this.who = element("span", { className: "who" });
    this.snippet = element("span", { className: "snippet" });
    this.marks = element("span", { className: "marks" });
    this.status = element("span", { className: "status" });
    this.ms = element("span", { className: "ms" });
    this.details = element(
      "details",
      {},
      element(
        "summary",
        {},
        this.time,
        element("span", { className: "type" }, this.family, this.name),
        this.who,
        this.snippet,
        this.marks,
        this.status,
        this.ms,
      ),
    );
    this.details.addEventListener("toggle", () => this.#open());
    this.item = element("li", { className: "entry" }, this.details);
    this.onConnection = onConnection;
  }

  show(entry) {
    this.entry = entry;
    const [family] = entry.type.split(".").slice(2);
    Object.assign(this.item.dataset, { id: entry.id, family, state: entry.state });
    this.time.dateTime = entry.time;
    this.time.textContent = clock(entry.time);
    this.family.textContent = family;
    this.name.textContent = entry.event;
    this.who.replaceChildren(entry.userId ? element("b", {}, entry.userId) : "", entry.userId ? " " : "", entry.connectionId);
    this.who.title = `${entry.userId ?? "(no user)"} · connection ${entry.connectionId} · hub ${entry.hub}`;
    this.snippet.textContent = entry.snippet;
    this.ms.textContent = duration(entry.ms);
    this.status.textContent = entry.status ?? (entry.state === "waiting" ? "…" : "failed");
    this.status.title = entry.problem ?? entry.state;
    this.marks.replaceChildren(
      ...entry.faults.map((fault) =>
        element("span", { className: "mark", title: `on purpose: ${fault}` }, "⚡", element("span", { className: "label" }, ` ${fault}`)),
      ),
      ...(entry.attempts > 1 ? [element("span", { className: "mark", title: `sent ${entry.attempts} times` }, `↻ ${entry.attempts}`)] : []),
    );
    this.text = [entry.type, entry.hub, entry.connectionId, entry.userId, entry.snippet, entry.status, entry.state, entry.problem, ...entry.faults]
      .join(" ")
      .toLowerCase();
    if (this.details.open) this.#open();
  }

  isOf(connection) {
    return this.entry.connectionId === connection;
  }

  isProblem() {
    return this.entry.state === "failed" || this.entry.attempts > 1 || this.entry.faults.length > 0;
  }

  async #open() {
    if (!this.details.open) {
      this.details.querySelector(".detail")?.remove();
      return;
    }
    const answer = await fetch(`/emulator/traffic/${this.entry.id}`);
    const detail = answer.ok
      ? showDetails(await answer.json(), this.onConnection)
      : element("p", { className: "detail" }, await answer.text());
    this.details.querySelector(".detail")?.remove();
    if (this.details.open) this.details.append(detail);
  }
}

class LogRow {
  constructor() {
    this.time = element("time");
    this.level = element("span", { className: "level" });
    this.line = element("span", { className: "text" });
    this.all = element("pre");
    this.item = element(
      "li",
      { className: "entry log" },
      element("details", {}, element("summary", {}, this.time, this.level, this.line), element("div", { className: "detail" }, this.all)),
    );
  }

  show(entry) {
    this.entry = entry;
    Object.assign(this.item.dataset, { id: entry.id, level: entry.level });
    this.time.dateTime = entry.time;
    this.time.textContent = clock(entry.time);
    this.level.textContent = entry.level.toLowerCase();
    this.line.textContent = entry.text.split("\n", 1)[0];
    this.all.textContent = entry.text;
    this.text = `${entry.level} ${entry.text}`.toLowerCase();
  }

  isOf(connection) {
    return this.entry.text.includes(connection);
  }

  isProblem() {
    return WARNING_LEVELS.has(this.entry.level);
  }
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const clock = (time) => CLOCK.format(new Date(time));
