// @ts-check
/** Text of other people in the page: as text, with its web addresses as links. */
import { element } from "../elements.js";
import { HIDDEN_CHARACTERS } from "../names.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"“”]+/giu;
const NOT_AT_ITS_END = /[.,;:!?'’…*_~]+$/u;

/** @param {string} text @returns {(Node | string)[]} */
export function withLinks(text) {
  /** @type {(Node | string)[]} */ const parts = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trimmed(found);
    const link = /** @type {HTMLAnchorElement} */ (element("a", "", address));
    if (!URL.canParse(address)) continue;
    Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer" });
    parts.push(text.slice(end, index), link);
    end = index + address.length;
  }
  return [...parts, text.slice(end)];
}

/** Without what belongs to the sentence around it, or hides how it is read. @param {string} found */
function trimmed(found) {
  const hidden = found.search(HIDDEN_CHARACTERS);
  let address = hidden < 0 ? found : found.slice(0, hidden);
  for (let before = ""; before !== address; ) {
    before = address;
    address = address.replace(NOT_AT_ITS_END, "");
    const [opening, closing] = address.endsWith(")") ? ["(", ")"] : ["[", "]"];
    if (address.endsWith(closing) && address.split(closing).length > address.split(opening).length) address = address.slice(0, -1);
  }
  return address;
}
