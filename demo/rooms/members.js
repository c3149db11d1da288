// @ts-check
/** The people of a private room: who is in it, and a dialog that adds and removes them, and in which one leaves. */
import { avatar, element, get } from "../elements.js";
import { visible } from "../names.js";

export class Members {
  #dialog = get("members", HTMLDialogElement);
  #list = get("member-list", HTMLElement);
  #name = get("new-member", HTMLInputElement);
  #problem = get("member-problem", HTMLElement);
  #opener = get("open-members", HTMLButtonElement);
  /** @type {string | null} the private room that is shown */ #room = null;

  /** @param {import("../client.js").ChatClient} chat */
  constructor(chat) {
    this.chat = chat;
    this.#opener.addEventListener("click", () => this.#open());
    get("close-members", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    get("leave-room", HTMLButtonElement).addEventListener("click", () =>
      this.#attempt(this.#problem, (room) => chat.leave(room)),
    );
    get("add-member", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#attempt(this.#problem, async (room) => {
        await chat.addMember(room, this.#name.value.trim());
        this.#name.value = "";
        await this.read(room);
      });
    });
  }

  /** Show the members of a private room, or of none. @param {string | null} room */
  async show(room) {
    if (room !== this.#room) this.#dialog.close();
    this.#room = room;
    this.#opener.hidden = room === null;
    if (room !== null) await this.read(room);
  }

  /** Read again who is in the room, where it is the one that is shown. @param {string} room */
  async read(room) {
    // What fails is asked again with the next change and at the next look.
    const read = await this.chat.privateRoom(room).catch(() => null);
    if (!read || room !== this.#room) return;
    const members = read.members ?? [];
    get("people", HTMLElement).replaceChildren(...members.map((userId) => this.#line(userId)));
    get("members-title", HTMLElement).textContent = visible(read.title);
    this.#list.replaceChildren(...members.map((userId) => this.#lineWithButton(userId)));
  }

  #open() {
    this.#problem.textContent = "";
    get("add-member", HTMLFormElement).reset();
    this.#dialog.showModal();
    if (this.#room) this.read(this.#room);
  }

  /** @param {string} userId */
  #line(userId) {
    const line = element("li", "", avatar(userId), element("span", "name", visible(userId)));
    if (userId === this.chat.userId) line.append(element("span", "hint", "you"));
    return line;
  }

  /** Whom one may remove is the server's to say: its rules are there to be changed. @param {string} userId */
  #lineWithButton(userId) {
    const line = this.#line(userId);
    if (userId === this.chat.userId) return line;
    const problem = element("p", "problem");
    problem.role = "alert";
    const button = element("button", "", "Remove");
    button.ariaLabel = `Remove ${visible(userId)}`;
    button.addEventListener("click", () =>
      this.#attempt(problem, async (room) => {
        await this.chat.removeMember(room, userId);
        await this.read(room);
        this.#dialog.focus(); // the button is gone
      }),
    );
    line.append(button, problem);
    return line;
  }

  /** @param {HTMLElement} problem where it is said what is wrong @param {(room: string) => Promise<void>} work */
  async #attempt(problem, work) {
    problem.textContent = "";
    try {
      if (this.#room) await work(this.#room);
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
    }
  }
}
