import { answerOf, byId, counted, shortId } from "./elements.js";
import { Entries } from "./entries.js";
import { Faults } from "./faults.js";
import { showHubs } from "./hubs.js";

let state = { endpoint: "", appUrl: null, hubs: [], faults: [] };
let connection = null;

const faults = new Faults(() => connection);
const entries = new Entries((shown, all, waiting) => {
  byId("shown").textContent = `${shown === all ? "" : `${shown} of `}${counted(all, "entry", "entries")}`;
  byId("pause").textContent = waiting ? `Resume (${waiting} new)` : byId("pause").ariaPressed === "true" ? "Resume" : "Pause";
}, select);

function select(id) {
  connection = id;
  byId("connection-filter").hidden = id === null;
  byId("connection-filter").textContent = id === null ? "" : shortId(id);
  byId("connection-filter").title = `Only connection ${id}; click to show all`;
  showState();
  filter();
}

function filter() {
  const show = document.querySelector("[name=show]:checked").value;
  entries.filter({ text: byId("filter").value, connection, show });
}

function showState() {
  byId("endpoint").textContent = state.endpoint;
  byId("app").hidden = state.appUrl === null;
  if (state.appUrl !== null) byId("app").href = state.appUrl;
  showHubs(state.hubs, connection, select);
  faults.show(state.faults);
}

function showLine(name, text) {
  byId("line").dataset.state = name;
  byId("line").textContent = text;
}

// A link can lead to one message: /?filter=…
byId("filter").value = new URLSearchParams(location.search).get("filter") ?? "";
filter();
byId("filter").addEventListener("input", filter);
for (const radio of document.querySelectorAll("[name=show]")) radio.addEventListener("change", filter);
byId("connection-filter").addEventListener("click", () => select(null));
byId("pause").addEventListener("click", () => {
  const isPaused = byId("pause").ariaPressed !== "true";
  byId("pause").ariaPressed = String(isPaused);
  entries.pause(isPaused);
});
byId("clear").addEventListener("click", async () => {
  const answer = await answerOf("/emulator/traffic", { method: "DELETE" });
  if (answer.ok) entries.clear();
});

for (const panel of document.querySelectorAll(".panel")) panel.open = matchMedia("(width >= 820px)").matches;

const stream = new EventSource("/emulator/traffic");
stream.addEventListener("open", () => showLine("open", "live"));
stream.addEventListener("error", () => showLine("lost", "emulator not reachable, trying again"));
stream.addEventListener("start", ({ data }) => entries.start(JSON.parse(data).limit));
stream.addEventListener("entries", ({ data }) => {
  const added = JSON.parse(data);
  entries.add(added);
  faults.offer(added.filter(({ kind }) => kind === "event").map(({ event }) => event));
});
stream.addEventListener("state", ({ data }) => {
  state = JSON.parse(data);
  showState();
});
