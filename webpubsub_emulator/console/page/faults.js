import { answerOf, byId, counted, element, shortId } from "./elements.js";

const ON_CONNECTIONS = new Set(["duplicate_event", "drop_answer", "delay", "cut_connections"]);
/** What each button does with the numbers, in words. */
const EXTENT = {
  count: (count) => counted(count, "time"),
  "count seconds": (count, seconds) => `${counted(count, "time")}, ${seconds} s late`,
  seconds: (_, seconds) => `for ${seconds} s`,
  "": () => "at once",
};

/** The form that lets something go wrong; `selected` gives the connection that it concerns, or null for any. */
export class Faults {
  #names = new Set();

  constructor(selected) {
    this.selected = selected;
    this.buttons = [...byId("faults").querySelectorAll("button[name=fault]")];
    for (const button of this.buttons) button.append(element("small"));
    for (const input of [byId("count"), byId("seconds")]) input.addEventListener("input", () => this.#showExtents());
    byId("faults").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#inject(event.submitter);
    });
    byId("clear-faults").addEventListener("click", () => this.#clear());
    this.#showExtents();
    this.offer(["message", "connect", "connected", "disconnected"]);
  }

  /** Lets these events be chosen, too. */
  offer(names) {
    for (const name of names) {
      if (this.#names.has(name)) continue;
      this.#names.add(name);
      byId("event").append(element("option", { value: name }, name));
    }
  }

  /** Shows the faults that wait, and whom the next one concerns. */
  show(armed) {
    const connection = this.selected();
    byId("scope").textContent =
      connection === null ? "Let something go wrong, for any connection." : `Let something go wrong, for connection ${shortId(connection)}`;
    byId("scope").title = connection ?? "";
    byId("fault-count").hidden = byId("clear-faults").hidden = armed.length === 0;
    byId("fault-count").textContent = String(armed.length);
    byId("armed").replaceChildren(...armed.map((fault) => element("li", { title: fault.connectionId ?? "" }, what(fault), element("span", {}, left(fault)))));
  }

  #showExtents() {
    const [count, seconds] = [byId("count"), byId("seconds")].map((input) => (input.validity.valid ? input.valueAsNumber : "?"));
    for (const button of this.buttons) button.querySelector("small").textContent = EXTENT[button.dataset.uses](count, seconds);
  }

  async #inject(button) {
    const fault = { fault: button.value };
    for (const field of button.dataset.uses.split(" ").filter(Boolean)) fault[field] = byId(field).valueAsNumber;
    if ("count" in fault && byId("event").value) fault.event = byId("event").value;
    if (ON_CONNECTIONS.has(button.value) && this.selected() !== null) fault.connectionId = this.selected();
    const answer = await answerOf("/emulator/faults", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fault),
    });
    if (!answer.ok) return this.#say(await answer.text(), true);
    const { affected } = await answer.json();
    const name = button.firstChild.textContent.trim();
    if (button.value === "cut_connections") return this.#say(`Cut ${counted(affected, "connection")}.`);
    return this.#say(
      "count" in fault
        ? `${name}: waits for ${eventOf(fault)} of ${counted(affected, "connection")}.`
        : `${name}: for ${fault.seconds} s.`,
    );
  }

  async #clear() {
    const answer = await answerOf("/emulator/faults", { method: "DELETE" });
    if (!answer.ok) return this.#say(await answer.text(), true);
    const { cleared } = await answer.json();
    return this.#say(`Cleared ${cleared}.`);
  }

  #say(text, isWrong = false) {
    byId("fault-said").textContent = text;
    byId("fault-said").classList.toggle("wrong", isWrong);
  }
}

const eventOf = ({ event }) => (event === undefined ? "user events except typing" : event === "*" ? "all events" : event);
const what = (fault) =>
  [
    "count" in fault ? `${fault.fault}: ${eventOf(fault)}` : fault.fault,
    fault.hub && `hub ${fault.hub}`,
    fault.connectionId && `connection ${shortId(fault.connectionId)}`,
    fault.fault === "delay" && `${fault.part === "answer" ? "answer " : ""}${fault.seconds} s late`,
  ]
    .filter(Boolean)
    .join(", ");
const left = (fault) => ("count" in fault ? `${counted(fault.count, "time")} left` : `${Math.ceil(fault.seconds)} s left`);
