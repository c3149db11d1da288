import { duration, element, size } from "./elements.js";

/** One event with everything that is known of it. */
export function showDetails(entry, onConnection) {
  const copied = element("span", { className: "note", role: "status" });
  const curl = entry.curl === null ? null : element("pre", { tabIndex: 0, className: "curl" }, entry.curl);
  return element(
    "div",
    { className: "detail" },
    element(
      "div",
      { className: "tools" },
      curl && button("Copy as curl", () => copy(curl, copied)),
      button("Only this connection", () => onConnection(entry.connectionId)),
      copied,
    ),
    entry.problem && element("p", { className: "problem" }, entry.problem),
    element("div", { className: "sides" }, request(entry), answers(entry)),
    curl && element("details", {}, element("summary", {}, "curl command"), curl),
  );
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
  try {
    await navigator.clipboard.writeText(source.textContent);
    said.textContent = "Copied.";
  } catch {
    source.closest("details").open = true;
    getSelection().selectAllChildren(source);
    said.textContent = "The browser does not let this page copy: the command below is selected.";
  }
}
