// @ts-check
/** The dialog in which a person goes to an open room by its name, or makes a private one with others. */
import { get } from "../elements.js";

const UNUSABLE_NAME = "A room’s name has 1 to 128 bytes, does not begin with @, and contains no invisible characters or spaces at its ends.";

export class NewRoom {
  #dialog = get("new-room-dialog", HTMLDialogElement);
  #form = get("new-room-form", HTMLFormElement);
  #name = get("new-room-name", HTMLInputElement);
  #people = get("new-room-people", HTMLInputElement);
  #problem = get("new-room-problem", HTMLElement);
  #create = get("create-room", HTMLButtonElement);

  /**
   * @param {{
   *   join: (room: string) => Promise<void>,
   *   create: (title: string, members: string[]) => Promise<string>,
   *   open: (room: string) => void,
   * }} page
   */
  constructor(page) {
    this.page = page;
    get("open-new-room", HTMLButtonElement).addEventListener("click", () => this.#open());
    get("cancel-room", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("change", () => this.#adapt());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  get #isPrivate() {
    return get("kind-private", HTMLInputElement).checked;
  }

  #open() {
    get("rooms", HTMLElement).hidePopover();
    this.#form.reset();
    this.#problem.textContent = "";
    this.#adapt();
    this.#dialog.showModal();
    this.#name.focus();
  }

  /** Show what belongs to the kind of room that is chosen. */
  #adapt() {
    for (const part of this.#form.querySelectorAll("[data-private]")) {
      /** @type {HTMLElement} */ (part).hidden = !this.#isPrivate;
    }
    this.#create.textContent = this.#isPrivate ? "Create" : "Join";
  }

  async #submit() {
    const name = this.#name.value.trim();
    this.#problem.textContent = "";
    this.#create.disabled = true;
    try {
      const room = this.#isPrivate ? await this.page.create(name, people(this.#people.value)) : await this.#join(name);
      if (this.#dialog.open) this.page.open(room); // who closed it meanwhile stays where they are
      this.#dialog.close();
    } catch (error) {
      const { code, message } = /** @type {Error & { code?: string }} */ (error);
      this.#problem.textContent = code === "invalid_room" ? UNUSABLE_NAME : message;
    }
    this.#create.disabled = false;
  }

  /** @param {string} room */
  async #join(room) {
    if (room.startsWith("@")) throw new Error(UNUSABLE_NAME);
    await this.page.join(room);
    return room;
  }
}

/** The names in a list with commas. @param {string} list */
function people(list) {
  const names = list.split(",").map((name) => name.trim());
  return names.filter((name, index) => name && names.indexOf(name) === index);
}
