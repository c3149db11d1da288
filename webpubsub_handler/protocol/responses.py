"""What an event handler may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webpubsub_handler.protocol.events import DataType

__all__ = ["ConnectEventResponse", "EventErrorResponse", "UserEventResponse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectEventResponse:
    """Accepts a connection; what is None stays as the client's token and the service have it.

    ``subprotocol`` must be one that the client offered.
    """

    user_id: str | None = None
    groups: Sequence[str] | None = None
    roles: Sequence[str] | None = None
    subprotocol: str | None = None


@dataclass(frozen=True, slots=True)
class UserEventResponse:
    """A reply to the sender alone. Without a ``data_type`` it follows the data: str, bytes, else JSON."""

    data: Any
    data_type: DataType | None = None


@dataclass(frozen=True, slots=True)
class EventErrorResponse:
    """Refuses an event with an HTTP status of 400 to 599.

    A client that connects sees status and message of a 4xx. A refused user event closes a plain WebSocket client.
    The service delivers again after a 5xx. So a user's mistake is better answered with a ``UserEventResponse``.
    """

    status: int
    message: str = ""

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"an error's status is 400 to 599, not {self.status}")
