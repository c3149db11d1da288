// @ts-check
/** Names: one for a tab that has none, kept over reloads, and how everybody's name is shown. */

/** What a name can hold without a trace: characters that turn the text around, have no width, or control something. */
export const HIDDEN_CHARACTERS = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u2800]/u;

// An emoji is made of several with these between them, and looks like none of its parts.
const IN_EMOJI =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})|(?<=\p{Extended_Pictographic})(?<!\p{Emoji_Presentation})\ufe0f|(?<=[0-9#*])\ufe0f(?=\u20e3)/u;
const HIDDEN = new RegExp(`(${IN_EMOJI.source})|${HIDDEN_CHARACTERS.source}`, "gu");

/**
 * A name as it can be told from others: "ana" and "ana" with something invisible in it are two people.
 * @param {string | null} name
 * @returns {string}
 */
export function visible(name) {
  const code = (/** @type {string} */ one) => (one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return (name ?? "Somebody").replace(HIDDEN, (found, inEmoji) => inEmoji ?? `⟨U+${code(found)}⟩`);
}

const NAMES = [
  "Ada", "Ben", "Cleo", "Dara", "Eli", "Fay", "Gus", "Hana", "Ivo", "Juno", "Kai", "Lea", "Mika", "Noa", "Otis", "Pia",
  "Quinn", "Rio", "Sol", "Tess", "Uma", "Vito", "Wren", "Yara", "Zoe",
];

/** @returns {Promise<string>} */
export async function nameOfTab() {
  try {
    sessionStorage.name ??= newName();
    // A duplicated tab has a copy of the session; the lock tells it that the name is in use.
    while (navigator.locks && !(await claim(sessionStorage.name))) sessionStorage.name = newName();
    return sessionStorage.name;
  } catch {
    return newName(); // the browser keeps nothing for this site
  }
}

function newName() {
  const [first, second] = crypto.getRandomValues(new Uint16Array(2));
  return `${NAMES[first % NAMES.length]} ${10 + (second % 90)}`;
}

/** Take a name for as long as the tab lives. @param {string} name @returns {Promise<boolean>} */
function claim(name) {
  return new Promise((resolve, reject) => {
    const request = navigator.locks.request(`name ${name}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    });
    request.catch(reject);
  });
}
