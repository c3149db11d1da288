"""WebSocket frames to clients, RFC 6455 §5.2: whole, unmasked, framed once for all sockets they go to."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["Frame", "close_frame"]

_TEXT: Final = 0x81
_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_HEADER_BYTES: Final = {126: 4, 127: 10}
_MAX_CLOSE_TEXT_BYTES: Final = 123


class Frame:
    """One frame to a client, as the socket carries it."""

    __slots__ = ("wire",)

    def __init__(self, data: bytes, *, is_text: bool) -> None:
        """Frame ``data``."""
        self.wire: Final = _framed(_TEXT if is_text else _BINARY, data)

    @property
    def data(self) -> bytes:
        """The data in the frame."""
        return self.wire[_HEADER_BYTES.get(self.wire[1], 2) :]

    @property
    def is_text(self) -> bool:
        """Return whether the client gets text."""
        return self.wire[0] == _TEXT


def close_frame(code: int, text: str) -> bytes:
    """Return a close frame as the socket carries it, with as many whole characters of ``text`` as it can hold."""
    reason = text.encode(errors="replace")[:_MAX_CLOSE_TEXT_BYTES].decode(errors="ignore").encode()
    return _framed(_CLOSE, struct.pack("!H", code) + reason)


def _framed(first_byte: int, data: bytes) -> bytes:
    length = len(data)
    if length < 126:
        return struct.pack("!BB", first_byte, length) + data
    if length < 2**16:
        return struct.pack("!BBH", first_byte, 126, length) + data
    return struct.pack("!BBQ", first_byte, 127, length) + data
