"""What bounds clients in time and in bytes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClientLimits"]


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """The bounds of every client; times are in seconds.

    Acks and upgrades are ``ack_delay`` late. A reliable connection waits ``recovery_timeout`` for its client to come
    back. A client must answer a ping each ``ping_interval``. ``outgoing_buffer_bytes`` may wait for one that does not
    read.
    """

    ack_delay: float
    recovery_timeout: float
    ping_interval: float
    outgoing_buffer_bytes: int
