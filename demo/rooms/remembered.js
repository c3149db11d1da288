// @ts-check
/** The open rooms that this browser joined, the latest first. Private ones are not kept: the server knows them. */

const KEY = "rooms";
const MAX_ROOMS = 15; // the server takes 20, and fewer where their names are long

/** @returns {string[]} */
export function rememberedRooms() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((room) => typeof room === "string" && isOpen(room)).slice(0, MAX_ROOMS) : [];
  } catch {
    return []; // the browser keeps nothing for this site, or somebody else wrote there
  }
}

/** @param {string} room */
export function remember(room) {
  if (isOpen(room)) keep([room, ...rememberedRooms().filter((one) => one !== room)]);
}

/** @param {string} room */
export function forget(room) {
  keep(rememberedRooms().filter((one) => one !== room));
}

/** @param {string[]} rooms */
function keep(rooms) {
  try {
    localStorage.setItem(KEY, JSON.stringify(rooms.slice(0, MAX_ROOMS)));
  } catch {
    // Then it joins them again by their names.
  }
}

/** @param {string} room */
function isOpen(room) {
  return room !== "" && !room.startsWith("@");
}
