"""One connection as the service sees it: who it is, what it may do, where its frames go. No sockets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import CookieJar

from webpubsub_emulator.core.client_protocol import ClientProtocol, EncodedMessage
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.permissions import GroupRights, Permission
from webpubsub_emulator.core.recovery import Recovery

__all__ = ["ACK_MEMORY", "SLOW_CLIENT", "AckMemory", "Connection", "ConnectionContext", "Outbox"]

ACK_MEMORY: Final = 1000
SLOW_CLIENT: Final = "SlowClient"


class Outbox(Protocol):
    """Where frames for one client go. Neither call waits for the client."""

    @property
    def is_closing(self) -> bool:
        """Return whether the service has closed it, even if the client does not know yet."""

    def send(self, frame: Frame) -> None:
        """Send ``frame`` after all frames before it; dropped when the socket is closing."""

    def close(self, code: int, reason: str) -> None:
        """Close the socket after all frames before; ``reason`` is what the log and the disconnected event say."""

    def cut(self) -> None:
        """End the socket at once, as when its line is lost: no frame, not even a close frame."""


@dataclass(slots=True)
class ConnectionContext:
    """What every event of a connection carries upstream.

    ``state`` is the value of ``ce-connectionState``, replaced by answers. ``cookies`` is made for the first cookie that
    the handler sets.
    """

    hub: str
    connection_id: str
    user_id: str | None = None
    subprotocol: str | None = None
    state: str | None = None
    cookies: CookieJar | None = None
    _event_ids: int = 0

    def next_event_id(self) -> int:
        """Return the id of the next event after connect; 0 is connect's own, used or not."""
        self._event_ids += 1
        return self._event_ids


class AckMemory:
    """The last ``ACK_MEMORY`` ids that were acknowledged with success: a repeat of one is a duplicate.

    Failed ids are not kept, because the SDKs try again with the same id.
    """

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        """Start without any id."""
        self._ids: dict[int, None] = {}

    def __contains__(self, ack_id: int) -> bool:
        """Return whether ``ack_id`` succeeded before."""
        return ack_id in self._ids

    def add(self, ack_id: int) -> None:
        """Remember ``ack_id``, forget the oldest."""
        self._ids[ack_id] = None
        if len(self._ids) > ACK_MEMORY:
            del self._ids[next(iter(self._ids))]


class Connection:
    """A connected client: over one socket, or with a reliable subprotocol over several, one after the other."""

    __slots__ = ("acks", "context", "groups", "id", "outbox", "protocol", "recovery", "rights", "user_id")

    def __init__(
        self,
        context: ConnectionContext,
        protocol: ClientProtocol,
        outbox: Outbox,
        roles: Iterable[str] = (),
        recovery: Recovery | None = None,
    ) -> None:
        """Start without groups; the hub keeps ``groups``. ``outbox`` is the current socket's and may be replaced."""
        roles = tuple(roles)
        self.id: Final = context.connection_id
        self.user_id: Final = context.user_id
        self.context: Final = context
        self.protocol: Final = protocol
        self.outbox = outbox
        self.recovery: Final = recovery
        self.groups: Final[set[str]] = set()
        self.acks: Final = AckMemory()
        self.rights: Final = {permission: GroupRights(permission, roles) for permission in Permission}

    def send(self, frame: Frame | None) -> None:
        """Send what concerns the socket at hand: without one it is lost, and ``None`` is nothing."""
        if frame is not None:
            self.outbox.send(frame)

    def deliver(self, message: EncodedMessage) -> None:
        """Send a message, numbered and kept if the client can come back for it; too many of these close it."""
        if self.recovery is None:
            self.outbox.send(message.frame)
        elif (frame := self.recovery.keep(message)) is not None:
            self.outbox.send(frame)
        else:
            self.outbox.close(1008, SLOW_CLIENT)
