// @ts-check
/** The rooms at the side, open and private ones, with what is unread; where the window is narrow they are a drawer. */
import { element, get } from "../elements.js";
import { visible } from "../names.js";

/** @typedef {import("../client.js").RoomInfo} Room */
/** @typedef {{ item: HTMLElement, link: HTMLAnchorElement, name: HTMLElement, unread: HTMLElement, leave: HTMLElement }} Line */

export class RoomList {
  #drawer = get("rooms", HTMLElement);
  #opener = get("open-rooms", HTMLButtonElement);
  /** @type {Map<string, Line>} by the room's name; lines are kept, so that none loses the focus */ #lines = new Map();
  /** @type {Room[]} */ #rooms = [];
  /** @type {string | null} */ #current = null;

  /**
   * @param {{
   *   open: (room: string) => void,
   *   leave: (room: string) => void,
   *   addressOf: (room: string) => string,
   *   unread: (room: string) => number,
   * }} page
   */
  constructor(page) {
    this.page = page;
    // What is open as a drawer would stay on top of the page when the window becomes wide.
    matchMedia("(max-width: 70rem)").addEventListener("change", () => this.#drawer.hidePopover());
  }

  /** @param {Room[]} all @param {string | null} current the one that is shown */
  show(all, current) {
    const rooms = all.toSorted((one, other) => nameOf(one).localeCompare(nameOf(other)));
    this.#rooms = rooms;
    this.#current = current;
    const open = rooms.filter((room) => !room.isPrivate);
    const closed = rooms.filter((room) => room.isPrivate);
    this.#arrange(get("open-list", HTMLElement), open);
    this.#arrange(get("private-list", HTMLElement), closed);
    get("no-private", HTMLElement).hidden = closed.length > 0;
    for (const [name, { item }] of this.#lines) {
      if (rooms.some((room) => room.name === name)) continue;
      item.remove();
      this.#lines.delete(name);
    }
    for (const { name } of open) this.#line(name).leave.hidden = open.length === 1;
    this.update();
  }

  /** Count again what is unread. */
  update() {
    let total = 0;
    for (const { name } of this.#rooms) {
      const count = name === this.#current ? 0 : this.page.unread(name);
      const { unread } = this.#line(name);
      total += count;
      if (Number(unread.dataset.count) === count) continue;
      unread.dataset.count = String(count);
      unread.replaceChildren(...(count ? [label(count)] : []));
    }
    this.#opener.dataset.count = inShort(total);
    this.#opener.ariaLabel = total ? `Rooms, ${total} unread` : "Rooms";
  }

  /** @param {HTMLElement} list @param {Room[]} rooms */
  #arrange(list, rooms) {
    rooms.forEach((room, index) => {
      const { item, link, name } = this.#line(room.name);
      name.textContent = visible(nameOf(room));
      link.ariaCurrent = room.name === this.#current ? "page" : null;
      if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    });
  }

  /** @param {string} room @returns {Line} */
  #line(room) {
    const known = this.#lines.get(room);
    if (known) return known;
    const name = element("span", "name");
    const unread = element("span", "unread");
    const link = /** @type {HTMLAnchorElement} */ (element("a", "", name, unread));
    link.href = this.page.addressOf(room);
    link.addEventListener("click", (event) => {
      // Another tab or window is the browser's to open.
      if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.#drawer.hidePopover();
      this.page.open(room);
    });
    const leave = element("button", "leave", "×");
    leave.ariaLabel = leave.title = `Leave ${visible(room)}`;
    leave.addEventListener("click", () => this.page.leave(room));
    const item = element("li", "", link);
    if (!room.startsWith("@")) item.append(leave);
    const line = { item, link, name, unread, leave };
    this.#lines.set(room, line);
    return line;
  }
}

/** What people call a room. @param {{ name: string, title: string | null }} room */
export function nameOf({ name, title }) {
  return title ?? name;
}

/** @param {number} count */
const inShort = (count) => (count > 99 ? "99+" : String(count));

/** @param {number} count */
function label(count) {
  const shown = element("span", "", inShort(count));
  shown.append(element("span", "hidden", " unread"));
  return shown;
}
