// The official JavaScript client as a process: takes calls as JSON lines, tells results and events as JSON lines.
import { createInterface } from "node:readline";
import { WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol } from "@azure/web-pubsub-client";

const [url, protocol] = process.argv.slice(2);
const protocols = { json: WebPubSubJsonProtocol, "json.reliable": WebPubSubJsonReliableProtocol };
const client = new WebPubSubClient(url, {
  ...(protocol && { protocol: protocols[protocol]() }),
  messageRetryOptions: { maxRetries: 0 },
});
const toJson = (_, value) => (value instanceof ArrayBuffer ? { bytes: [...new Uint8Array(value)] } : value);
const fromJson = (_, value) => (value?.bytes ? new Uint8Array(value.bytes).buffer : value);
const say = (line) => console.log(JSON.stringify(line, toJson));

for (const name of ["connected", "disconnected", "stopped", "server-message", "group-message", "rejoin-group-failed"]) {
  client.on(name, (event) => say({ event: name, ...event }));
}
for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line, fromJson);
  try {
    say({ result: (await client[call](...args)) ?? null });
  } catch (error) {
    say({ error: error.name, detail: error.errorDetail ?? null, message: error.message });
  }
}
process.exit();
