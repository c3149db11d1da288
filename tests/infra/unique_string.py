"""The names that Azure's templates make up: ``uniqueString`` is MurmurHash3 (x86, 64 bits) in base 32."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["unique_string"]

_C1: Final = 0x239B961B
_C2: Final = 0xAB0E9789
_DIGITS: Final = "abcdefghijklmnopqrstuvwxyz234567"


def unique_string(*parts: str) -> str:
    """Return 13 letters and digits that follow from some texts."""
    value = _hash("-".join(parts).encode())
    return "".join(_DIGITS[(value << 5 * at & 0xFFFFFFFFFFFFFFFF) >> 59] for at in range(13))


def _hash(data: bytes) -> int:
    one = two = 0
    whole = len(data) // 8 * 8
    for first, second in struct.iter_unpack("<II", data[:whole]):
        one = _rotate(one ^ _scramble(first, _C1, 15, _C2), 19)
        one = (one + two) * 5 + 0x561CCD1B & 0xFFFFFFFF
        two = _rotate(two ^ _scramble(second, _C2, 17, _C1), 13)
        two = (two + one) * 5 + 0x0BCAA747 & 0xFFFFFFFF
    rest = data[whole:]
    if len(rest) > 4:
        two ^= _scramble(int.from_bytes(rest[4:], "little"), _C2, 17, _C1)
    if rest:
        one ^= _scramble(int.from_bytes(rest[:4], "little"), _C1, 15, _C2)
    one, two = _mix(one ^ len(data), two ^ len(data))
    one, two = _mix(_finish(one), _finish(two))
    return two << 32 | one


def _scramble(part: int, before: int, by: int, after: int) -> int:
    return _rotate(part * before & 0xFFFFFFFF, by) * after & 0xFFFFFFFF


def _mix(one: int, two: int) -> tuple[int, int]:
    one = one + two & 0xFFFFFFFF
    return one, two + one & 0xFFFFFFFF


def _finish(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def _rotate(value: int, by: int) -> int:
    return (value << by | value >> 32 - by) & 0xFFFFFFFF
