// @ts-check
/** What an empty room shows: three things to try. */
import { get } from "../elements.js";

export class Cards {
  /** @param {{ goOffline: () => void, openMembers: () => void }} page */
  constructor(page) {
    get("card-offline-go", HTMLButtonElement).addEventListener("click", page.goOffline);
    get("card-people-go", HTMLButtonElement).addEventListener("click", page.openMembers);
  }

  /**
   * Show what can be tried in a room: two people need names that anyone can take, and a window that is not one of two.
   * @param {string} room
   */
  show(room) {
    const isPrivate = room.startsWith("@");
    const canSplit = document.documentElement.dataset.clientAuth === "anonymous" && window.parent === window && !isPrivate;
    get("card-split", HTMLElement).hidden = !canSplit;
    get("card-people", HTMLElement).hidden = !isPrivate;
    get("card-split-go", HTMLAnchorElement).href = `split.html?${new URLSearchParams({ room })}`;
  }
}
