// @ts-check
/** A name for a tab that has none: kept over reloads, and another one in each tab. */

const NAMES = [
  "Ada", "Ben", "Cleo", "Dara", "Eli", "Fay", "Gus", "Hana", "Ivo", "Juno", "Kai", "Lea", "Mika", "Noa", "Otis", "Pia",
  "Quinn", "Rio", "Sol", "Tess", "Uma", "Vito", "Wren", "Yara", "Zoe",
];

/** @returns {Promise<string>} */
export async function nameOfTab() {
  sessionStorage.name ??= newName();
  // A duplicated tab has a copy of the session; the lock tells it that the name is in use.
  while (navigator.locks && !(await claim(sessionStorage.name))) sessionStorage.name = newName();
  return sessionStorage.name;
}

function newName() {
  const [first, second] = crypto.getRandomValues(new Uint16Array(2));
  return `${NAMES[first % NAMES.length]} ${10 + (second % 90)}`;
}

/** Take a name for as long as the tab lives. @param {string} name @returns {Promise<boolean>} */
function claim(name) {
  return new Promise((resolve) => {
    navigator.locks.request(`name ${name}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    });
  });
}
