"""The wire format of Protocol Buffers, in the few lines that tests need to write messages without the library."""


def field(number: int, value: int | str | bytes) -> bytes:
    """One field: integers as varints, the rest with a length before it."""
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
