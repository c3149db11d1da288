// @ts-check
/**
 * A chat client for browsers. It needs line.js, outbox.js, room.js and presence.js beside it. docs/client.md describes it:
 *
 *     const chat = new ChatClient("https://<app>/api/", { rooms: ["lobby"], userId: "ana" }, {
 *       messages: (messages) => messages.forEach(({ from, data }) => console.log(from, data)),
 *     });
 *     chat.start();
 *     chat.send("lobby", "text", "hello");
 *
 * It guarantees, even if the connection is lost:
 * - Nothing is missed: it subscribes first, holds back what arrives, reads the history, then passes on both, merged by id.
 *   After a reconnect or a pause, and once a minute, it reads what came since it last read.
 * - Nothing is passed on twice: a message is new once, however often the service delivers it.
 * - Nothing that is sent is lost or stored twice: each message has a key. What was not acknowledged is sent again, even
 *   if the history has it, because nobody else may have heard it. The server stores a key once.
 * - Messages stay in order: they are sent one at a time, and one that is refused as too fast is sent again first.
 */
import { Line, RefusedError } from "./line.js";
import { Outbox, Requests } from "./outbox.js";
import { ALL_PRIVATE, Room, toEnvelope, toRoom } from "./room.js";

export { RefusedError } from "./line.js";
export { orderOf } from "./room.js";

/** @typedef {import("./line.js").Status} Status */
/** @typedef {import("./line.js").Health} Health */
/** @typedef {import("./room.js").DataType} DataType */
/** @typedef {import("./room.js").Message} Message */
/** @typedef {import("./room.js").Change} Change */
/** @typedef {import("./room.js").Source} Source */
/** @typedef {import("./room.js").RoomInfo} RoomInfo */
/** @typedef {import("./room.js").PrivateRoom} PrivateRoom */
/** @typedef {import("./room.js").Member} Member */
/** @typedef {import("./outbox.js").Outgoing} Outgoing */
/** @typedef {import("./presence.js").Person} Person */
/**
 * @typedef {object} Back the client is back, and has read all that was missed
 * @property {number} seconds
 * @property {number} missed messages of others that were read from the history
 * @property {boolean} isComplete false if so much was missed that a room was reset
 */
/**
 * @typedef {object} Why
 * @property {string} [code]
 * @property {string} message
 */
/**
 * @typedef {object} Listener
 * @property {(status: Status) => void} [status]
 * @property {(rooms: RoomInfo[]) => void} [rooms] the list changed
 * @property {(messages: Message[], source: Source, room: string) => void} [messages] oldest first, each id once
 * @property {(changes: Change[], source: Source, room: string) => void} [changes] of messages that were passed on
 * @property {(message: Message) => void} [repeat] the service delivered an id again
 * @property {(room: string) => void} [reset] too much was missed: remove the room's messages; its newest page follows
 * @property {(outgoing: Outgoing) => void} [outgoing] its state changed
 * @property {(people: Person[], room: string) => void} [people]
 * @property {(member: Member) => void} [members]
 * @property {(userId: string | null, room: string) => void} [typing]
 * @property {(back: Back) => void} [returned]
 * @property {(room: string, why: Why) => void} [refused] only this room was refused
 * @property {(health: Health) => void} [health]
 */

const READ_MS = 60_000;
const LOOK_MS = 10_000;
const TYPING_MS = 2_500;
const FIRST_LIMIT = 50;
const LIMIT = 200;
const MAX_PAGES = 10;
const MAX_GONE = 20;

