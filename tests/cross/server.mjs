// The JavaScript event handler, once for each set of functions; shapes.py has the same sets for ours.
import express from "express";
import { WebPubSubEventHandler } from "@azure/web-pubsub-express";

const seenBy = (request) => {
  const { hub, userId, connectionId, eventName, states } = request.context;
  const { claims, query, subprotocols, dataType } = request;
  const data = dataType === "binary" ? request.data.toString("base64") : request.data;
  return JSON.parse(JSON.stringify({
    hub, userId, connectionId, eventName, states, claims, query, subprotocols, dataType, data,
  }));
};
const state = (name, valueOf) => ({
  handleConnect: (request, response) => { response.setState(name, valueOf(request)); response.success(); },
  handleUserEvent: (request, response) => { response.setState(name, valueOf(request)); response.success(); },
});
const refusal = (status) => ({
  handleConnect: (_, response) => response.fail(status, "members only"),
  handleUserEvent: (request, response) => { response.setState("n", 1); response.fail(status, "members only"); },
});
const raising = () => { throw new Error("password=5ec4e7"); };

const shapes = {
  nothing: {},
  accept: {
    handleConnect: (_, response) => response.success(),
    handleUserEvent: (_, response) => response.success(),
    onConnected: () => {}, onDisconnected: () => {}, onGroupJoined: () => {}, onGroupLeft: () => {},
  },
  reply: {
    handleConnect: (request, response) =>
      response.success({ userId: "ana-1", groups: ["lobby"], roles: ["webpubsub.joinLeaveGroup"] }),
    handleUserEvent: ({ data, dataType }, response) =>
      response.success(dataType === "json" ? JSON.stringify(data) : data, dataType),
  },
  text: { handleUserEvent: (_, response) => response.success("Grüße", "text") },
  json: { handleUserEvent: (_, response) => response.success('{"a":["ü",null]}', "json") },
  binary: { handleUserEvent: (_, response) => response.success(Buffer.from([0, 1, 255]), "binary") },
  seen: state("seen", seenBy),
  number: state("n", () => 5),
  refuse400: refusal(400), refuse401: refusal(401), refuse403: refusal(403), refuse500: refusal(500),
  raise: { handleConnect: raising, handleUserEvent: raising },
  unoffered: { handleConnect: (_, response) => response.success({ subprotocol: "chat.v9" }) },
  connack: {
    handleConnect: ({ mqtt }, response) => response.success({
      userId: "ana-1",
      ...(mqtt?.protocolVersion === 5 && { mqtt: { userProperties: [{ name: "region", value: "weu" }] } }),
    }),
  },
  refuseMqtt: {
    handleConnect: ({ mqtt }, response) => {
      if (!mqtt) response.success({ userId: "ana-1" });
      else if (mqtt.protocolVersion === 4) response.failWith({ mqtt: { code: 3, reason: "soon" } });
      else response.failWith({
        mqtt: { code: 138, reason: "for a day", userProperties: [{ name: "ref", value: "77" }] },
      });
    },
  },
  origins1: { allowedEndpoints: ["https://Chat.Contoso.com"] },
  origins2: { allowedEndpoints: ["https://contoso.webpubsub.azure.com", "https://chat.contoso.com:8443"] },
  originsOther: { allowedEndpoints: ["https://other.example"] },
};

const app = express();
for (const [name, functions] of Object.entries(shapes)) {
  app.use(new WebPubSubEventHandler("chat", { path: `/${name}`, ...functions }).getMiddleware());
}
// What the middleware leaves to others, told from what it answers.
app.use((_request, response) => response.status(404).end("left to the next middleware"));
app.use((error, _request, response, _next) => response.status(500).end(`left to the error handler: ${error.message}`));

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
