// @ts-check
/** The small things that every part of the page makes and finds. */

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
export function get(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`There is no ${kind.name} #${id}`);
}

/** @param {string} tag @param {string} className @param {...(Node | string)} parts @returns {HTMLElement} */
export function element(tag, className, ...parts) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...parts); // strings become text, never HTML
  return made;
}

/** @param {string} text @param {() => void} act @returns {HTMLButtonElement} */
export function button(text, act) {
  const made = document.createElement("button");
  made.type = "button"; // one in a form would send it
  made.append(text);
  made.addEventListener("click", act);
  return made;
}

/** A colour of one's own. @param {string | null} userId */
export function avatar(userId) {
  const name = userId || "?";
  const made = element("span", "avatar", [...name][0].toUpperCase());
  let hue = 0;
  for (const character of name) hue = (hue * 31 + (character.codePointAt(0) ?? 0)) % 360;
  made.style.setProperty("--hue", String((hue * 137) % 360));
  made.ariaHidden = "true";
  return made;
}

let toSay = "";
let saying = 0;

/** Let a screen reader say something; of much at once, the last. @param {string} text */
export function announce(text) {
  toSay = text;
  saying ||= requestAnimationFrame(() => {
    saying = 0;
    get("announcer", HTMLElement).textContent = toSay;
  });
}
