"""JSON as every reader understands it: RFC 8259 in UTF-8, finite numbers, a bounded depth."""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

__all__ = ["MAX_DEPTH", "is_deep", "parse"]

MAX_DEPTH: Final = 128

# Possessive (`++`, `*+`) and with an optional end, so that no text makes it go back over what it has seen: a plain
# `*` would try every place where a string without an end could stop.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(set(range(256)) - set(_STEPS))
_START: Final = 4096


def parse(text: bytes) -> Any:
    """Return the value of a JSON text.

    NaN and Infinity are refused: they are not JSON, so other readers could not read them. 1e999 would become Infinity.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
        ValueError: It is not JSON, or arrays and objects are nested deeper than 128 levels.
    """
    # Python's own bound differs between versions, and reaching it is not safe in all of them.
    if is_deep(text):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    # Decoded here, as json.loads would guess UTF-16 and UTF-32 from bytes.
    return json.loads(text.decode(), parse_constant=_refuse_constant, parse_float=_finite)


def is_deep(text: bytes) -> bool:
    """Return whether arrays and objects of a JSON text are nested deeper than 128 levels."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    # The start first: a text made to be deep usually is so from there, and need not be read to its end.
    return _reaches_depth(text[:_START]) or _reaches_depth(text)


def _reaches_depth(text: bytes) -> bool:
    # Brackets inside strings do not count. A string that the text cuts off ends with it.
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    depths = accumulate(map(_STEPS.__getitem__, brackets))
    return any(map(MAX_DEPTH.__lt__, depths))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number
