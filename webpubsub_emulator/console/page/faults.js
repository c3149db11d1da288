import { byId, element } from "./elements.js";

const ON_CONNECTIONS = new Set(["duplicate_event", "drop_answer", "delay", "cut_connections"]);

/** The form that lets something go wrong; `selected` gives the connection that it concerns, or null for any. */
export class Faults {
  constructor(selected) {
    this.selected = selected;
    byId("faults").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#inject(event.submitter);
    });
    byId("clear-faults").addEventListener("click", () => this.#clear());
  }

  /** Shows the faults that wait, and whom the next one concerns. */
  show(armed) {
    const connection = this.selected();
    byId("scope").textContent =
      connection === null ? "Let something go wrong, for any connection." : `Let something go wrong, for connection ${connection}.`;
    byId("fault-count").hidden = byId("clear-faults").hidden = armed.length === 0;
    byId("fault-count").textContent = String(armed.length);
    byId("armed").replaceChildren(
      ...armed.map((fault) =>
        element("li", {}, fault.fault, element("span", {}, "count" in fault ? `${fault.count} left` : `${Math.ceil(fault.seconds)} s`)),
      ),
    );
  }

  async #inject(button) {
    const fault = { fault: button.value };
    for (const field of button.dataset.uses.split(" ").filter(Boolean)) fault[field] = byId(field).valueAsNumber;
    if (ON_CONNECTIONS.has(button.value) && this.selected() !== null) fault.connectionId = this.selected();
    const answer = await fetch("/emulator/faults", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fault),
    });
    if (!answer.ok) return this.#say(await answer.text(), true);
    const { affected } = await answer.json();
    const whom = affected === 1 ? "1 connection" : `${affected} connections`;
    if (button.value === "cut_connections") return this.#say(`Cut ${whom}.`);
    return this.#say(
      "count" in fault ? `${button.textContent}: waits; it concerns ${whom} now.` : `${button.textContent}: for ${fault.seconds} s.`,
    );
  }

  async #clear() {
    const { cleared } = await (await fetch("/emulator/faults", { method: "DELETE" })).json();
    this.#say(`Cleared ${cleared}.`);
  }

  #say(text, isWrong = false) {
    byId("fault-said").textContent = text;
    byId("fault-said").classList.toggle("wrong", isWrong);
  }
}
