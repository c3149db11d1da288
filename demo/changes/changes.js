// @ts-check
/** Editing and deleting what one wrote oneself, and what the list shows of it. */
import { button, element, get } from "../elements.js";
import { isFinal } from "../timeline/lines.js";
import { Menu } from "./menu.js";

/** @typedef {import("../client.js").Outgoing} Outgoing */
/** @typedef {import("../timeline/log.js").Entry} Entry */
/** @typedef {import("../timeline/log.js").Log} Log */
/**
 * @typedef {object} Editing what is being edited
 * @property {string} room
 * @property {string} id
 * @property {string} data what the message says until then
 * @property {[import("../client.js").DataType, string]} draft what was being written before
 * @property {() => void} removeChip
 */

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export class Changes {
  #dialog = get("delete-message", HTMLDialogElement);
  #send = get("send", HTMLButtonElement);
  /** @type {Editing | null} */ #editing = null;
  /** @type {Map<string, Outgoing>} by message id: changes that are not stored yet */ #pending = new Map();

  /**
   * @param {HTMLElement} list
   * @param {{
   *   chat: import("../client.js").ChatClient,
   *   logOf: (room: string) => Log,
   *   shownRoom: () => string,
   *   composer: import("../composer/composer.js").Composer,
   * }} page
   */
  constructor(list, page) {
    this.page = page;
    new Menu(list, {
      targetOf: ({ dataset }) => {
        const entry = this.#log.find(dataset.id ?? "");
        return entry && canChange(entry) ? { id: dataset.id ?? "", canEdit: entry.message?.dataType !== "binary" } : null;
      },
      edit: (id) => this.#edit(id),
      remove: (id) => this.#ask(id),
    });
    get("text", HTMLTextAreaElement).addEventListener("keydown", (event) => {
      const isEmpty = get("text", HTMLTextAreaElement).value === "";
      if (event.key === "Escape" && this.#editing) this.stop();
      else if (event.key === "ArrowUp" && isEmpty && !this.#editing && this.#editLast()) event.preventDefault();
    });
    get("keep-message", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    get("confirm-delete", HTMLButtonElement).addEventListener("click", () => {
      this.#dialog.close();
      this.update(page.chat.delete(page.shownRoom(), this.#dialog.dataset.id ?? ""));
    });
  }

  /** Take what was written, where it is an edit. @param {import("../client.js").DataType} dataType @param {string} data @returns {boolean} */
  take(dataType, data) {
    if (!this.#editing || dataType === "binary") return false;
    const { room, id, data: before } = this.#editing;
    this.stop();
    if (data !== before) this.update(this.page.chat.edit(room, id, dataType, data));
    return true;
  }

  /** Edit nothing any more. */
  stop() {
    if (!this.#editing) return;
    const { removeChip, draft } = this.#editing;
    this.#editing = null;
    removeChip();
    this.#send.textContent = "Send";
    this.page.composer.fill(...draft);
  }

  /** Show what becomes of a change. @param {Outgoing} outgoing */
  update(outgoing) {
    const { room, id = "", key, state } = outgoing;
    const message = this.page.logOf(room).find(id)?.message;
    if (state !== "stored") this.#pending.set(id, outgoing);
    else if (this.#pending.get(id)?.key === key) this.#pending.delete(id);
    // There is no line to tell it at.
    if (state === "failed" && (!message || message.deletedAt)) this.#discard(outgoing);
    else this.#redraw(room, id);
  }

  /** Put on a line what is to be said and done about changes. @param {HTMLElement} line @param {Entry} entry */
  decorate(line, entry) {
    const { message } = entry;
    if (!message) return;
    if (message.deletedAt) {
      line.className = "gone";
      return line.replaceChildren(element("p", "", "Message deleted"));
    }
    const badges = line.querySelector(".badges");
    if (message.editedAt) {
      const when = element("span", "", full.format(new Date(message.editedAt)));
      badges?.prepend(element("details", "badge edited", element("summary", "", "edited"), when));
    }
    const pending = this.#pending.get(message.id);
    if (pending) badges?.append(this.#progress(pending));
    if (!canChange(entry)) return;
    const more = element("button", "more");
    more.ariaLabel = more.title = "Edit or delete";
    more.ariaHasPopup = "menu";
    line.querySelector(".bubble")?.append(more);
  }

  get #log() {
    return this.page.logOf(this.page.shownRoom());
  }

  #editLast() {
    const last = this.#log.entries.findLast((entry) => canChange(entry) && entry.message?.dataType !== "binary");
    if (last?.message) this.#edit(last.message.id);
    return Boolean(last);
  }

  /** @param {string} id @param {Editing["draft"]} [written] what was refused */
  #edit(id, written) {
    const message = this.#log.find(id)?.message;
    if (!message) return;
    this.stop();
    const removeChip = this.page.composer.addChip("Editing a message", () => this.stop());
    const { draft } = this.page.composer;
    this.#editing = { room: this.page.shownRoom(), id, data: message.data, draft, removeChip };
    this.#send.textContent = "Save";
    this.page.composer.fill(...(written ?? [message.dataType, message.data]));
  }

  /** @param {string} id */
  #ask(id) {
    this.#dialog.dataset.id = id;
    this.#dialog.showModal();
  }

  /** @param {Outgoing} outgoing */
  #progress(outgoing) {
    const { key, event, id = "", dataType = "text", data = "", state, reason, code } = outgoing;
    if (state === "sending") return element("p", "badge sending", event === "edit" ? "Saving the edit" : "Deleting");
    const what = event === "edit" ? "The edit" : "The deletion";
    const text = state === "unconfirmed" ? `${what} is not confirmed. It is sent again until it is. ` : `${what} was refused: ${reason} `;
    const shown = element("p", `badge ${state}`, text);
    if (state === "failed" && !isFinal(code)) shown.append(button("Try again", () => this.page.chat.retry(key)), " ");
    const takeBack = () => {
      this.#discard(outgoing);
      this.#edit(id, [dataType, data]);
    };
    if (state === "failed" && event === "edit") shown.append(button("Edit", takeBack), " ");
    shown.append(button("Discard", () => this.#discard(outgoing)));
    return shown;
  }

  /** @param {Outgoing} outgoing */
  #discard({ room, id = "", key }) {
    this.page.chat.discard(key);
    this.#pending.delete(id);
    this.#redraw(room, id);
  }

  /** @param {string} room @param {string} id */
  #redraw(room, id) {
    const log = this.page.logOf(room);
    const entry = log.find(id);
    if (entry) log.redraw(entry);
  }
}

/** Whether the page offers it; whether it may be is the server's to say. @param {Entry} entry */
function canChange({ isOwn, message }) {
  return isOwn && message !== undefined && !message.deletedAt;
}
