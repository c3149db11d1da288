// The service SDK for JavaScript against the emulator at the connection string of the first argument; the second one is
// another address of it. Prints a line of JSON for each scenario: its name, and what went wrong or null.
import assert from "node:assert/strict";
import { WebPubSubServiceClient, odata } from "@azure/web-pubsub";

const [connectionString, proxy] = process.argv.slice(2);
const endpoint = /Endpoint=([^;]+)/i.exec(connectionString)[1];
const bytes = new Uint8Array([5, 1, 1]);
const scenarios = [];
const scenario = (name, run) => scenarios.push({ name, run });

/** A client for a hub of this scenario's own. */
let hubs = 0;
function client(options = {}) {
  hubs += 1;
  return new WebPubSubServiceClient(connectionString, `Hub${hubs}`, { allowInsecureConnection: true, ...options });
}

/** The status of one call. */
async function status(call) {
  let seen;
  await call({ onResponse: (response) => (seen = response.status) });
  return seen;
}

async function refusal(call) {
  try {
    await call;
  } catch (error) {
    assert.equal(error.name, "RestError");
    return error;
  }
  throw new Error("nothing was refused");
}

/** A socket with a queue of what it received, text as strings; ready when the service knows it. */
async function connect(service, options, subprotocol) {
  const { url } = await service.getClientAccessToken(options);
  const socket = new WebSocket(url, subprotocol ? [subprotocol] : []);
  socket.binaryType = "arraybuffer";
  const queue = [];
  const waiting = [];
  socket.onmessage = ({ data }) => (waiting.length ? waiting.shift()(data) : queue.push(data));
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const next = () => (queue.length ? Promise.resolve(queue.shift()) : new Promise((resolve) => waiting.push(resolve)));
  if (subprotocol) {
    const connected = JSON.parse(await next());
    assert.equal(connected.event, "connected");
    return { next, id: connected.connectionId, close: () => socket.close() };
  }
  return { next, close: () => socket.close() };
}

scenario("broadcasts text, JSON and binary", async () => {
  const service = client();
  assert.equal(await status((o) => service.sendToAll("hello", { contentType: "text/plain", ...o })), 202);
  assert.equal(await status((o) => service.sendToAll({ x: 1, y: 2 }, o)), 202);
  assert.equal(await status((o) => service.sendToAll(new Uint8Array(10).buffer, o)), 202);
});

scenario("broadcasts through a reverse proxy", async () => {
  const service = client({ reverseProxyEndpoint: proxy });
  assert.equal(await status((o) => service.sendToAll("hello", { contentType: "text/plain", ...o })), 202);
  assert.equal(await status((o) => service.sendToAll({ x: 1 }, { filter: "userId ne 'a'", ...o })), 202);
});

scenario("sends with a filter and a time to live", async () => {
  const options = { contentType: "text/plain", filter: "userId ne 'user1'", messageTtlSeconds: 60 };
  const service = client();
  assert.equal(await status((o) => service.sendToAll("hello", { ...options, ...o })), 202);
});

scenario("refuses a wrong filter in the service's words", async () => {
  const error = await refusal(client().sendToAll("hello", { contentType: "text/plain", filter: "invalid filter" }));
  assert.equal(error.statusCode, 400);
  assert.equal(
    JSON.parse(error.message).message,
    "Invalid syntax for 'invalid filter': Syntax error at position 14 in 'invalid filter'. (Parameter 'filter')",
  );
});

scenario("sends to users, connections and groups that are not there", async () => {
  const service = client();
  for (const send of [
    (message, o) => service.sendToUser("brian", message, o),
    (message, o) => service.sendToConnection("xxxx", message, o),
    (message, o) => service.group("none").sendToAll(message, o),
  ]) {
    assert.equal(await status((o) => send("hello", { contentType: "text/plain", ...o })), 202);
    assert.equal(await status((o) => send({ x: 1 }, o)), 202);
    assert.equal(await status((o) => send(bytes.buffer, o)), 202);
  }
});