export class ChatClient {
  /** @type {Line} */ #line;
  /** @type {Outbox} */ #outbox;
  /** @type {Requests} */ #requests;
  /** @type {Set<string>} rooms to ask for when connecting */ #wanted;
  /** @type {Map<string, Room>} the rooms that it is in */ #rooms = new Map();
  /** @type {Map<Room, Promise<number>>} readings in progress */ #readings = new Map();
  /** @type {string[]} the last closed connections of this client */ #gone = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} of the next reading */ #reading;
  /** @type {string | null} */ #focused = null;
  /** @type {number | null} since when it has been away */ #awaySince = null;
  #missed = { count: 0, isComplete: true };
  #isStarted = false;
  #lastRead = -Infinity;
  #lastTyping = -Infinity;
  #look = () => {
    if (!isVisible() || !this.#line.isReady) return;
    this.#line.probe();
    if (performance.now() - this.#lastRead > LOOK_MS) this.#readAll();
  };

  /** @type {URL | null} of the service, without the token */ service = null;

  /**
   * @param {string | URL} api where the routes are, with a slash at the end
   * @param {{ rooms?: string[], userId?: string | null }} who `@` means all private rooms of the user. Without a room, the
   * server's default room is used. If users sign in, the server knows the user id
   * @param {Listener} listener
   */
  constructor(api, { rooms = [], userId = null }, listener) {
    this.#wanted = new Set(rooms);
    this.userId = userId;
    this.listener = listener;
    this.#line = new Line(new URL(api, globalThis.location?.href), {
      negotiate: () => this.#negotiate(),
      opened: () => this.#opened(),
      ready: () => this.#ready(),
      lost: () => this.#lost(),
      receive: (frame) => this.#receive(frame),
      beat: (isLate) => this.#beat(isLate),
      status: (status) => this.listener.status?.(status),
      health: (health) => this.listener.health?.(health),
    });
    this.#requests = new Requests(this.#line);
    this.#outbox = new Outbox(this.#line, {
      outgoing: (outgoing) => this.listener.outgoing?.(outgoing),
      own: (envelope) => this.#hear(envelope.room, envelope),
    });
  }

  /** Connect and stay connected; if it is waiting, try now. */
  start() {
    this.#isStarted = true;
    globalThis.document?.addEventListener("visibilitychange", this.#look);
    this.#line.start();
  }

  /** Disconnect, and pass on nothing. What is not stored stays in the outbox, and `start` reads what was missed. */
  stop() {
    this.#isStarted = false;
    globalThis.document?.removeEventListener("visibilitychange", this.#look);
    this.#line.stop();
  }

  /** @returns {string | null} of the current connection */
  get connectionId() {
    return this.#line.connectionId;
  }

  /** @returns {RoomInfo[]} all rooms that it is in */
  get rooms() {
    return Array.from(this.#rooms.values(), ({ name, isPrivate, title, isRead }) => ({ name, isPrivate, title, isRead }));
  }

  /** @returns {Outgoing[]} what is not stored, in the order of sending */
  get unsent() {
    return this.#outbox.unsent;
  }

  /** @returns {Health} */
  get health() {
    return this.#line.health;
  }

  /**
   * Join one more room, read its history and keep it up to date. The user must already be a member of a private room.
   * The promise waits for a connection.
   * @param {string} name
   */
  async join(name) {
    if (!this.#rooms.has(name)) {
      if (name.startsWith(ALL_PRIVATE)) await this.privateRoom(name);
      else {
        this.#wanted.add(name);
        await this.#requests.ask("join", name);
      }
    }
    const room = this.#add(name);
    room.isOpen = true;
    if (!room.isRead) await this.#readNewer(room);
  }

  /**
   * Leave an open room, or end the user's membership of a private one.
   * @param {string} name
   */
  async leave(name) {
    if (name.startsWith(ALL_PRIVATE)) await this.removeMember(name, this.userId ?? "");
    const wasIn = this.#drop(name);
    if (wasIn && !name.startsWith(ALL_PRIVATE) && this.#line.isReady) await this.#requests.ask("leave", name);
  }

  /** Say which room is shown: `people` then reports who is in it. @param {string} name */
  focus(name) {
    this.#focused = name;
    this.#readPeople();
  }

  /** @param {string} name @returns {boolean} whether `readOlder` has anything to read */
  hasOlder(name) {
    return Boolean(this.#rooms.get(name)?.older);
  }

  /** Read the page of history before the oldest message. @param {string} name */
  async readOlder(name) {
    const room = this.#rooms.get(name);
    if (!room?.older) return;
    const page = await this.#getMessages(room, { before: room.older });
    this.#handOut(room, room.takeOlder(page.messages, page.next), "history");
  }

  /** Say that nothing older than this message is shown any longer. @param {string} name @param {string} id */
  forget(name, id) {
    this.#rooms.get(name)?.forget(id);
  }

  /**
   * Send a message as soon as there is a connection; `outgoing` reports its state.
   * @param {string} room
   * @param {DataType} dataType
   * @param {string} data the text, the text of the JSON, or base64
   * @returns {Outgoing}
   */
  send(room, dataType, data) {
    this.#lastTyping = -Infinity;
    return this.#outbox.put({ room, event: "send", dataType, data });
  }

  /**
   * Replace the content of a message.
   * @param {string} room
   * @param {string} id
   * @param {DataType} dataType
   * @param {string} data
   * @returns {Outgoing}
   */
  edit(room, id, dataType, data) {
    return this.#outbox.put({ room, event: "edit", id, dataType, data });
  }

  /** Delete a message; this is final. @param {string} room @param {string} id @returns {Outgoing} */
  delete(room, id) {
    return this.#outbox.put({ room, event: "delete", id });
  }

  /** Send a failed message again; its key prevents storing it twice. @param {string} key */
  retry(key) {
    this.#outbox.retry(key);
  }

  /** Give up a message that is not stored; if it was already sent, it may still be stored. @param {string} key */
  discard(key) {
    this.#outbox.discard(key);
  }

  /** Tell a room that the user is typing. It is not stored, and is sent at most once in a few seconds. @param {string} room */
  typing(room) {
    if (!this.#rooms.has(room) || room.startsWith(ALL_PRIVATE) || performance.now() - this.#lastTyping < TYPING_MS) return;
    this.#lastTyping = performance.now();
    this.#line.write({ type: "event", event: "typing", dataType: "json", data: { room } });
  }

  /**
   * Create a private room and open it.
   * @param {{ title: string, members: string[], id?: string }} room the id is without `@`; if it is missing, one is made
   * @returns {Promise<PrivateRoom>}
   */
  async createRoom({ title, members, id }) {
    const made = toRoom(await this.#line.invoke("chat.createRoom", "json", { title, members, ...(id && { roomId: id }) }));
    if (!this.#wanted.has(ALL_PRIVATE)) this.#wanted.add(made.name);
    this.#add(made.name).title = made.title;
    this.#tellRooms();
    await this.join(made.name);
    return made;
  }

  /** Ask for the title and the members of a private room. @param {string} name @returns {Promise<PrivateRoom>} */
  async privateRoom(name) {
    const found = toRoom(await this.#line.invoke("chat.getRoom", "json", { id: name.slice(1), withMembers: true }));
    const room = this.#rooms.get(name);
    if (room && room.title !== found.title) {
      room.title = found.title;
      this.#tellRooms();
    }
    return found;
  }

  /** @param {string} name of a private room @param {string} userId */
  async addMember(name, userId) {
    await this.#line.invoke("chat.manageRoomMember", "json", { roomId: name.slice(1), operation: "Add", userId });
  }

  /** @param {string} name of a private room @param {string} userId */
  async removeMember(name, userId) {
    await this.#line.invoke("chat.manageRoomMember", "json", { roomId: name.slice(1), operation: "Delete", userId });
  }

  async #negotiate() {
    for (;;) {
      try {
        const access = await this.#line.get("negotiate", { room: [...this.#wanted], userId: this.userId });
        this.userId = access.userId;
        if (!this.#wanted.size) this.#wanted = new Set(access.rooms);
        for (const name of access.rooms) if (name !== ALL_PRIVATE && this.#wanted.has(name)) this.#add(name);
        this.#focused ??= access.rooms[0];
        const url = new URL(access.url);
        this.service = new URL(url.pathname, url);
        this.#tellRooms();
        return url;
      } catch (error) {
        if (!(error instanceof RefusedError) || this.#wanted.size < 2) throw error;
        const last = error.code === "too_many_rooms" ? [...this.#wanted].findLast((name) => name !== ALL_PRIVATE) : undefined;
        const room = error.room ?? last;
        if (room === undefined || !this.#wanted.has(room)) throw error;
        this.#refuse(room, error);
      }
    }
  }

  async #opened() {
    this.#readPeople(); // the list of people may come later; the next beat asks again
    if (this.#wanted.has(ALL_PRIVATE)) {
      await this.#login().catch((error) => {
        if (!(error instanceof RefusedError)) throw error;
        this.#refuse(ALL_PRIVATE, error);
      });
    }
    for (const room of [...this.#rooms.values()].filter(({ isOpen }) => isOpen)) {
      await this.#readings.get(room)?.catch(() => {}); // it began before this connection was in the room
      await this.#readNewer(room).catch((error) => {
        if (!(error instanceof RefusedError) || this.#rooms.size < 2) throw error;
        this.#refuse(room.name, error);
      });
    }
  }

  #ready() {
    if (this.#awaySince !== null) {
      const seconds = Math.max(1, Math.round((Date.now() - this.#awaySince) / 1000));
      this.listener.returned?.({ seconds, missed: this.#missed.count, isComplete: this.#missed.isComplete });
    }
    this.#awaySince = null;
    this.#requests.ready([...this.#rooms.keys()]);
    this.#outbox.sendNext();
    this.#readLater();
    this.#readTitles().catch(() => {});
  }

  #lost() {
    if (this.#line.isReady) {
      this.#awaySince = Date.now();
      this.#missed = { count: 0, isComplete: true };
    }
    const { connectionId } = this.#line;
    if (connectionId) {
      this.#gone = [...this.#gone.slice(-MAX_GONE), connectionId];
      for (const { presence } of this.#rooms.values()) presence.drop(connectionId);
    }
    clearTimeout(this.#reading);
    this.#outbox.lost();
    this.#requests.lost();
  }

  /** @param {boolean} isLate */
  #beat(isLate) {
    if (!isVisible()) return;
    this.#readPeople();
    if (!isLate) return;
    this.#line.probe();
    this.#readAll();
  }

  async #login() {
    /** @type {{ roomIds: string[] }} */ const { roomIds } = await this.#line.invoke("chat.login", "text", "");
    const names = new Set(roomIds.map((id) => ALL_PRIVATE + id));
    for (const { name, isPrivate } of [...this.#rooms.values()]) if (isPrivate && !names.has(name)) this.#rooms.delete(name);
    for (const name of names) if (!this.#rooms.has(name)) this.#add(name).isOpen = false;
    this.#tellRooms();
  }

  async #readTitles() {
    for (const room of [...this.#rooms.values()]) {
      if (!room.isPrivate || room.title !== null) continue;
      room.title = (await this.#line.invoke("chat.getRoom", "json", { id: room.name.slice(1), withMembers: false })).title;
      this.#tellRooms();
    }
  }

  /** @param {string} name */
  #add(name) {
    const room = this.#rooms.get(name) ?? new Room(name);
    this.#rooms.set(name, room);
    return room;
  }

  /** @param {string} name @returns {boolean} whether it was there */
  #drop(name) {
    this.#wanted.delete(name);
    const wasIn = this.#rooms.delete(name);
    if (wasIn) this.#tellRooms();
    return wasIn;
  }

  /** @param {string} name @param {RefusedError} error */
  #refuse(name, error) {
    this.#drop(name);
    if (!this.#wanted.size) this.#wanted.add(name); // without a room, the next connection would be in the default one
    if (!this.#requests.reject(name, error)) this.listener.refused?.(name, { code: error.code, message: error.message });
  }

  #tellRooms() {
    this.listener.rooms?.(this.rooms);
  }

  /** @param {any} frame */
  #receive({ type, from, data, ...ack }) {
    if (type === "ack") return this.#outbox.acknowledge(ack);
    if (type !== "message" || data === null || typeof data !== "object") return;
    if (data.notificationType) return this.#notified(data.notificationType, data.body);
    if (from === "server") return this.#answered(data);
    const room = this.#rooms.get(data.room);
    if (!room) return;
    if (data.type === "typing" && data.userId !== this.userId) this.listener.typing?.(data.userId, room.name);
    else if (data.type === "presence") {
      if (!room.isWatched) return;
      if (Array.isArray(data.events)) for (const event of data.events) room.presence.heed(event);
      if (room.presence.isKnown) this.listener.people?.(room.presence.people, room.name);
    } else this.#hear(room.name, data);
  }

  /** @param {string} kind of a private room's notification @param {any} body */
  #notified(kind, body) {
    const name = ALL_PRIVATE + (body.roomId ?? body.conversation?.roomId);
    if (kind === "RoomJoined" && this.#wanted.has(ALL_PRIVATE)) {
      if (!this.#rooms.has(name)) this.#add(name).isOpen = false;
      this.#add(name).title = body.title;
      this.#tellRooms();
    }
    const room = this.#rooms.get(name);
    if (!room) return;
    if (kind === "RoomLeft") this.#drop(name);
    else if (kind === "RoomMemberJoined") this.listener.members?.({ room: name, event: "joined", userId: body.userId });
    else if (kind === "RoomMemberLeft") this.listener.members?.({ room: name, event: "left", userId: body.userId });
    else {
      const envelope = toEnvelope(kind, body, name);
      if (!this.#outbox.mayBeOwn(envelope, this.userId)) this.#hear(name, envelope);
    }
  }

  /** @param {string} name @param {any} envelope */
  #hear(name, envelope) {
    const room = this.#rooms.get(name);
    if (room) this.#handOut(room, room.take([envelope], "live"), "live");
  }

  /** @param {any} answer to an event of this connection */
  #answered(answer) {
    const { type, room } = answer;
    if (type === "error") this.#refused(answer);
    else if (this.#requests.resolve(type, room)) {
      if (type === "joined") this.#add(room);
      this.#tellRooms();
    } else if (type === undefined && typeof answer.id === "string") this.#outbox.answered(answer.id);
  }

  /** @param {import("./outbox.js").Refusal} error */
  #refused(error) {
    if (this.#outbox.refuse(error)) return;
    const name = this.#requests.refused(error);
    if (name !== null) this.#refuse(name, new RefusedError(error.message, error.code, name));
  }

  /** @param {Room} room @param {import("./room.js").News} news @param {Source} source */
  #handOut(room, { messages, changes, repeats }, source) {
    const others = messages.filter((message) => !this.#outbox.take(message, this.userId, source));
    if (messages.length) this.listener.messages?.(messages, source, room.name);
    if (changes.length) this.listener.changes?.(changes, source, room.name);
    for (const message of repeats) this.listener.repeat?.(message);
    return others.length;
  }

  /** @param {Room} room @param {Record<string, string | number | null>} parameters @returns {Promise<any>} */
  #getMessages(room, parameters) {
    return this.#line.get("messages", { room: room.name, userId: this.userId, ...parameters });
  }

  #readLater() {
    clearTimeout(this.#reading);
    this.#reading = setTimeout(() => (isVisible() ? this.#readAll() : this.#readLater()), READ_MS * (0.75 + Math.random() / 2));
  }

  /** Read what no broadcast delivered, one room after the other. */
  async #readAll() {
    this.#readLater();
    for (const room of [...this.#rooms.values()].filter(({ isOpen }) => isOpen)) {
      await this.#readNewer(room).catch((error) => error instanceof RefusedError && this.#refuse(room.name, error));
    }
  }

  /** @param {Room} room */
  #readNewer(room) {
    const reading = this.#readings.get(room) ?? this.#read(room).finally(() => this.#readings.delete(room));
    this.#readings.set(room, reading);
    return reading;
  }

  /**
   * Read what came since the last reading. Pass nothing on until all of it is here, so that a failure leaves no gap.
   * @param {Room} room
   */
  async #read(room) {
    const at = (this.#lastRead = performance.now());
    const { isRead, since } = room;
    /** @type {any[]} newest first */ const envelopes = [];
    /** @type {string | null} */ let newest = null;
    /** @type {string | null} */ let next = null;
    for (let pages = 0; pages === 0 || (next && isRead && pages < MAX_PAGES); pages++) {
      const page = await this.#getMessages(room, { ...since, before: next, limit: isRead ? LIMIT : FIRST_LIMIT });
      envelopes.push(...page.messages);
      newest ??= page.newest;
      next = page.next;
    }
    if (this.#rooms.get(room.name) !== room || !this.#isStarted) return 0;
    const isComplete = !isRead || !next;
    if (!isComplete) {
      room.clear();
      this.#missed.isComplete = false;
      this.listener.reset?.(room.name);
    }
    const count = this.#handOut(room, room.takeNewer(envelopes, { newest, next, at }), isRead && isComplete ? "missed" : "history");
    if (isRead) this.#missed.count += count;
    else this.#tellRooms();
    return count;
  }

  async #readPeople() {
    const room = this.#rooms.get(this.#focused ?? "");
    if (!room || room.isPrivate || !this.listener.people || !this.#line.connectionId) return;
    room.isWatched = true; // events that arrive meanwhile may be newer than the list
    const list = await this.#line.get("presence", { room: room.name, userId: this.userId }).catch(() => null);
    if (!list || !this.connectionId) return;
    // The service learns of a lost connection later than its client.
    const connections = list.connections.filter((/** @type {any} */ one) => !this.#gone.includes(one.connectionId));
    room.presence.correct({ time: list.time, connections }, { connectionId: this.connectionId, userId: this.userId });
    this.listener.people(room.presence.people, room.name);
  }
}

function isVisible() {
  return globalThis.document?.visibilityState !== "hidden";
}
