"""A hub: its connections, users and groups, and delivery to them. Plain Python; sockets are behind ``Outbox``.

Hub names are case-insensitive, all others case-sensitive. A user and a group exist as long as they have a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from webpubsub_emulator.core.client_protocol import EncodedMessage, OutgoingMessage
from webpubsub_emulator.core.connection import Connection, ConnectionContext
from webpubsub_emulator.core.messages import Payload

__all__ = ["Delivery", "Hub", "Hubs", "Presence", "close", "deliver"]

_CLOSED_BY_SERVER: Final = "Application server closed the connection."
_NORMAL_CLOSURE: Final = 1000
_Members = dict[str, Connection]
Presence = Callable[[ConnectionContext, str, str], None]
"""Called after each change of a membership, with the connection, ``joined`` or ``left``, and the group."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was sent to clients: to whom, to how many, and by which client; ``None`` is the application server.

    ``problem`` is why nobody got it, in which case there may be no payload. ``request_id`` is the same in every try of
    one REST call.
    """

    hub: str
    target: str
    payload: Payload | None
    receivers: int
    sender: ConnectionContext | None = None
    request_id: str | None = None
    problem: str | None = None


class Hub:
    """The connections of one hub."""

    def __init__(self, name: str, presence: Presence | None = None) -> None:
        """Start empty."""
        self.name: Final = name
        self._presence = presence
        self._connections: _Members = {}
        self._users: dict[str, _Members] = {}
        self._groups: dict[str, _Members] = {}

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        """All connections, as they are now."""
        return iter(list(self._connections.values()))

    def add(self, connection: Connection, groups: Iterable[str] = ()) -> None:
        """Add a connection, as a member of ``groups``."""
        self._connections[connection.id] = connection
        if connection.user_id:
            self._users.setdefault(connection.user_id, {})[connection.id] = connection
        for group in groups:
            self.join(connection, group)

    def remove(self, connection: Connection) -> None:
        """Forget a connection and all its memberships."""
        if self._connections.pop(connection.id, None) is None:
            return
        self.leave_all(connection)
        if connection.user_id:
            _discard(self._users, connection.user_id, connection.id)

    def connection(self, connection_id: str) -> Connection | None:
        """Return the connection of that id."""
        return self._connections.get(connection_id)

    def user(self, user_id: str) -> Collection[Connection]:
        """Return the connections of a user; empty when there are none."""
        return self._users.get(user_id, {}).values()

    def group(self, group: str) -> Collection[Connection]:
        """Return the members of a group; empty when there are none."""
        return self._groups.get(group, {}).values()

    def join(self, connection: Connection, group: str) -> None:
        """Make ``connection`` a member of ``group``; nothing happens if it is one already, or is gone."""
        if connection.id in self._connections and group not in connection.groups:
            connection.groups.add(group)
            self._groups.setdefault(group, {})[connection.id] = connection
            if self._presence is not None:
                self._presence(connection.context, "joined", group)

    def leave(self, connection: Connection, group: str) -> None:
        """End a membership; nothing happens when there is none."""
        if group in connection.groups:
            connection.groups.discard(group)
            _discard(self._groups, group, connection.id)
            if self._presence is not None:
                self._presence(connection.context, "left", group)

    def leave_all(self, connection: Connection) -> None:
        """End all memberships of a connection."""
        for group in tuple(connection.groups):
            self.leave(connection, group)


class Hubs:
    """All hubs that have a connection."""

    def __init__(self, presence: Presence | None = None) -> None:
        """Start without hubs."""
        self._hubs: dict[str, Hub] = {}
        self._presence = presence

    def find(self, name: str) -> Hub | None:
        """Return the hub of that name, in any case; ``None`` when it has no connection."""
        return self._hubs.get(name.lower())

    def __iter__(self) -> Iterator[Hub]:
        """Return the hubs that have a connection, as they are now."""
        return iter(list(self._hubs.values()))

    def add(self, connection: Connection, groups: Iterable[str] = ()) -> None:
        """Add a connection to its hub."""
        name = connection.context.hub
        self._hubs.setdefault(name, Hub(name, self._presence)).add(connection, groups)

    def remove(self, connection: Connection) -> None:
        """Forget a connection, and its hub with the last one."""
        hub = self.find(connection.context.hub)
        if hub is None:
            return
        hub.remove(connection)
        if not len(hub):
            del self._hubs[hub.name]

    def join(self, connection: Connection, group: str) -> None:
        """Make ``connection`` a member of ``group`` in its hub; nothing happens when it has gone."""
        if (hub := self.find(connection.context.hub)) is not None:
            hub.join(connection, group)

    def leave(self, connection: Connection, group: str) -> None:
        """End a membership of ``connection`` in its hub; nothing happens when there is none."""
        if (hub := self.find(connection.context.hub)) is not None:
            hub.leave(connection, group)

    def leave_all(self, connection: Connection) -> None:
        """End all memberships of ``connection`` in its hub."""
        if (hub := self.find(connection.context.hub)) is not None:
            hub.leave_all(connection)


def deliver(
    message: OutgoingMessage, connections: Iterable[Connection], excluded: Collection[str] = frozenset()
) -> int:
    """Send ``message`` to all ``connections`` except the ``excluded`` ids, encoded once per dialect; count them."""
    encoded: dict[str, EncodedMessage] = {}
    count = 0
    for connection in tuple(connections):
        if connection.id in excluded:
            continue
        protocol = connection.protocol
        in_dialect = encoded.get(protocol.dialect)
        if in_dialect is None:
            in_dialect = encoded[protocol.dialect] = protocol.message(message)
        connection.deliver(in_dialect)
        count += 1
    return count


def close(connections: Iterable[Connection], reason: str | None) -> None:
    """Close all ``connections`` in the application server's name."""
    message = f"{_CLOSED_BY_SERVER} Reason: {reason}" if reason else _CLOSED_BY_SERVER
    for connection in tuple(connections):
        connection.send(connection.protocol.disconnected(message))
        connection.outbox.close(_NORMAL_CLOSURE, message)


def _discard(index: dict[str, _Members], key: str, connection_id: str) -> None:
    members = index.get(key)
    if members is None:
        return
    members.pop(connection_id, None)
    if not members:
        del index[key]