scenario("says what does not exist", async () => {
  const service = client();
  assert.equal(await service.userExists("foo"), false);
  assert.equal(await service.connectionExists("xxx"), false);
  assert.equal(await service.groupExists("none"), false);
});

scenario("removes from all groups who is not there", async () => {
  const service = client();
  assert.equal(await status((o) => service.removeUserFromAllGroups("brian", o)), 204);
  assert.equal(await status((o) => service.removeConnectionFromAllGroups("xxxx", o)), 204);
});

scenario("grants no permission to a connection that is not there, and revokes it silently", async () => {
  const service = client();
  const error = await refusal(service.grantPermission("xxx", "joinLeaveGroup", { targetName: "x" }));
  assert.equal(error.statusCode, 404);
  await service.revokePermission("invalid-id", "joinLeaveGroup", { targetName: "x" });
  assert.equal(await service.hasPermission("xxx", "joinLeaveGroup", { targetName: "x" }), false);
});

scenario("adds no connection to a group that is not there, and removes it silently", async () => {
  const group = client().group("group");
  assert.equal((await refusal(group.addConnection("xxxx"))).statusCode, 404);
  assert.equal(await status((o) => group.removeConnection("xxxx", o)), 204);
  assert.equal(await status((o) => group.removeUser("nobody", o)), 204);
  assert.equal(await status((o) => group.closeAllConnections(o)), 204);
});

scenario("makes tokens in the shape of their clients", async () => {
  const service = client();
  const origin = endpoint.replace(/^http/, "ws");
  for (const [clientProtocol, path] of [
    [undefined, "client/hubs/"],
    ["default", "client/hubs/"],
    ["mqtt", "clients/mqtt/hubs/"],
    ["socketio", "clients/socketio/hubs/"],
  ]) {
    const token = await service.getClientAccessToken({ clientProtocol, userId: "brian" });
    assert.equal(token.baseUrl, `${origin}/${path}Hub${hubs}`);
    assert.equal(token.url, `${token.baseUrl}?access_token=${token.token}`);
    const claims = JSON.parse(Buffer.from(token.token.split(".")[1], "base64url"));
    assert.equal(claims.aud, `${endpoint}/${path}Hub${hubs}`);
    assert.equal(claims.sub, "brian");
  }
});

scenario("finds, lists and closes who is there", async () => {
  const service = client();
  const subprotocol = "json.webpubsub.azure.v1";
  const sockets = [];
  for (const user of ["a/b c%", "a/b c%", "bob"]) {
    sockets.push(await connect(service, { userId: user, groups: ["g/1"] }, subprotocol));
  }
  assert.equal(await service.userExists("a/b c%"), true);
  assert.equal(await service.groupExists("g/1"), true);
  assert.equal(await service.connectionExists(sockets[0].id), true);
  for (const [options, count] of [[{}, 3], [{ maxPageSize: 1 }, 3], [{ top: 2, maxPageSize: 1 }, 2]]) {
    const members = [];
    for await (const member of await service.group("g/1").listConnections(options)) members.push(member);
    assert.equal(members.length, count);
    assert.deepEqual(Object.keys(members[0]).sort(), ["connectionId", "userId"]);
  }
  await service.closeUserConnections("a/b c%", { reason: "spam" });
  assert.match(JSON.parse(await sockets[0].next()).message, /Reason: spam$/);
  assert.match(JSON.parse(await sockets[1].next()).message, /Reason: spam$/);
  await service.group("g/1").closeAllConnections();
  assert.equal(JSON.parse(await sockets[2].next()).event, "disconnected");
});

