"""WebSocket frames to clients, RFC 6455 §5.2: whole, unmasked, framed once however many sockets they go to."""

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_TEXT: Final = 0x81
_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_MAX_CLOSE_TEXT_BYTES: Final = 123


@dataclass(frozen=True)
class Frame:
    """One frame to a client: its bytes, and whether they are a text frame."""

    data: bytes
    is_text: bool

    @cached_property
    def wire(self) -> bytes:
        """The frame as the socket carries it."""
        return _framed(_TEXT if self.is_text else _BINARY, self.data)


def close_frame(code: int, text: str) -> bytes:
    """A close frame as the socket carries it, with as much of `text` as it can hold and no half characters."""
    reason = text.encode(errors="replace")[:_MAX_CLOSE_TEXT_BYTES].decode(errors="ignore").encode()
    return _framed(_CLOSE, struct.pack("!H", code) + reason)


def _framed(first_byte: int, data: bytes) -> bytes:
    length = len(data)
    if length < 126:
        return struct.pack("!BB", first_byte, length) + data
    if length < 2**16:
        return struct.pack("!BBH", first_byte, 126, length) + data
    return struct.pack("!BBQ", first_byte, 127, length) + data
