// @ts-check
/** The line of one entry: who, when, what, and what became of it. */
import { avatar, button, element } from "../elements.js";
import { visible } from "../names.js";
import { body } from "./bodies.js";

/** @typedef {import("./log.js").Entry} Entry */
/** @typedef {import("./timeline.js").Page} Page */

const FINAL = new Set(["empty", "too_large", "unsupported_type", "invalid_message", "refused", "key_taken", "not_found", "not_the_author"]);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/**
 * @param {Entry} entry
 * @param {Page} page
 * @param {() => void} redraw
 * @returns {HTMLElement}
 */
export function draw(entry, page, redraw) {
  if (entry.kind === "note") return element("li", "note", entry.text ?? "");
  const badges = element("div", "badges", ...(entry.outgoing ? [progress(entry.outgoing, page)] : marks(entry, page)));
  const line = element("li", entry.isOwn ? "message own" : "message", head(entry), element("div", "bubble", content(entry, redraw)), badges);
  Object.assign(line.dataset, { id: entry.message?.id ?? "", key: entry.outgoing?.key ?? "" });
  return line;
}

/** Whether another try of the same cannot do better. @param {string} [code] of a refusal */
export function isFinal(code) {
  return FINAL.has(code ?? "");
}

/** @param {import("../client.js").Message} message @returns {string} what a message says, in a line */
export function inWords({ dataType, data }) {
  return dataType === "text" ? data.slice(0, 200) : dataType === "json" ? "JSON" : "an image";
}

/** @param {Entry} entry */
function head({ from, time }) {
  const stamp = /** @type {HTMLTimeElement} */ (element("time", "", clock.format(new Date(time))));
  stamp.dateTime = time;
  stamp.title = full.format(new Date(time));
  return element("div", "head", avatar(from), element("strong", "", visible(from)), " ", stamp);
}

/** @param {Entry} entry @param {() => void} redraw */
function content(entry, redraw) {
  const { dataType = "text", data = "" } = entry.message ?? entry.outgoing ?? {};
  if (entry.message?.deletedAt) return element("p", "deleted", "Deleted");
  const label = entry.outgoing ? "Your image" : `Image from ${visible(entry.from)}`;
  const unfold = () => {
    entry.isUnfolded = true;
    redraw();
  };
  return body(dataType, data, label, { isUnfolded: Boolean(entry.isUnfolded), unfold });
}

/** @param {string} kind @param {string} text */
function badge(kind, text) {
  return element("p", `badge ${kind}`, text);
}

/** @param {import("../client.js").Outgoing} outgoing @param {Page} page */
function progress({ key, state, reason, code, dataType }, page) {
  if (state === "sending") return badge("sending", "Sending");
  if (state === "stored") return badge("stored", "Stored"); // its message is on the way
  if (state === "unconfirmed") {
    const shown = badge("unconfirmed", "Not confirmed. It is sent again until it is. ");
    shown.append(button("Discard", () => page.discard(key)));
    return shown;
  }
  const shown = badge("failed", `Not sent: ${reason ?? "nobody said why"} `);
  if (!isFinal(code)) shown.append(button("Try again", () => page.retry(key)), " ");
  if (dataType !== "binary") shown.append(button("Edit", () => page.edit(key)), " ");
  shown.append(button("Discard", () => page.discard(key)));
  return shown;
}

/** @param {Entry} entry @param {Page} page */
function marks(entry, page) {
  const made = [];
  if (entry.isMissed) made.push(badge("missed", "Read from the history"));
  if (entry.isOwn && !entry.message?.deletedAt) made.push(stored(entry, page));
  if (entry.isRepeat) made.push(badge("repeat", "Delivered twice, shown once"));
  return made;
}

/** "Stored", and under it where. @param {Entry} entry @param {Page} page */
function stored(entry, page) {
  const { id, key, time } = /** @type {import("../client.js").Message} */ (entry.message);
  const facts = { "Message id": id, "Row key": rowKey(id), Stored: time };
  const list = element("dl", "", ...Object.entries(facts).flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]));
  const made = /** @type {HTMLDetailsElement} */ (element("details", "badge stored", element("summary", "", "Stored"), list));
  made.open = Boolean(entry.isOpen);
  made.addEventListener("toggle", () => (entry.isOpen = made.open));
  const origin = page.serviceOrigin();
  if (origin && key) {
    const traffic = /** @type {HTMLAnchorElement} */ (element("a", "traffic", "Open in Traffic"));
    Object.assign(traffic, { href: `${origin}/?${new URLSearchParams({ filter: key })}`, target: "_blank", rel: "noopener" });
    made.append(traffic);
  }
  return made;
}

/** The key of a message's row: the id with each hex digit complemented, so that rows sort newest first. @param {string} id */
const rowKey = (id) => id.replace(/[0-9a-f]/g, (digit) => (15 - parseInt(digit, 16)).toString(16));
