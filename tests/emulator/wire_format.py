"""Bytes as the wire carries them, written without the libraries that are under test."""

from __future__ import annotations

import struct

TEXT, BINARY, UNKNOWN, CLOSE, PING = 1, 2, 3, 8, 9


def wire(opcode: int, data: bytes, *, flags: int = 0x80, mask: int = 0x80) -> bytes:
    """A WebSocket frame of a client with a mask that changes nothing; ``flags`` are FIN and the reserved bits."""
    if len(data) < 126:
        head = struct.pack("!BB", flags | opcode, mask | len(data))
    else:
        head = struct.pack("!BBQ", flags | opcode, mask | 127, len(data))
    return head + (b"\0" * 4 if mask else b"") + data


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a Protocol Buffers message: integers as varints, the rest with a length before it."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])
