"""One message to clients, as the traffic view shows it: what, to whom, how many got it, and every try. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from webpubsub_emulator.core.hub import Delivery
from webpubsub_emulator.upstream.preview import PREVIEW_BYTES, ids, iso, preview, snippet

__all__ = ["Delivered"]

# Roughly, what an entry holds in addition to the body.
_ENTRY_BYTES: Final = 1024
_TRY_BYTES: Final = 128


class Delivered:
    """A message of the application server, or of a client, to clients. All tries of a REST call are one entry."""

    # A broadcast to thousands is one of these; bodies are kept by their beginning.
    __slots__ = (
        "body", "body_size", "connection_id", "counted", "data_type", "hub", "id", "metadata", "problem", "receivers",
        "target", "time", "tries", "user_id",
    )  # fmt: skip

    def __init__(self, delivery: Delivery, at: datetime) -> None:
        """``id`` is set by the traffic that keeps it."""
        self.id = self.counted = 0
        self.time = at
        self.hub = delivery.hub
        self.target = delivery.target
        self.connection_id = delivery.sender.connection_id if delivery.sender is not None else None
        self.user_id = delivery.sender.user_id if delivery.sender is not None else None
        self.tries: list[tuple[datetime, str | None]] = []
        self.tried(delivery, at)

    def tried(self, delivery: Delivery, at: datetime) -> None:
        """Keep one more try; its outcome is the outcome of the entry."""
        self.tries.append((at, delivery.problem))
        self.problem = delivery.problem
        self.receivers = delivery.receivers
        payload = delivery.payload
        self.data_type = payload.data_type if payload is not None else None
        self.metadata = payload.metadata if payload is not None else {}
        self.body = payload.body[:PREVIEW_BYTES] if payload is not None else b""
        self.body_size = len(payload.body) if payload is not None else 0

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        metadata = sum(len(key) + len(value) for key, value in self.metadata.items())
        return _ENTRY_BYTES + len(self.body) + len(self.target) + metadata + _TRY_BYTES * len(self.tries)

    def summary(self) -> dict[str, Any]:
        """Return what a list shows of it; without a connection, it came from a REST call."""
        return {
            "id": self.id,
            "kind": "delivery",
            "time": iso(self.time),
            "hub": self.hub,
            "connectionId": self.connection_id,
            "userId": self.user_id,
            "target": self.target,
            "receivers": self.receivers,
            "state": "ok" if self.problem is None else "failed",
            "problem": self.problem,
            "attempts": len(self.tries),
            "dataType": self.data_type,
            "snippet": snippet(self.body),
            "ids": ids(self.body),
        }

    def details(self) -> dict[str, Any]:
        """All of it, with the beginning of the body."""
        return {
            **self.summary(),
            "metadata": list(self.metadata.items()),
            "body": preview(self.body, self.body_size),
            "tries": [{"time": iso(at), "problem": problem} for at, problem in self.tries],
        }
