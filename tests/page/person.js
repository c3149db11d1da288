/** For scripts of the tests: people who use the client in Node, and all that they are told. */
import { ChatClient } from "./client.js";

export const [api, emulator] = process.argv.slice(2);
const PATIENCE_MS = 60_000;
const realTimeout = setTimeout;

/** @param {() => unknown} condition */
export async function until(condition) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`It never came: ${condition}`);
    await new Promise((resolve) => realTimeout(resolve, 10));
  }
}

/** Let waits of so many milliseconds take none, and return how long all waits were to be. */
export function skipWaits(from, to = Infinity) {
  const waits = [];
  globalThis.setTimeout = (call, wait, ...rest) => {
    waits.push(wait);
    return realTimeout(call, wait >= from && wait <= to ? 20 : wait, ...rest);
  };
  return waits;
}

export async function inject(fault) {
  const body = JSON.stringify(fault);
  const answer = await fetch(`${emulator}/emulator/faults`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  if (!answer.ok) throw new Error(await answer.text());
}

/** Count the requests of all people from here on, by route; the function may replace an answer. */
export function watchFetch(replace = () => null) {
  const seen = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (url, options) => {
    const at = new URL(url);
    const route = at.pathname.split("/").at(-1);
    if (at.href.startsWith(api)) seen.push({ route, ...Object.fromEntries(at.searchParams) });
    return (await replace(route, at.searchParams)) ?? real(url, options);
  };
  return seen;
}

export class Person {
  told = [];

  constructor(userId, ...rooms) {
    const names = ["status", "rooms", "messages", "changes", "repeat", "reset", "outgoing", "people", "members", "typing", "returned", "refused", "health"];
    const listener = Object.fromEntries(names.map((name) => [name, (...what) => this.told.push([name, ...structuredClone(what)])]));
    this.chat = new ChatClient(api, { rooms, userId }, listener);
  }

  static async join(userId, ...rooms) {
    const person = new Person(userId, ...rooms);
    await person.start();
    return person;
  }

  start() {
    this.chat.start();
    return until(() => this.status === "connected");
  }

  get status() {
    return this.of("status").at(-1)?.[0].state;
  }

  of(name) {
    return this.told.filter(([one]) => one === name).map(([, ...what]) => what);
  }

  messages(room, source = null) {
    const lists = this.of("messages").filter(([, from, name]) => name === room && (source ?? from) === from);
    return lists.flatMap(([list]) => list);
  }

  texts(room, source = null) {
    return this.messages(room, source).map(({ data }) => data);
  }

  changes(room) {
    return this.of("changes").filter(([, , name]) => name === room).flatMap(([list]) => list);
  }

  async say(room, data, dataType = "text") {
    const { key } = this.chat.send(room, dataType, data);
    return until(() => this.messages(room).find((message) => message.key === key));
  }

  hears(room, data) {
    return until(() => this.messages(room).find((message) => message.data === data));
  }

  async settled(outgoing) {
    await until(() => ["stored", "failed"].includes(outgoing.state));
    return outgoing;
  }

  cut() {
    return inject({ fault: "cut_connections", connectionId: this.chat.connectionId });
  }
}
