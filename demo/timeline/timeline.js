// @ts-check
/**
 * The part of a log that is in the document: a bounded number of lines around what is seen, drawn at most once in a frame.
 *
 * However much arrives, a frame makes at most `STEP` lines. Lines that are far from what is seen are dropped, and made
 * again when somebody scrolls back to them.
 */
import { element, get } from "../elements.js";
import { draw } from "./lines.js";
import { Log } from "./log.js";
import { Scroll } from "./scroll.js";

/** @typedef {import("./log.js").Entry} Entry */

export const MAX_LINES = 240;
export const STEP = 60;
const NEAR_PX = 800;
const GROUP_MS = 5 * 60_000; // one author's messages within it share a head
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/**
 * @typedef {object} Page what the timeline asks of the page
 * @property {() => string | null} serviceOrigin of the emulator, null in Azure
 * @property {() => void} readOlder
 * @property {(key: string) => void} retry
 * @property {(key: string) => void} edit
 * @property {(key: string) => void} discard
 */

export class Timeline {
  /** @type {Log} */ #log;
  /** @type {Entry[]} what is in the document, in order */ #shown = [];
  /** @type {Map<Entry, { line: HTMLElement, version: number }>} */ #lines = new Map();
  /** @type {((line: HTMLElement, entry: Entry) => void)[]} */ #decorators = [];
  /** @type {Entry | null} the newest message when the end was last seen */ #seen = null;
  #frame = 0;
  #latest = get("latest", HTMLButtonElement);
  #empty = get("empty", HTMLElement);

  /** @param {HTMLElement} list @param {Page} page @param {Log} log */
  constructor(list, page, log) {
    this.list = list;
    this.page = page;
    this.#log = log;
    const endsHere = () => this.#shown.at(-1) === this.#log.entries.at(-1);
    this.scroll = new Scroll(list, endsHere, () => this.#scrolled());
    this.#latest.addEventListener("click", () => this.toEnd());
    this.show(log);
  }

  /** Show another room, at its end. @param {Log} log */
  show(log) {
    this.#log.changed = () => {};
    this.#log.isPinned = false;
    this.#log = log;
    this.#shown = [];
    this.#lines.clear();
    this.list.replaceChildren();
    log.changed = () => this.#schedule();
    this.toEnd();
  }

  /** @param {(line: HTMLElement, entry: Entry) => void} decorate called whenever the line of an entry has been made */
  decorate(decorate) {
    this.#decorators.push(decorate);
  }

  /** Go to the newest, and stay there. */
  toEnd() {
    this.scroll.isFollowing = true;
    this.#schedule();
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  #scrolled() {
    this.#log.isPinned = !this.scroll.isFollowing;
    if (this.scroll.isFollowing) this.#latest.hidden = true;
    if (this.#isNear("top") || this.#isNear("end")) this.#schedule();
  }

  /** @param {"top" | "end"} side @returns {boolean} whether there is little more in the document on this side */
  #isNear(side) {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    return (side === "top" ? scrollTop : scrollHeight - scrollTop - clientHeight) < NEAR_PX;
  }

  #render() {
    const { entries } = this.#log;
    this.#empty.hidden = !this.#log.isRead || entries.length > 0;
    // Of what somebody read further up nothing is left: there is no place to stay at.
    if (!this.#shown.some((entry) => this.#log.has(entry))) this.scroll.isFollowing = true;
    const [first, end] = this.scroll.isFollowing ? this.#atEnd(entries) : this.#around(entries);
    const before = this.#lines.size;
    const hadFocus = this.list.contains(document.activeElement);
    this.scroll.keep(() => this.#draw(entries, first, end));
    if (hadFocus && !this.list.contains(document.activeElement)) this.list.focus({ preventScroll: true });
    const newest = entries.findLast(({ kind }) => kind === "message") ?? null;
    if (this.scroll.isFollowing) this.#seen = newest;
    this.#latest.hidden = newest === this.#seen && (this.scroll.isFollowing || end === entries.length);
    if (!this.#isNear("top")) return;
    if (first === 0) this.page.readOlder();
    else if (this.#lines.size > before) this.#schedule();
  }

  /**
   * Which entries are to be in the document while it follows its end. Of what came in one go only the newest are drawn
   * at first: nobody could read the others.
   * @param {Entry[]} entries
   * @returns {[number, number]}
   */
  #atEnd(entries) {
    const lowest = this.#isNear("top") || !this.#shown.length ? 0 : this.#log.indexOf(this.#shown[0]);
    let [first, budget] = [entries.length, STEP];
    while (first > lowest && entries.length - first < MAX_LINES && (this.#lines.has(entries[first - 1]) || budget-- > 0)) first -= 1;
    return [first, entries.length];
  }

  /** Which entries are to be in the document while somebody reads further up. @param {Entry[]} entries @returns {[number, number]} */
  #around(entries) {
    const newest = /** @type {Entry} */ (this.#shown.at(-1));
    const index = this.#log.indexOf(newest);
    let [first, end] = [this.#log.indexOf(this.#shown[0]), index + Number(entries[index] === newest)];
    // What is near is made, and what is far on the other side is dropped.
    if (this.#isNear("top") && first > 0) {
      first = Math.max(0, first - STEP);
      end = Math.min(end, first + MAX_LINES);
    } else if (this.#isNear("end")) {
      end = Math.min(entries.length, end + STEP);
      first = Math.max(first, end - MAX_LINES);
    }
    let [drawn, budget] = [first, 2 * STEP];
    while (drawn < end && (this.#lines.has(entries[drawn]) || budget-- > 0)) drawn += 1;
    return [first, drawn];
  }

  /** @param {Entry[]} entries @param {number} first @param {number} end */
  #draw(entries, first, end) {
    const wanted = entries.slice(first, end);
    const kept = new Set(wanted);
    for (const [entry, { line, version }] of this.#lines) {
      if (kept.has(entry) && version === entry.version) continue;
      line.remove();
      this.#lines.delete(entry);
    }
    let next = this.list.firstElementChild;
    wanted.forEach((entry, index) => {
      const line = this.#lineFor(entry);
      if (line === next) next = line.nextElementSibling;
      else this.list.insertBefore(line, next);
      arrange(line, entry, entries, first + index);
    });
    this.#shown = wanted;
  }

  /** @param {Entry} entry */
  #lineFor(entry) {
    const known = this.#lines.get(entry);
    if (known) return known.line;
    const line = draw(entry, this.page, () => {
      this.scroll.rest();
      this.#log.redraw(entry);
    });
    for (const decorate of this.#decorators) decorate(line, entry);
    this.#lines.set(entry, { line, version: entry.version });
    return line;
  }
}

/** Say who shares a head, and where a day begins. @param {HTMLElement} line @param {Entry} entry @param {Entry[]} entries @param {number} index */
function arrange(line, entry, entries, index) {
  if (entry.kind === "note") return;
  const before = entries[index - 1];
  const time = new Date(entry.time);
  let last = index - 1;
  while (entries[last]?.kind === "note") last -= 1;
  const isSameDay = time.toDateString() === (entries[last] ? new Date(entries[last].time).toDateString() : "");
  const continues = isSameDay && before.kind !== "note" && before.from === entry.from && +time - +new Date(before.time) < GROUP_MS;
  line.classList.toggle("continues", continues);
  const day = line.querySelector(".day");
  if (isSameDay) day?.remove();
  else if (!day) {
    line.prepend(element("p", "day", calendar.format(time)));
  }
}
