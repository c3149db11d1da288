// @ts-check
/** Which rooms there are and which one is shown: the list at the side, new rooms, the people of private ones, the address. */
import { RefusedError } from "../client.js";
import { get } from "../elements.js";
import { visible } from "../names.js";
import { Cards } from "./cards.js";
import { Members } from "./members.js";
import { NewRoom } from "./new-room.js";
import { forget, remember } from "./remembered.js";
import { RoomList, nameOf } from "./rooms.js";

const ALL_PRIVATE = "@";

export class Side {
  /** @type {Map<string, number>} by room: messages of others that came while another one was shown */ #unread = new Map();
  /** @type {Map<string, string>} by room: why one may not be in it */ #refused = new Map();
  /** @type {RoomList} */ #list;
  /** @type {Members} */ #members;
  /** @type {Cards} */ #cards;

  /**
   * @param {import("../client.js").ChatClient} chat
   * @param {string} room that is shown first
   * @param {{ show: (room: string, before: string) => void, note: (text: string) => void, goOffline: () => void }} page
   */
  constructor(chat, room, page) {
    this.chat = chat;
    this.page = page;
    this.room = room;
    this.#list = new RoomList({
      open: (name) => this.open(name),
      leave: (name) => this.#leave(name),
      addressOf,
      unread: (name) => this.#unread.get(name) ?? 0,
    });
    this.#members = new Members(chat);
    this.#cards = new Cards({ goOffline: page.goOffline, openMembers: () => get("open-members", HTMLButtonElement).click() });
    new NewRoom({
      join: async (name) => {
        await chat.join(name);
        remember(name);
      },
      create: async (title, members) => (await chat.createRoom({ title, members })).name,
      open: (name) => this.open(name),
    });
    addEventListener("popstate", () => this.#show(new URLSearchParams(location.search).get("room") ?? room));
    this.#adapt();
  }

  /** What people call the room that is shown. */
  get title() {
    const known = this.chat.rooms.find(({ name }) => name === this.room);
    return visible(known ? nameOf(known) : this.room);
  }

  /** Show another room; the connection stays. @param {string} room */
  open(room) {
    if (room !== this.room) history.pushState(null, "", addressOf(room));
    this.#show(room);
  }

  /** The list of rooms changed. @param {import("../client.js").RoomInfo[]} rooms */
  listed(rooms) {
    const isListed = rooms.some(({ name }) => name === this.room);
    if (isListed) remember(this.room);
    for (const { name } of rooms) this.#refused.delete(name);
    this.#list.show(rooms, this.room);
    get("private-rooms", HTMLElement).hidden = this.#refused.has(ALL_PRIVATE);
    // This user left it, or somebody else took this user out.
    const wasIn = this.room.startsWith("@") && !this.#refused.has(this.room);
    if (wasIn && !isListed && this.chat.connectionId) this.#gone(this.room);
  }

  /** @param {string} room @param {{ message: string }} why */
  refused(room, { message }) {
    forget(room);
    this.#refused.set(room, message);
    this.#adapt();
  }

  /** @param {import("../client.js").Message[]} messages @param {string} room */
  count(messages, room) {
    if (room === this.room) return;
    const others = messages.filter(({ from }) => from !== this.chat.userId);
    this.#unread.set(room, (this.#unread.get(room) ?? 0) + others.length);
    this.#list.update();
  }

  /** Somebody joined a private room or left it. @param {string} room */
  changed(room) {
    if (room === this.room) this.#members.read(room);
  }

  /** The connection is there: what could not be read before can be now. */
  connected() {
    this.#read();
    this.#adapt();
  }

  /** @param {string} room */
  #show(room) {
    const before = this.room;
    this.room = room;
    this.#unread.delete(room);
    this.chat.focus(room);
    this.page.show(room, before);
    this.#list.show(this.chat.rooms, room);
    this.#adapt();
    this.#read();
    if (this.chat.rooms.some(({ name }) => name === room)) remember(room);
  }

  /** Read the room that is shown, where that was not done: a private one is heard before, and one that was left is joined again. */
  #read() {
    const { room } = this;
    if (this.#refused.has(room) || this.chat.rooms.some(({ name, isRead }) => name === room && isRead)) return;
    this.chat.join(room).catch((error) => {
      if (error instanceof RefusedError) this.refused(room, error);
    });
  }

  /** Show what belongs to this kind of room. */
  #adapt() {
    const isPrivate = this.room.startsWith("@");
    const why = this.#refused.get(this.room);
    get("no-entry", HTMLElement).textContent = why ?? "";
    get("composer", HTMLFormElement).inert = why !== undefined;
    document.body.dataset.room = isPrivate ? "private" : "open";
    get("here-title", HTMLElement).textContent = isPrivate ? "Members" : "Here now";
    this.#members.show(isPrivate && why === undefined ? this.room : null);
    this.#cards.show(this.room);
  }

  /** @param {string} room */
  async #leave(room) {
    forget(room);
    const next = this.chat.rooms.find(({ name, isPrivate }) => name !== room && !isPrivate);
    if (next && room === this.room) this.open(next.name);
    await this.chat.leave(room).catch((error) => this.page.note(error.message));
  }

  /** Show another room: the user is in this one no more. @param {string} room */
  #gone(room) {
    const name = get("room", HTMLElement).textContent;
    const next = this.chat.rooms.find((one) => one.name !== room && !one.isPrivate);
    if (!next) return this.refused(room, { message: "You are no longer in this room." });
    history.replaceState(null, "", addressOf(next.name)); // the way back does not lead there
    this.#show(next.name);
    this.page.note(`You are no longer in ${name}.`);
  }
}

/** The page's address in a room, for the same person. @param {string} room */
function addressOf(room) {
  const search = new URLSearchParams(location.search);
  search.set("room", room);
  return `?${search}`;
}
