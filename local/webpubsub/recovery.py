"""What lets a client of a reliable subprotocol come back to its connection on another socket. Plain Python.

Source: MicrosoftDocs `howto-develop-reliable-clients`; the limits and the numbering from Microsoft's emulator.
"""

import hmac
from collections import deque
from collections.abc import Iterator
from typing import Final

from local.webpubsub.client_protocol import EncodedMessage
from local.webpubsub.frames import Frame

MAX_UNACKNOWLEDGED_MESSAGES: Final = 1000
MAX_UNACKNOWLEDGED_BYTES: Final = 16_000_000


class Recovery:
    """A reconnection token and the messages that the client has not acknowledged, numbered from 1."""

    __slots__ = ("_bytes", "_frames", "_last_id", "token")

    def __init__(self, token: str) -> None:
        """`token` is the secret that proves a client to be the one that had the connection."""
        self.token: Final = token
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._last_id = 0

    def admits(self, token: str) -> bool:
        """Whether `token` is the connection's own."""
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    def keep(self, message: EncodedMessage) -> Frame | None:
        """Number a message and keep it until it is acknowledged; `None` when there is no room left for it."""
        frame = message.numbered(self._last_id + 1)
        size = self._bytes + len(frame.data)
        if len(self._frames) >= MAX_UNACKNOWLEDGED_MESSAGES or size > MAX_UNACKNOWLEDGED_BYTES:
            return None
        self._last_id += 1
        self._bytes = size
        self._frames.append(frame)
        return frame

    def acknowledge(self, sequence_id: int) -> None:
        """Forget all messages up to `sequence_id`; an id acknowledged before changes nothing."""
        first_id = self._last_id - len(self._frames) + 1
        for _ in range(min(sequence_id, self._last_id) - first_id + 1):
            self._bytes -= len(self._frames.popleft().data)

    def __iter__(self) -> Iterator[Frame]:
        """What a client that comes back must get again, in order and byte for byte."""
        return iter(tuple(self._frames))
