// @ts-check
/**
 * Who is in a room: the service's list, and the events since. The list corrects the events, for example if a
 * disconnection was never announced. An event that is newer than the list corrects the list.
 */

/**
 * @typedef {object} Person a user with two tabs is one person
 * @property {string | null} userId
 * @property {number} connections
 */
/** @typedef {{ connectionId: string, userId: string | null }} Connection */
/** @typedef {Connection & { event: "connected" | "disconnected" | "joined" | "left", time: string }} PresenceEvent */

const MAX_EVENTS = 1_000;

export class Presence {
  /** @type {Map<string, string | null>} connection id -> user id */ #connections = new Map();
  /** @type {PresenceEvent[]} */ #events = [];
  /** whether there was a list */ isKnown = false;

  /** @param {{ time: string, connections: Connection[] }} list @param {Connection} self present, whatever the list says */
  correct({ time, connections }, self) {
    this.isKnown = true;
    this.#connections = new Map([...connections, self].map((one) => [one.connectionId, one.userId]));
    this.#events = this.#events.filter((event) => event.time >= time);
    for (const event of this.#events) this.#apply(event);
  }

  /** @param {PresenceEvent} event dropped if the app does not send such: others may use its hub */
  heed(event) {
    if (!isEvent(event)) return;
    this.#events.push(event);
    if (this.#events.length > MAX_EVENTS) this.#events.splice(0, MAX_EVENTS / 2); // older than any list that can still arrive
    this.#apply(event);
  }

  /** Forget a connection whose end will not be announced. @param {string} connectionId */
  drop(connectionId) {
    this.#connections.delete(connectionId);
    this.#events = this.#events.filter((event) => event.connectionId !== connectionId);
  }

  /** @returns {Person[]} sorted by name */
  get people() {
    /** @type {Map<string | null, number>} */ const counts = new Map();
    for (const userId of this.#connections.values()) counts.set(userId, (counts.get(userId) ?? 0) + 1);
    const people = Array.from(counts, ([userId, connections]) => ({ userId, connections }));
    return people.sort((one, other) => (one.userId ?? "").localeCompare(other.userId ?? ""));
  }

  /** @param {PresenceEvent} event */
  #apply({ event, connectionId, userId }) {
    if (event === "connected" || event === "joined") this.#connections.set(connectionId, userId);
    else this.#connections.delete(connectionId);
  }
}

/** @param {any} event @returns {boolean} */
function isEvent(event) {
  const { connectionId, userId = null, time } = event ?? {};
  return typeof connectionId === "string" && typeof time === "string" && (userId === null || typeof userId === "string");
}
