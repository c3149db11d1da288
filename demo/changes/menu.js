// @ts-check
/** The menu of one's own message: opened by its button, a long press, or the key for menus. */
import { get } from "../elements.js";

const LONG_PRESS_MS = 500;
const STILL_PX = 10; // a finger that moves further scrolls

/** @typedef {{ id: string, canEdit: boolean }} Target */

export class Menu {
  #menu = get("message-menu", HTMLElement);
  #edit = get("edit-message", HTMLButtonElement);
  /** @type {Target | null} */ #target = null;

  /**
   * @param {HTMLElement} list
   * @param {{
   *   targetOf: (line: HTMLElement) => Target | null,
   *   edit: (id: string) => void,
   *   remove: (id: string) => void,
   * }} page
   */
  constructor(list, page) {
    this.page = page;
    this.#edit.addEventListener("click", () => this.#choose(page.edit));
    get("remove-message", HTMLButtonElement).addEventListener("click", () => this.#choose(page.remove));
    this.#menu.addEventListener("keydown", (event) => this.#move(event));
    list.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest(".more") : null;
      if (button) this.#open(lineOf(button), button.getBoundingClientRect());
    });
    list.addEventListener("keydown", (event) => {
      if (event.key !== "ContextMenu" && !(event.key === "F10" && event.shiftKey)) return;
      const line = lineOf(event.target);
      const bubble = line?.querySelector(".bubble");
      if (bubble && this.#open(line, bubble.getBoundingClientRect())) event.preventDefault();
    });
    this.#heedLongPress(list);
  }

  /** @param {HTMLElement} list */
  #heedLongPress(list) {
    /** @type {{ x: number, y: number, timer: number } | null} */ let press = null;
    const end = () => {
      clearTimeout(press?.timer);
      press = null;
    };
    list.addEventListener("pointerdown", ({ pointerType, target, clientX: x, clientY: y }) => {
      end();
      if (pointerType !== "touch") return;
      const line = lineOf(target);
      press = { x, y, timer: setTimeout(() => this.#open(line, new DOMRect(x, y)), LONG_PRESS_MS) };
    });
    list.addEventListener("pointermove", ({ clientX, clientY }) => {
      if (press && Math.hypot(clientX - press.x, clientY - press.y) > STILL_PX) end();
    });
    for (const over of ["pointerup", "pointercancel"]) list.addEventListener(over, end);
    // Where a long press opens the browser's own menu, it would cover this one.
    list.addEventListener("contextmenu", (event) => {
      const line = lineOf(event.target);
      if (press && line && this.page.targetOf(line)) event.preventDefault();
    });
  }

  /** @param {HTMLElement | null} line @param {DOMRect} where @returns {boolean} whether the line has a menu */
  #open(line, where) {
    this.#target = line && this.page.targetOf(line);
    if (!this.#target) return false;
    this.#edit.hidden = !this.#target.canEdit;
    this.#menu.showPopover();
    const { width, height } = this.#menu.getBoundingClientRect();
    const left = Math.max(8, Math.min(where.left, innerWidth - width - 8));
    const top = where.bottom + height + 8 < innerHeight ? where.bottom + 4 : Math.max(8, where.top - height - 4);
    this.#menu.style.left = `${left}px`;
    this.#menu.style.top = `${top}px`;
    this.#items[0].focus();
    return true;
  }

  get #items() {
    return [...this.#menu.querySelectorAll("button")].filter((item) => !item.hidden);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const items = this.#items;
    const at = items.findIndex((item) => item === document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab") this.#menu.hidePopover();
    if (next === undefined) return;
    event.preventDefault();
    items.at(next % items.length)?.focus();
  }

  /** @param {(id: string) => void} what */
  #choose(what) {
    this.#menu.hidePopover();
    if (this.#target) what(this.#target.id);
  }
}

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
function lineOf(target) {
  return target instanceof Element ? target.closest("[data-id]") : null;
}
