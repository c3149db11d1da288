"""One message that went to clients, as people want to see it. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from webpubsub_emulator.core.hub import Delivery
from webpubsub_emulator.upstream.preview import PREVIEW_BYTES, iso, preview, snippet

__all__ = ["Delivered"]

# What an entry holds beside the body, as a round figure.
_ENTRY_BYTES: Final = 1024


class Delivered:
    """A message of the application server or of a client to other clients: what, to whom, and how many got it."""

    # A broadcast to thousands is one of these; bodies are kept by their beginning.
    __slots__ = (
        "body", "body_size", "connection_id", "counted", "data_type", "hub", "id", "metadata", "receivers", "target",
        "time", "user_id",
    )  # fmt: skip

    def __init__(self, delivery: Delivery, at: datetime) -> None:
        """``id`` is the keeper's to set."""
        self.id = self.counted = 0
        self.time = at
        self.hub = delivery.hub
        self.target = delivery.target
        self.receivers = delivery.receivers
        self.connection_id = delivery.sender and delivery.sender.connection_id
        self.user_id = delivery.sender and delivery.sender.user_id
        self.data_type = delivery.payload.data_type
        self.metadata = delivery.payload.metadata
        self.body = delivery.payload.body[:PREVIEW_BYTES]
        self.body_size = len(delivery.payload.body)

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        metadata = sum(len(key) + len(value) for key, value in self.metadata.items())
        return _ENTRY_BYTES + len(self.body) + len(self.target) + metadata

    def summary(self) -> dict[str, Any]:
        """Return what a list shows of it; without a connection it came by a REST call."""
        return {
            "id": self.id,
            "kind": "delivery",
            "time": iso(self.time),
            "hub": self.hub,
            "connectionId": self.connection_id,
            "userId": self.user_id,
            "target": self.target,
            "receivers": self.receivers,
            "dataType": self.data_type,
            "snippet": snippet(self.body),
        }

    def details(self) -> dict[str, Any]:
        """All of it, the body by its beginning."""
        return {
            **self.summary(),
            "metadata": list(self.metadata.items()),
            "body": preview(self.body, self.body_size),
        }
