"""What lets a client of a reliable subprotocol come back to its connection on another socket. Plain Python.

Source: MicrosoftDocs ``howto-develop-reliable-clients``; the limits and the numbering from Microsoft's emulator.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Iterator
from typing import Final

from webpubsub_emulator.core.client_protocol import EncodedMessage
from webpubsub_emulator.core.frames import Frame

__all__ = ["MAX_UNACKNOWLEDGED_BYTES", "MAX_UNACKNOWLEDGED_MESSAGES", "Recovery"]

MAX_UNACKNOWLEDGED_MESSAGES: Final = 1000
MAX_UNACKNOWLEDGED_BYTES: Final = 16_000_000


class Recovery:
    """A reconnection token and the messages that the client has not acknowledged, numbered from 1.

    Messages are kept in the form that all receivers share, and numbered whenever they are sent.
    """

    __slots__ = ("_bytes", "_last_id", "_messages", "token")

    def __init__(self, token: str) -> None:
        """``token`` is the secret that proves that a client had the connection before."""
        self.token: Final = token
        self._messages: deque[EncodedMessage] = deque()
        self._bytes = 0
        self._last_id = 0

    def admits(self, token: str) -> bool:
        """Return whether ``token`` is the connection's own."""
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    def keep(self, message: EncodedMessage) -> Frame | None:
        """Assign a number to a message and keep it until it is acknowledged; return ``None`` when there is no space."""
        size = self._bytes + len(message.frame.wire)
        if len(self._messages) >= MAX_UNACKNOWLEDGED_MESSAGES or size > MAX_UNACKNOWLEDGED_BYTES:
            return None
        self._last_id += 1
        self._bytes = size
        self._messages.append(message)
        return message.numbered(self._last_id)

    def acknowledge(self, sequence_id: int) -> None:
        """Forget all messages up to ``sequence_id``; an id acknowledged before changes nothing."""
        for _ in range(min(sequence_id, self._last_id) - self._first_id + 1):
            self._bytes -= len(self._messages.popleft().frame.wire)

    def __iter__(self) -> Iterator[Frame]:
        """Return the frames that a returning client must get again, in order and byte for byte."""
        for sequence_id, message in enumerate(tuple(self._messages), self._first_id):
            yield message.numbered(sequence_id)

    @property
    def _first_id(self) -> int:
        return self._last_id - len(self._messages) + 1
