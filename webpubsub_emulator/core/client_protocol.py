"""The interface between a connection and a subprotocol: what clients can send, and what a codec must encode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from webpubsub_emulator.core import names
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.messages import MAX_TTL_SECONDS, Payload

__all__ = [
    "CancelInvocation",
    "ClientFrame",
    "ClientProtocol",
    "ClientProtocolError",
    "ClientRequest",
    "EncodedMessage",
    "ErrorDetail",
    "GroupStateRequest",
    "Invoke",
    "JoinGroup",
    "LeaveGroup",
    "OutgoingMessage",
    "Ping",
    "SendToGroup",
    "SequenceAck",
    "StreamFrame",
    "UserEvent",
    "check_ttl",
    "checked_event",
    "checked_group",
    "checked_metadata",
]


@dataclass(frozen=True, slots=True)
class JoinGroup:
    """A client asks to become a member of a group."""

    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    """A client asks to leave a group."""

    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class SendToGroup:
    """A client publishes to a group."""

    group: str
    payload: Payload
    is_echoed: bool = True
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class UserEvent:
    """A client sends a custom event upstream."""

    event: str
    payload: Payload
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class Invoke:
    """A client sends a custom event upstream and wants the answer as the result of this invocation."""

    invocation_id: str
    event: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class GroupStateRequest:
    """A client sets, subscribes to or unsubscribes from a group's state, which this emulator does not have."""

    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class CancelInvocation:
    """A client no longer wants the result of an invocation."""

    invocation_id: str


@dataclass(frozen=True, slots=True)
class StreamFrame:
    """A client opens, feeds or ends a stream, which this emulator does not have."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class SequenceAck:
    """A client has received all messages up to this one."""

    sequence_id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A client asks for a pong."""


ClientRequest = JoinGroup | LeaveGroup | SendToGroup | UserEvent | GroupStateRequest
ClientFrame = ClientRequest | Invoke | CancelInvocation | StreamFrame | SequenceAck | Ping


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """Why a request of a client failed; ``name`` is one of the protocol's error names."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to clients; from a group's member when ``group`` is set, else from the server."""

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None


class ClientProtocolError(ValueError):
    """A frame that the protocol does not allow; the socket is closed with ``close_code``."""

    def __init__(self, reason: str, *, close_code: int = 1007) -> None:
        """Keep the close code beside the reason."""
        super().__init__(reason)
        self.close_code = close_code


class EncodedMessage(Protocol):
    """A message in one dialect, encoded once for all receivers."""

    @property
    def frame(self) -> Frame:
        """The message to clients whose messages have no numbers."""

    def numbered(self, sequence_id: int) -> Frame:
        """Return the message to a client of a reliable subprotocol."""


class ClientProtocol(Protocol):
    """A codec without I/O and state; ``None`` means that the protocol has no such frame.

    Codecs of one ``dialect`` encode alike, so a broadcast is encoded once per dialect.
    """

    @property
    def dialect(self) -> str:
        """The name of this codec's encoding."""

    @property
    def closes_on_failure(self) -> bool:
        """Return whether a failed request closes the socket, as the protocol has no other way to say so."""

    def decode(self, frame: str | bytes) -> ClientFrame:
        """Return what the client said.

        Raises:
            ClientProtocolError: when the frame is not allowed.
        """

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str | None) -> Frame | None:
        """Return the first frame a client gets; the token is that of a reliable subprotocol."""

    def disconnected(self, message: str) -> Frame | None:
        """Return the last frame before the server closes."""

    def ack(self, ack_id: int, error: ErrorDetail | None) -> Frame | None:
        """Return the answer to a request with an ``ackId``."""

    def invoke_response(self, invocation_id: str, result: Payload | ErrorDetail | None) -> Frame | None:
        """Return the answer to an invocation; ``None`` is success without data."""

    def stream_closed(self, stream_id: str, error: ErrorDetail) -> Frame | None:
        """Return the refusal of a stream."""

    def pong(self) -> Frame | None:
        """Return the answer to a ping."""

    def message(self, message: OutgoingMessage) -> EncodedMessage:
        """Return a message to clients."""


def checked_group(group: str) -> str:
    """Return the name of a group if it is valid.

    Raises:
        ClientProtocolError: when it is not.
    """
    if not names.is_group(group):
        raise ClientProtocolError("A group's name must have 1 to 1024 characters, not only white space.")
    return group


def checked_event(event: str) -> str:
    """Return the name of an event if it is valid.

    Raises:
        ClientProtocolError: when it is not.
    """
    if not names.is_event(event):
        raise ClientProtocolError(
            "An event's name must start with a letter; letters, digits, '_', '.', '-' follow, up to 128."
        )
    return event


def checked_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return a message's metadata if it is valid.

    Raises:
        ClientProtocolError: when it is not.
    """
    problem = names.metadata_problem(metadata)
    if problem is not None:
        raise ClientProtocolError(problem)
    return metadata


def check_ttl(seconds: int) -> None:
    """Refuse a time to live that no message may have.

    Raises:
        ClientProtocolError: when it is out of bounds.
    """
    if not 0 <= seconds <= MAX_TTL_SECONDS:
        raise ClientProtocolError(f"A message's time to live must be 0 to {MAX_TTL_SECONDS} seconds.")
