// Many clients in one process: the official JavaScript client, and the page's own. Calls come as lines of JSON
// ({id, client, call, args}); results ({id, result}) and what happens ({client, event, …}) go out as such lines.
import { createInterface } from "node:readline";
import { WebPubSubClient } from "@azure/web-pubsub-client";
import { ChatClient } from "./client.js";

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const clients = new Map();

const calls = {
  /** Start the official client; the result is null, or why it did not start. */
  async open(name, negotiate, query) {
    const url = new URL(negotiate);
    for (const [key, value] of query) url.searchParams.append(key, value);
    const client = new WebPubSubClient(
      { getClientAccessUrl: async () => (await (await fetch(url, { signal: AbortSignal.timeout(10_000) })).json()).url },
      { messageRetryOptions: { maxRetries: 3, retryDelayInMs: 200, maxRetryDelayInMs: 2000 } },
    );
    const isCurrent = () => clients.get(name) === client;
    for (const kind of ["server-message", "group-message"]) {
      client.on(kind, ({ message }) => isCurrent() && say({ client: name, event: "message", data: message.data }));
    }
    for (const kind of ["disconnected", "stopped"]) client.on(kind, () => isCurrent() && say({ client: name, event: kind }));
    clients.set(name, client);
    try {
      await client.start();
      return null;
    } catch (error) {
      return String(error);
    }
  },

  /** Send an event; the result is null, or the error whose name is null where nobody knows what became of it. */
  async sendEvent(name, event, data) {
    try {
      await clients.get(name).sendEvent(event, data, typeof data === "string" ? "text" : "json");
      return null;
    } catch (error) {
      return { name: error.errorDetail?.name ?? null, message: String(error) };
    }
  },

  async close(name) {
    const client = clients.get(name);
    clients.delete(name);
    client?.stop();
    return null;
  },

  /** Start the page's client in its rooms. */
  async startPage(name, api, rooms) {
    const client = new ChatClient(api, { rooms, userId: name }, {
      status: ({ state }) => say({ client: name, event: "status", state }),
      messages: (messages, source) => messages.forEach((message) => say({ client: name, event: "message", message, source })),
      changes: (changes, source) => changes.forEach((change) => say({ client: name, event: "change", change, source })),
      repeat: (message) => say({ client: name, event: "message", message, source: "live" }),
      outgoing: (outgoing) => say({ client: name, event: "outgoing", outgoing }),
    });
    clients.set(name, client);
    client.start();
    return null;
  },

  /** Send a message; the result is its key. */
  async sendPage(name, room, dataType, data) {
    return clients.get(name).send(room, dataType, data).key;
  },

  /** Edit a message; the result is the key of what is on its way. */
  async editPage(name, room, id, dataType, data) {
    return clients.get(name).edit(room, id, dataType, data).key;
  },

  /** Delete a message; the same. */
  async deletePage(name, room, id) {
    return clients.get(name).delete(room, id).key;
  },
};

// What a client throws in a callback of its own is told, and ends no other client.
process.on("unhandledRejection", (error) => console.error("unhandled:", error));
process.on("uncaughtException", (error) => console.error("uncaught:", error));

for await (const text of createInterface({ input: process.stdin })) {
  const { id, client, call, args } = JSON.parse(text);
  calls[call](client, ...args).then(
    (result) => say({ id, result: result ?? null }),
    (error) => {
      console.error(call, error);
      say({ id, result: { name: null, message: String(error) } });
    },
  );
}
process.exit();
