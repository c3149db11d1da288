import { copied, copyButton, counted, duration, element, size } from "./elements.js";

/** One event with everything that is known of it. */
export function showEvent(entry, onConnection) {
  const said = element("span", { className: "note", role: "status" });
  const curl = entry.curl === null ? null : element("pre", { tabIndex: 0, className: "curl" }, entry.curl);
  return element(
    "div",
    { className: "detail" },
    element(
      "div",
      { className: "tools" },
      curl && button("Copy as curl", () => copy(curl, said)),
      ...connection(entry, onConnection),
      said,
    ),
    entry.problem && element("p", { className: "problem" }, entry.problem),
    element("div", { className: "sides" }, request(entry), answers(entry)),
    curl && element("details", {}, element("summary", {}, "curl command"), curl),
  );
}

/** One message to clients: what, to whom, and each try. */
export function showDelivery(entry, onConnection) {
  const whom = `${entry.connectionId === null ? "The application server sent" : "A client sent"} to ${entry.target} of hub ${entry.hub}`;
  const got = entry.problem === null ? `${counted(entry.receivers, "client")} got it` : "nobody got it";
  const tries = entry.tries.map(({ time, problem }, index) =>
    element("tr", {}, element("th", { scope: "row" }, `Try ${index + 1}`), element("td", {}, `${new Date(time).toLocaleTimeString("en-GB")} ${problem ?? "ok"}`)),
  );
  return element(
    "div",
    { className: "detail" },
    entry.connectionId === null ? null : element("div", { className: "tools" }, ...connection(entry, onConnection)),
    entry.problem && element("p", { className: "problem" }, entry.problem),
    element("p", {}, `${whom}: ${got}.`),
    tries.length > 1 ? element("table", {}, element("tbody", {}, ...tries)) : null,
    headers(entry.metadata),
    body(entry.body),
  );
}

function connection({ connectionId }, onConnection) {
  const id = element("span", { className: "whole-id" }, `connection ${connectionId} `, copyButton(connectionId));
  return [button("Only this connection", () => onConnection(connectionId)), id];
}

function request(entry) {
  return element(
    "section",
    { className: "request" },
    element("h3", {}, "Event"),
    entry.url ? element("p", { className: "url" }, `POST ${entry.url}`) : element("p", { className: "note" }, "Nothing was sent."),
    headers(entry.headers),
    body(entry.body),
  );
}

function answers(entry) {
  const shown = entry.attemptList.map((attempt, index) => {
    const name = attempt.isDuplicate ? "Duplicate on purpose" : index === 0 ? "Answer" : `Answer to try ${index + 1}`;
    const state = attempt.problem === null ? "ok" : "failed";
    return element(
      "div",
      { className: "attempt", "data-state": attempt.ms === null ? "waiting" : state },
      element("h3", {}, element("span", { className: "status" }, String(attempt.status ?? (attempt.ms === null ? "…" : "none"))), `${name} `, element("span", { className: "note" }, duration(attempt.ms))),
      attempt.problem && attempt.problem !== entry.problem ? element("p", { className: "problem" }, attempt.problem) : null,
      headers(attempt.headers),
      attempt.status === null ? null : body(attempt.body),
    );
  });
  return element("section", { className: "answers" }, ...(shown.length ? shown : [element("h3", {}, "No answer")]));
}

function headers(pairs) {
  const rows = pairs.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
  return rows.length ? element("table", {}, element("tbody", {}, ...rows)) : null;
}

function body({ size: bytes, text, isHex, isCut }) {
  if (bytes === 0) return element("p", { className: "note" }, "no body");
  const kind = `${size(bytes)}${isHex ? ", not text: in hex" : ""}${isCut ? ", its beginning" : ""}`;
  return element("div", {}, element("pre", { tabIndex: 0 }, text), element("p", { className: "note" }, kind));
}

function button(text, onclick) {
  return element("button", { type: "button", onclick }, text);
}

async function copy(source, said) {
  if (await copied(source.textContent)) {
    said.textContent = "Copied.";
    return;
  }
  source.closest("details").open = true;
  getSelection().selectAllChildren(source);
  said.textContent = "The browser does not let this page copy: the command below is selected.";
}
