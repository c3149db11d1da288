// @ts-check
/** The dialog in which a person goes to another room or takes another name. */
import { get } from "../elements.js";

/** @param {import("../client.js").ChatClient} chat @param {() => string} room */
export function offerSwitch(chat, room) {
  const dialog = get("switcher", HTMLDialogElement);
  const nameField = get("name", HTMLLabelElement);
  get("switch", HTMLButtonElement).addEventListener("click", () => {
    dialog.returnValue = "";
    get("new-room", HTMLInputElement).value = room();
    get("new-user", HTMLInputElement).value = chat.userId ?? "";
    dialog.showModal();
  });
  get("cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "go") return;
    const search = new URLSearchParams({ room: get("new-room", HTMLInputElement).value.trim() });
    if (!nameField.hidden) search.set("user", get("new-user", HTMLInputElement).value.trim());
    location.search = String(search);
  });
}
