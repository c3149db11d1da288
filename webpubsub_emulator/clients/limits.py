"""The limits of clients, in time and in bytes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClientLimits"]


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """The limits of every client; times are in seconds.

    Acks and upgrades are delayed by ``ack_delay``. A reliable connection waits ``recovery_timeout`` for its client to
    come back. A client must answer a ping every ``ping_interval``. At most ``outgoing_buffer_bytes`` wait for a client
    that does not read.
    """

    ack_delay: float
    recovery_timeout: float
    ping_interval: float
    outgoing_buffer_bytes: int
