// @ts-check
/** Where a person writes: text, JSON, or an image. */
import { get } from "./elements.js";
import { shrink } from "./images.js";

export class Composer {
  #text = get("text", HTMLTextAreaElement);
  #asJson = get("json", HTMLButtonElement);
  #file = get("file", HTMLInputElement);

  /**
   * @param {{
   *   send: (dataType: import("./client.js").DataType, data: string) => void,
   *   typing: () => void,
   *   complain: (text: string) => void,
   * }} page
   */
  constructor(page) {
    this.page = page;
    get("composer", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => {
      this.#text.setCustomValidity("");
      if (this.#text.value) page.typing();
    });
    this.#text.addEventListener("paste", ({ clipboardData }) => {
      // Spreadsheets and word processors put a picture of the text beside it.
      if (!clipboardData || clipboardData.types.includes("text/plain")) return;
      this.#sendImage([...clipboardData.files].find((one) => one.type.startsWith("image/")));
    });
    this.#asJson.addEventListener("click", () => this.#toggleJson());
    get("image", HTMLButtonElement).addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => {
      this.#sendImage(this.#file.files?.[0]);
      this.#file.value = "";
    });
  }

  #submit() {
    const { value } = this.#text;
    if (!value.trim()) return;
    const isJson = this.#asJson.ariaPressed === "true";
    try {
      if (isJson) JSON.parse(value);
    } catch {
      this.#text.setCustomValidity("This is not JSON.");
      return void this.#text.reportValidity();
    }
    this.page.send(isJson ? "json" : "text", value);
    this.#text.value = "";
    this.#text.focus();
  }

  #toggleJson() {
    const isJson = this.#asJson.ariaPressed !== "true";
    this.#asJson.ariaPressed = String(isJson);
    this.#text.placeholder = isJson ? '{"any": "JSON"}' : "Message";
    this.#text.setCustomValidity("");
    this.#text.focus();
  }

  /** @param {Blob | null | undefined} image */
  async #sendImage(image) {
    if (!image) return;
    try {
      this.page.send("binary", await shrink(image));
    } catch (error) {
      this.page.complain(/** @type {Error} */ (error).message);
    }
  }
}
