"""What a client may say and what a codec must be able to write: the seam between a socket and a subprotocol."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from local.webpubsub.messages import Payload


class Frame(NamedTuple):
    """One WebSocket frame to a client: its bytes, and whether they are a text frame."""

    data: bytes
    is_text: bool


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
class Ping:
    """A client asks for a pong."""


ClientRequest = JoinGroup | LeaveGroup | SendToGroup | UserEvent
ClientFrame = ClientRequest | Ping


@dataclass(frozen=True, slots=True)
class AckError:
    """Why a request of a client failed; `name` is one of the protocol's error names."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to clients; from a group's member when `group` is set, else from the server."""

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None


class ClientProtocolError(ValueError):
    """A frame that the protocol does not allow; the socket is closed with `close_code`."""

    def __init__(self, reason: str, *, close_code: int = 1007) -> None:
        """Keep the close code beside the reason."""
        super().__init__(reason)
        self.close_code = close_code


class ClientProtocol(Protocol):
    """A codec without I/O. Codecs of one `dialect` write the same bytes, so a broadcast encodes once a dialect."""

    @property
    def dialect(self) -> str:
        """What names the way this codec writes."""

    @property
    def closes_on_failure(self) -> bool:
        """Whether a failed request closes the socket, as the protocol has no other way to say so."""

    def decode(self, frame: str | bytes) -> ClientFrame:
        """What the client said.

        Raises:
            ClientProtocolError: when the frame is not allowed.
        """

    def connected(self, connection_id: str, user_id: str | None) -> Frame | None:
        """The greeting, if the protocol has one."""

    def disconnected(self, message: str) -> Frame | None:
        """The farewell before the server closes, if the protocol has one."""

    def ack(self, ack_id: int, error: AckError | None) -> Frame | None:
        """The answer to a request with an `ackId`."""

    def pong(self) -> Frame | None:
        """The answer to a ping."""

    def message(self, message: OutgoingMessage) -> Frame:
        """A message to the client."""
