// A chat in one file: negotiate, connect, read the history, merge it with what arrives meanwhile.
const query = new URLSearchParams(location.search);
const room = query.get("room") || "lobby";
const user = query.get("user") || (sessionStorage.user ??= `guest-${Math.random().toString(36).slice(2, 6)}`);
const $ = (id) => document.getElementById(id);
const shown = new Map(); // message id -> element, so that nothing is shown twice
const waiting = new Map(); // ack id -> element of a message on its way
let socket;
let ackId = 0;
let newest = null;

$("room").textContent = room;
$("user").textContent = user;
document.title = `${room} – chat`;

async function getJson(route, parameters) {
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value));
  const response = await fetch(`../${route}?${new URLSearchParams(given)}`);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.message || `${route} answered ${response.status}`);
  return body;
}

function line(className, ...parts) {
  const item = document.createElement("li");
  item.className = className;
  item.append(...parts);
  return item;
}

function messageLine(message) {
  const time = document.createElement("time");
  time.dateTime = message.time;
  time.textContent = new Date(message.time).toLocaleTimeString();
  const name = document.createElement("strong");
  name.textContent = message.from ?? "somebody";
  const data = message.dataType === "text" ? message.data : JSON.stringify(message.data);
  const item = line("message", time, name, `: ${data}`);
  item.dataset.id = message.id;
  return item;
}

function show(message) {
  if (shown.has(message.id)) return;
  const item = messageLine(message);
  shown.set(message.id, item);
  // Ids sort oldest first; a message that was delivered again can belong further up.
  const later = [...$("messages").children].find((other) => other.dataset.id > message.id);
  $("messages").insertBefore(item, later ?? null);
  if (!newest || message.id > newest) newest = message.id;
  item.scrollIntoView({ block: "nearest" });
}

function onFrame(frame) {
  if (frame.type === "ack") {
    const item = waiting.get(frame.ackId);
    waiting.delete(frame.ackId);
    if (frame.success) item?.remove();
    else if (item) fail(item, frame.error?.message);
  } else if (frame.type === "message") {
    const data = frame.data;
    if (data?.type === "message") show(data);
    else if (data?.type === "presence") $("messages").append(line("presence", `${data.userId ?? "somebody"} ${data.event}`));
    else if (data?.type === "error") $("messages").append(line("failed", data.message));
  }
}

function fail(item, reason) {
  item.className = "failed";
  item.append(` — not sent: ${reason ?? "the connection was lost"}`);
}

async function connect() {
  const { url } = await getJson("negotiate", { room, userId: user });
  socket = new WebSocket(url, "json.webpubsub.azure.v1");
  const early = [];
  let merge = (frame) => early.push(frame);
  socket.onmessage = (event) => merge(JSON.parse(event.data));
  socket.onclose = () => {
    $("status").textContent = "offline, connecting again…";
    for (const item of waiting.values()) fail(item);
    waiting.clear();
    setTimeout(start, 1000 + Math.random() * 2000);
  };
  await new Promise((resolve) => (socket.onopen = resolve));
  // Listen first, then read: between the two nothing can be missed.
  const page = await getJson("messages", { room, userId: user, after: newest });
  page.messages.forEach(show);
  early.forEach(onFrame);
  merge = onFrame;
  $("status").textContent = "connected";
}

function start() {
  connect().catch((error) => {
    $("status").textContent = `${error.message} – trying again…`;
    if (!socket || socket.readyState > WebSocket.OPEN) setTimeout(start, 3000);
    else socket.close();
  });
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value;
  const item = line("sending", text);
  $("messages").append(item);
  item.scrollIntoView({ block: "nearest" });
  if (socket?.readyState !== WebSocket.OPEN) return fail(item, "you are offline");
  waiting.set(++ackId, item);
  socket.send(JSON.stringify({ type: "event", event: "message", ackId, dataType: "text", data: text }));
  $("form").reset();
};

start();
