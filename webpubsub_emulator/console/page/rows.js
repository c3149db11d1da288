import { answerOf, copyButton, counted, duration, element, shortId, withShortIds } from "./elements.js";
import { showDelivery, showEvent } from "./details.js";

const WARNING_LEVELS = new Set(["WARNING", "ERROR", "CRITICAL"]);

/** A row for an entry of this kind. */
export function rowFor(entry, onConnection) {
  if (entry.kind === "log") return new LogRow();
  return entry.kind === "event" ? new EventRow(onConnection) : new DeliveryRow(onConnection);
}

/** What events and deliveries have in common: one line, and details that are fetched when it is opened. */
class TrafficRow {
  constructor(onConnection, showDetails) {
    this.onConnection = onConnection;
    this.showDetails = showDetails;
    this.time = element("time");
    this.family = element("span", { className: "family" });
    this.name = element("span", { className: "name" });
    this.who = element("span", { className: "who" });
    this.problem = element("span", { className: "problem" });
    this.text = element("span", { className: "text" });
    this.marks = element("span", { className: "marks" });
    this.status = element("span", { className: "status" });
    this.note = element("span", { className: "ms" });
    this.details = element(
      "details",
      {},
      element(
        "summary",
        {},
        this.time,
        element("span", { className: "type" }, this.family, this.name),
        this.who,
        element("span", { className: "snippet" }, this.problem, this.text),
        this.marks,
        this.status,
        this.note,
      ),
    );
    this.details.addEventListener("toggle", () => this.#open());
    this.item = element("li", { className: "entry" }, this.details);
  }

  show(entry) {
    this.entry = entry;
    Object.assign(this.item.dataset, { id: entry.id, state: entry.state });
    this.time.dateTime = entry.time;
    this.time.textContent = clock(entry.time);
    this.problem.textContent = entry.problem ?? "";
    this.text.textContent = entry.snippet;
    if (this.details.open) this.#open();
  }

  /** Who the entry is of: the user, and the connection's id, which can be copied. */
  showWho(before) {
    const { userId, connectionId, hub } = this.entry;
    const name = userId ? element("b", {}, userId) : null;
    const id = connectionId && element("span", { className: "id" }, shortId(connectionId));
    this.who.replaceChildren(...[before, name, id, connectionId && copyButton(connectionId)].filter(Boolean));
    this.who.title = [userId ?? (connectionId ? "(no user)" : "application server"), connectionId && `connection ${connectionId}`, `hub ${hub}`]
      .filter(Boolean)
      .join(" · ");
  }

  showMarks(faults) {
    const { attempts } = this.entry;
    this.marks.replaceChildren(
      ...faults.map((fault) =>
        element("span", { className: "mark", title: `on purpose: ${fault}` }, "⚡", element("span", { className: "label" }, ` ${fault}`)),
      ),
      ...(attempts > 1 ? [element("span", { className: "mark", title: `sent ${attempts} times` }, `↻ ${attempts}`)] : []),
    );
  }

  isOf(connection) {
    return this.entry.connectionId === connection;
  }

  async #open() {
    if (!this.details.open) {
      this.details.querySelector(".detail")?.remove();
      return;
    }
    const answer = await answerOf(`/emulator/traffic/${this.entry.id}`);
    const detail = answer.ok
      ? this.showDetails(await answer.json(), this.onConnection)
      : element("p", { className: "detail" }, await answer.text());
    this.details.querySelector(".detail")?.remove();
    if (this.details.open) this.details.append(detail);
  }
}

/** An event to the app, with all its tries. */
class EventRow extends TrafficRow {
  constructor(onConnection) {
    super(onConnection, showEvent);
  }

  show(entry) {
    super.show(entry);
    const [family] = entry.type.split(".").slice(2);
    this.item.dataset.family = family;
    this.family.textContent = family;
    this.name.textContent = entry.event;
    this.showWho(null);
    this.note.textContent = duration(entry.ms);
    this.status.textContent = entry.status ?? (entry.state === "waiting" ? "…" : "failed");
    this.status.title = entry.problem ?? entry.state;
    this.showMarks(entry.faults);
    this.words = [entry.type, entry.hub, entry.connectionId, entry.userId, entry.snippet, entry.status, entry.state, entry.problem, ...entry.faults, ...entry.ids]
      .join(" ")
      .toLowerCase();
  }

  isProblem() {
    return this.entry.state === "failed" || this.entry.attempts > 1 || this.entry.faults.length > 0;
  }
}

/** A message to clients: by a REST call of the app, with all its tries, or by a client to a group. */
class DeliveryRow extends TrafficRow {
  constructor(onConnection) {
    super(onConnection, showDelivery);
  }

  show(entry) {
    super.show(entry);
    const origin = entry.connectionId === null ? "rest" : "client";
    this.item.dataset.family = origin;
    this.family.textContent = origin;
    this.name.textContent = "send";
    this.showWho(element("span", { className: "target" }, `→ ${entry.target}`));
    this.status.textContent = entry.problem === null ? entry.receivers : (/HTTP (\d+)/.exec(entry.problem)?.[1] ?? "failed");
    this.status.title = entry.problem ?? `${counted(entry.receivers, "client")} got it`;
    this.note.textContent = entry.problem === null ? (entry.receivers === 1 ? "client" : "clients") : "";
    this.showMarks([]);
    this.words = ["send to clients", origin, entry.hub, entry.target, entry.connectionId, entry.userId, entry.snippet, entry.state, entry.problem, ...entry.ids]
      .join(" ")
      .toLowerCase();
  }

  isProblem() {
    return this.entry.state === "failed" || this.entry.attempts > 1;
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
    const line = entry.text.split("\n", 1)[0];
    this.line.textContent = withShortIds(line);
    this.line.title = line;
    this.all.textContent = entry.text;
    this.words = `${entry.level} ${entry.text}`.toLowerCase();
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
