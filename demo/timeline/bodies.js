// @ts-check
/** What is in the bubble of a message: text, JSON or an image; and of what is large, at first only a part. */
import { button, element, get } from "../elements.js";
import { readImageHeader } from "./image-header.js";
import { layOut } from "./json.js";
import { withLinks } from "./text.js";

const FOLDED_CHARACTERS = 600;
const FOLDED_LINES = 12;
const SHOWN_PIXELS = 4_000_000; // 16 MiB once decoded; what this page sends has fewer than a million
const OPENED_PIXELS = 16_000_000; // 64 MiB, when a person asks for it
const number = new Intl.NumberFormat("en");

/**
 * @param {import("../client.js").DataType} dataType
 * @param {string} data
 * @param {string} label of an image
 * @param {{ isUnfolded: boolean, unfold: () => void }} folding
 * @returns {Node}
 */
export function body(dataType, data, label, folding) {
  if (dataType === "binary") return image(data, label);
  const limit = folding.isUnfolded ? Infinity : 2 * FOLDED_CHARACTERS; // more than is shown, so that the rest is not forgotten
  const whole = dataType === "json" ? layOut(data, limit) : data;
  const shown = folding.isUnfolded ? whole : beginning(whole);
  const made = dataType === "json" ? element("pre", "json", shown) : element("p", "text", ...withLinks(shown));
  made.dir = "auto"; // what turns the text around ends with it
  if (shown === whole) return made;
  made.append("…");
  const more = button(`Show all ${number.format(data.length)} characters`, folding.unfold);
  more.className = "unfold";
  return element("div", "", made, more);
}

/** @param {string} text @returns {string} */
function beginning(text) {
  const lines = text.slice(0, 2 * FOLDED_CHARACTERS).split("\n", FOLDED_LINES);
  const folded = [...lines.join("\n").slice(0, FOLDED_CHARACTERS + 1)].slice(0, FOLDED_CHARACTERS).join("");
  // Nobody wants to press a button for a word.
  return text.length < 1.2 * FOLDED_CHARACTERS && text.split("\n").length < 1.2 * FOLDED_LINES ? text : folded;
}

/** @param {string} base64 @param {string} label @returns {Node} */
function image(base64, label) {
  const header = readImageHeader(base64);
  if (!header) return element("p", "binary", `${number.format(Math.floor((base64.replace(/=+$/, "").length * 3) / 4))} bytes`);
  const { type, width, height } = header;
  const address = `data:${type};base64,${base64}`;
  if (width * height <= SHOWN_PIXELS) {
    const opener = button("", () => open(address, label, header));
    Object.assign(opener, { className: "image", title: "Open" });
    opener.append(picture(address, label, header));
    return opener;
  }
  const kind = type.slice("image/".length).toUpperCase();
  const named = element("p", "", `${label}: ${kind}, ${number.format(width)} × ${number.format(height)} pixels`);
  const mebibytes = number.format(Math.round((width * height * 4) / 1024 / 1024));
  const hint = element("p", "hint", `It is not shown: it would take ${mebibytes} MiB of memory.`);
  const save = /** @type {HTMLAnchorElement} */ (element("a", "", "Save"));
  Object.assign(save, { href: address, download: `image.${kind.toLowerCase()}` });
  const made = element("div", "large", named, hint, save);
  if (width * height > OPENED_PIXELS) return made;
  save.before(button("Open", () => open(address, label, header)));
  return made;
}

/** An image whose box is there before it is. @param {string} address @param {string} label @param {import("./image-header.js").ImageHeader} header */
function picture(address, label, { width, height }) {
  const made = new Image(width, height);
  made.style.setProperty("--width", String(width));
  made.style.setProperty("--height", String(height));
  made.decoding = "async";
  made.alt = label;
  made.src = address;
  return made;
}

/** @param {string} address @param {string} label @param {import("./image-header.js").ImageHeader} header */
function open(address, label, header) {
  const viewer = get("viewer", HTMLDialogElement);
  viewer.querySelector("img")?.remove();
  viewer.prepend(picture(address, label, header));
  viewer.showModal();
}
