// @ts-check
/**
 * A chat client for browsers, usable alone (with line.js, room.js and presence.js beside it); docs/client.md has all of it:
 *
 *     const chat = new ChatClient("https://<app>/api/", { rooms: ["lobby"], userId: "ana" }, {
 *       messages: (messages) => messages.forEach(({ from, data }) => console.log(from, data)),
 *     });
 *     chat.start();
 *     chat.send("lobby", "text", "hello");
 *
 * What it keeps to, also when the line drops:
 * - Nothing is missed: it subscribes first, holds back what arrives, reads the history, then hands out both, merged by id.
 *   After a reconnect or a pause, and once a minute, it reads what came since the last reading.
 * - Nothing is handed out twice: a message is new once, whatever the service delivers.
 * - Nothing is lost or stored twice on the way up: each message has a key. What was not acknowledged is sent again, and the
 *   server stores a key once.
 * - Nothing overtakes: what is sent goes up one at a time, and what the server refuses as too fast is sent again first.
 */
import { Line, RefusedError } from "./line.js";
import { Room } from "./room.js";

export { RefusedError } from "./line.js";
export { orderOf } from "./room.js";

/** @typedef {import("./line.js").Status} Status */
/** @typedef {import("./line.js").Health} Health */
/** @typedef {import("./room.js").DataType} DataType */
/** @typedef {import("./room.js").Message} Message */
/** @typedef {import("./room.js").Change} Change */
/** @typedef {import("./room.js").Source} Source */
/** @typedef {import("./presence.js").Person} Person */
/**
 * @typedef {object} Outgoing what is on its way; `unconfirmed` is sent again by itself, `failed` was refused and can be retried
 * @property {string} key
 * @property {string} room
 * @property {"send" | "edit" | "delete"} event
 * @property {string} [id] of the message that is edited or deleted
 * @property {DataType} [dataType]
 * @property {string} [data] the text, the text of the JSON, or base64
 * @property {"sending" | "unconfirmed" | "stored" | "failed"} state
 * @property {string} [reason]
 * @property {string} [code] the server's name for why it was refused
 */
/**
 * @typedef {object} RoomInfo
 * @property {string} name
 * @property {boolean} isPrivate
 * @property {string | null} title of a private room, once known
 * @property {boolean} isRead its history is read and kept up to date
 */
/**
 * @typedef {object} PrivateRoom
 * @property {string} name with its `@`
 * @property {string} title
 * @property {string[]} members who joined first comes first
 */
/**
 * @typedef {object} Listener
 * @property {(status: Status) => void} [status]
 * @property {(rooms: RoomInfo[]) => void} [rooms] the list changed
 * @property {(messages: Message[], source: Source, room: string) => void} [messages] oldest first, each id once
 * @property {(changes: Change[], source: Source, room: string) => void} [changes] of messages that were handed out
 * @property {(message: Message) => void} [repeat] the service delivered an id again
 * @property {(room: string) => void} [reset] too much was missed: show nothing of the room any more, its newest page follows
 * @property {(outgoing: Outgoing) => void} [outgoing] its state changed
 * @property {(people: Person[], room: string) => void} [people]
 * @property {(member: { room: string, event: "joined" | "left", userId: string }) => void} [members] of a private room
 * @property {(userId: string | null, room: string) => void} [typing]
 * @property {(back: { seconds: number, missed: number, isComplete: boolean }) => void} [returned] from a time away, all is read
 * @property {(room: string, why: { code?: string, message: string }) => void} [refused] this room, not the others
 * @property {(health: Health) => void} [health]
 */

const MAX_FRAME_BYTES = 1024 * 1024; // the service closes a connection that sends more
const CONFIRM_MS = 15_000;
const LONGEST_PAUSE_MS = 30_000;
const READ_MS = 60_000;
const LOOK_MS = 10_000;
const TYPING_MS = 2_500;
const FIRST_LIMIT = 50;
const LIMIT = 200;
const MOST_PAGES = 10;
const ALL_PRIVATE = "@";
