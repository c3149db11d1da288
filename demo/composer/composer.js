// @ts-check
/** Where a person writes: text, JSON, or an image. What is wrong with it is said here, and it stays here until it is right. */
import { button, element, get } from "../elements.js";
import { problemOf } from "../timeline/json.js";
import { shrink } from "./images.js";

/** @typedef {import("../client.js").DataType} DataType */

const TOLD_FROM = 0.8; // of the largest message
const bytes = new Intl.NumberFormat("en");

export class Composer {
  #form = get("composer", HTMLFormElement);
  #text = get("text", HTMLTextAreaElement);
  #asJson = get("json", HTMLButtonElement);
  #file = get("file", HTMLInputElement);
  #problem = get("problem", HTMLElement);
  #size = get("size", HTMLElement);
  #limit = Number(document.documentElement.dataset.maxMessageBytes) || Infinity;

  /**
   * @param {{
   *   send: (dataType: DataType, data: string) => void,
   *   typing: () => void,
   * }} page
   */
  constructor(page) {
    this.page = page;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => {
      // What was found when it was sent goes as soon as it is mended; nobody is corrected while writing.
      if (this.#problem.textContent) this.#complain(this.#isJson ? (problemOf(this.#text.value)?.message ?? "") : "");
      this.#count();
      if (this.#text.value) page.typing();
    });
    this.#text.addEventListener("paste", ({ clipboardData }) => {
      // Spreadsheets and word processors put a picture of the text beside it.
      if (!clipboardData || clipboardData.types.includes("text/plain")) return;
      this.#sendImage([...clipboardData.files].find((one) => one.type.startsWith("image/")));
    });
    this.#asJson.addEventListener("click", () => {
      this.fill(this.#isJson ? "text" : "json", this.#text.value);
    });
    get("image", HTMLButtonElement).addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => {
      this.#sendImage(this.#file.files?.[0]);
      this.#file.value = "";
    });
  }

  /** What is being written. @returns {[DataType, string]} */
  get draft() {
    return [this.#isJson ? "json" : "text", this.#text.value];
  }

  /** @param {DataType} dataType @param {string} data */
  show(dataType, data) {
    const isJson = dataType === "json";
    this.#form.classList.toggle("as-json", isJson);
    this.#asJson.ariaPressed = String(isJson);
    this.#text.placeholder = isJson ? '{"any": "JSON"}' : "Message";
    this.#text.spellcheck = !isJson;
    this.#text.value = data;
    this.#complain("");
    this.#count();
  }

  /** Let a person write on with what was written before. @param {DataType} dataType @param {string} data */
  fill(dataType, data) {
    this.show(dataType, data);
    this.#text.focus();
    this.#text.setSelectionRange(data.length, data.length);
  }

  /** Let a person write on with what was not sent; what is being written stays behind it. @param {DataType} dataType @param {string} data */
  takeBack(dataType, data) {
    const { value } = this.#text;
    this.fill(dataType, value.trim() ? `${data}\n${value}` : data);
  }

  /** Show what holds for the next message. @param {string} text @param {() => void} [remove] @returns {() => void} takes it away */
  addChip(text, remove) {
    const chip = element("li", "chip", text);
    if (remove) {
      const cancel = button("✕", remove);
      cancel.ariaLabel = `Cancel: ${text}`;
      chip.append(cancel);
    }
    get("chips", HTMLElement).append(chip);
    return () => chip.remove();
  }

  get #isJson() {
    return this.#asJson.ariaPressed === "true";
  }

  #submit() {
    const { value } = this.#text;
    if (!value.trim()) return;
    const size = this.#count();
    if (size > this.#limit) return this.#complain(`Too long: ${bytes.format(size)} of ${bytes.format(this.#limit)} bytes`);
    const wrong = this.#isJson ? problemOf(value) : null;
    if (wrong) {
      this.#complain(wrong.message);
      this.#text.focus();
      return this.#text.setSelectionRange(wrong.at, Math.min(wrong.at + 1, value.length));
    }
    const dataType = this.#isJson ? "json" : "text";
    this.fill(dataType, ""); // before it is sent: after an edit there is again what was written before it
    this.page.send(dataType, value);
  }

  /** @param {string} text */
  #complain(text) {
    this.#problem.textContent = text;
    this.#text.ariaInvalid = String(Boolean(text));
  }

  /** Say how long the message is, when it is nearly as long as it may be. @returns {number} bytes */
  #count() {
    const size = new Blob([this.#text.value]).size;
    const told = `${bytes.format(size)} of ${bytes.format(this.#limit)} bytes`;
    this.#size.hidden = size < TOLD_FROM * this.#limit;
    this.#size.textContent = size > this.#limit ? `Too long: ${told}` : told;
    this.#size.classList.toggle("over", size > this.#limit);
    return size;
  }

  /** @param {Blob | null | undefined} image */
  async #sendImage(image) {
    if (!image) return;
    this.#complain("");
    try {
      this.page.send("binary", await shrink(image));
    } catch (error) {
      this.#complain(/** @type {Error} */ (error).message);
    }
  }
}