scenario("grants, checks and revokes permissions", async () => {
  const service = client();
  const { id, close } = await connect(service, {}, "json.webpubsub.azure.v1");
  const on = { targetName: "a/g" };
  for (const permission of ["sendToGroup", "joinLeaveGroup"]) {
    assert.equal(await service.hasPermission(id, permission, on), false);
    await service.grantPermission(id, permission, on);
    assert.equal(await service.hasPermission(id, permission, on), true);
    await service.revokePermission(id, permission, on);
    assert.equal(await service.hasPermission(id, permission, on), false);
  }
  close();
});

scenario("gives simple clients the bare content", async () => {
  const service = client();
  const socket = await connect(service);
  await service.sendToAll({ message: "Hello world!" });
  await service.sendToAll("Hi there!", { contentType: "text/plain" });
  await service.sendToAll(bytes);
  assert.equal(await socket.next(), '{"message":"Hello world!"}');
  assert.equal(await socket.next(), "Hi there!");
  assert.deepEqual(new Uint8Array(await socket.next()), bytes);
  socket.close();
});

scenario("gives simple clients the messages of their groups", async () => {
  const service = client();
  const socket = await connect(service, { groups: ["group1", "group2"] });
  await service.group("group1").sendToAll({ message: "from group1" });
  await service.group("other").sendToAll("not for it", { contentType: "text/plain" });
  await service.group("group2").sendToAll("from group2", { contentType: "text/plain" });
  assert.equal(await socket.next(), '{"message":"from group1"}');
  assert.equal(await socket.next(), "from group2");
  socket.close();
});

scenario("gives JSON clients the frames to the letter", async () => {
  const service = client();
  const socket = await connect(service, {}, "json.webpubsub.azure.v1");
  await service.sendToAll({ message: "Hello world!" });
  await service.sendToAll("Hi there!", { contentType: "text/plain" });
  await service.sendToAll(bytes);
  const start = '{"type":"message","from":"server",';
  assert.equal(await socket.next(), `${start}"dataType":"json","data":{"message":"Hello world!"}}`);
  assert.equal(await socket.next(), `${start}"dataType":"text","data":"Hi there!"}`);
  assert.equal(await socket.next(), `${start}"dataType":"binary","data":"BQEB"}`);
  socket.close();
});

scenario("filters by user and by group", async () => {
  const service = client();
  const socket = await connect(service, { groups: ["groupA"] });
  const [groupA, groupB] = ["groupA", "groupB"];
  await service.sendToAll("1", { contentType: "text/plain", filter: "userId ne null" });
  await service.sendToAll("2", { contentType: "text/plain", filter: "userId eq null", messageTtlSeconds: 60 });
  await service.sendToAll("3", {
    contentType: "text/plain",
    filter: odata`${groupA} in groups and not(${groupB} in groups)`,
  });
  assert.equal(await socket.next(), "2");
  assert.equal(await socket.next(), "3");
  socket.close();
});

scenario("changes the groups of the connections that a filter selects", async () => {
  const service = client();
  const one = await connect(service, { userId: "user 1" });
  const other = await connect(service, { userId: "user 2" });
  await service.addConnectionsToGroups(["group1", "group2"], odata`userId eq ${"user 1"}`);
  const filter = "'group1' in groups and 'group2' in groups";
  await service.sendToAll("in", { contentType: "text/plain", filter });
  await service.removeConnectionsFromGroups(["group1"], "'group2' in groups");
  await service.sendToAll("out", { contentType: "text/plain", filter });
  await service.sendToAll("end", { contentType: "text/plain" });
  assert.deepEqual([await one.next(), await one.next(), await other.next()], ["in", "end", "end"]);
  one.close();
  other.close();
});

for (const { name, run } of scenarios) {
  let problem = null;
  try {
    await Promise.race([
      run(),
      new Promise((_, reject) => setTimeout(() => reject(new Error("it did not end")), 10_000).unref()),
    ]);
  } catch (error) {
    problem = String(error.stack);
  }
  console.log(JSON.stringify({ name, problem }));
}
process.exit();
