import { byId, copyButton, counted, element, shortId } from "./elements.js";

/** Shows hubs, where their events go, their connections and groups; `selected` is the id of a connection or null. */
export function showHubs(hubs, selected, onConnection) {
  const total = hubs.reduce((sum, hub) => sum + hub.count, 0);
  byId("connection-count").textContent = String(total);
  const shown = hubs.map((hub) =>
    element(
      "section",
      { className: "hub" },
      element("h3", {}, hub.name, element("span", {}, counted(hub.count, "connection"))),
      ...(hub.handlers.length ? hub.handlers : ["no event handler"]).map((url) => element("p", { className: "handler", title: url }, url)),
      element("ul", {}, ...hub.connections.map((connection) => element("li", {}, row(connection, selected, onConnection), copyButton(connection.id)))),
      hub.connections.length < hub.count ? element("p", { className: "hint" }, `… and ${hub.count - hub.connections.length} more`) : null,
    ),
  );
  // The one that has the focus is another element afterwards, for the same connection.
  const focused = document.activeElement?.dataset.connection;
  byId("hubs").replaceChildren(...(shown.length ? shown : [element("p", { className: "hint" }, "No client is connected.")]));
  if (focused) byId("hubs").querySelector(`[data-connection="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function row(connection, selected, onConnection) {
  const isSelected = connection.id === selected;
  return element(
    "button",
    {
      type: "button",
      className: "connection",
      title: `${connection.id} · ${connection.subprotocol ?? "no subprotocol"}`,
      "aria-pressed": String(isSelected),
      "data-connection": connection.id,
      onclick: () => onConnection(isSelected ? null : connection.id),
    },
    connection.userId === null ? element("b", { className: "nobody" }, "no user") : element("b", {}, connection.userId),
    element("span", { className: "id" }, shortId(connection.id)),
    element("span", { className: "groups" }, ...connection.groups.map((group) => element("span", { className: "tag" }, group))),
  );
}
