"""The simple client: no subprotocol, or a custom one that only the event handler understands; no I/O.

Every frame is the user event ``message``, or with ``webpubsub_mode=sendToGroup`` a message to one group.
Source: MicrosoftDocs ``concept-client-protocols``; the modes from Microsoft's emulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from webpubsub_emulator.core import names
from webpubsub_emulator.core.client_protocol import ErrorDetail, OutgoingMessage, SendToGroup, UserEvent
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.core.query import Query, last_value

__all__ = ["SimpleModeError", "SimpleProtocol", "simple_protocol"]

_EVENT: Final = "message"


class SimpleModeError(ValueError):
    """The query asks for a mode that does not exist; the upgrade is refused with 400."""


@dataclass(frozen=True, slots=True)
class _EncodedMessage:
    frame: Frame

    def numbered(self, sequence_id: int) -> Frame:  # noqa: ARG002 - the seam's name for it
        """Return the frame as it is: simple clients get no numbers."""
        return self.frame


@dataclass(frozen=True, slots=True)
class SimpleProtocol:
    """The codec of simple clients; with ``group`` every frame is published there instead of sent upstream."""

    group: str | None = None
    is_echoed: bool = True

    @property
    def dialect(self) -> str:
        """The same for all simple clients."""
        return "simple"

    @property
    def closes_on_failure(self) -> bool:
        """Always true: there is no other way to tell a simple client of a failure."""
        return True

    def decode(self, frame: str | bytes) -> UserEvent | SendToGroup:
        """Return the whole frame as the message."""
        payload = Payload(DataType.TEXT, frame.encode()) if isinstance(frame, str) else Payload(DataType.BINARY, frame)
        if self.group is None:
            return UserEvent(_EVENT, payload)
        return SendToGroup(self.group, payload, self.is_echoed)

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str | None) -> None:
        """Return nothing: simple clients get no ``connected`` frame."""

    def disconnected(self, message: str) -> None:
        """Return nothing: simple clients get no ``disconnected`` frame."""

    def ack(self, ack_id: int, error: ErrorDetail | None) -> None:
        """Return nothing: simple clients get no acks."""

    def invoke_response(self, invocation_id: str, result: Payload | ErrorDetail | None) -> None:
        """Return nothing: simple clients invoke nothing."""

    def stream_closed(self, stream_id: str, error: ErrorDetail) -> None:
        """Return nothing: simple clients open no streams."""

    def pong(self) -> None:
        """Return nothing: simple clients send no pings."""

    def message(self, message: OutgoingMessage) -> _EncodedMessage:
        """Return the bare body: a text frame for text and JSON, a binary frame for binary and protobuf."""
        is_text = message.payload.data_type in {DataType.TEXT, DataType.JSON}
        return _EncodedMessage(Frame(message.payload.body, is_text=is_text))


def simple_protocol(query: Query) -> SimpleProtocol:
    """Return the simple protocol in the mode that a client's query asks for; of repeated parameters the last counts.

    An empty mode counts as absent, and in the mode ``sendEvent`` the other parameters are ignored, as in Microsoft's
    emulator.

    Raises:
        SimpleModeError: when the mode, its group or its noEcho is not valid.
    """
    mode = last_value(query, "webpubsub_mode")
    if not mode or mode.lower() == "sendevent":
        return SimpleProtocol()
    if mode.lower() != "sendtogroup":
        raise SimpleModeError("webpubsub_mode must be sendEvent or sendToGroup.")
    group = last_value(query, "group")
    if group is None or not names.is_group(group):
        raise SimpleModeError("webpubsub_mode=sendToGroup needs a valid group parameter.")
    no_echo = (last_value(query, "noEcho") or "false").lower()
    if no_echo not in {"true", "false"}:
        raise SimpleModeError("noEcho must be true or false.")
    return SimpleProtocol(group, is_echoed=no_echo == "false")
