"""JSON as it was written (RFC 8259): whether a text is valid, and an object's members cut out of it. No I/O.

Data that is only passed on must not be decoded and encoded: digits, escapes and white space would change on the way.
So a text is checked once, and its parts are passed on as slices of it.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

__all__ = [
    "MAX_JSON_DEPTH",
    "JsonObject",
    "JsonTextError",
    "JsonTooDeepError",
    "check_json",
    "parse_json",
    "parse_json_object",
]

MAX_JSON_DEPTH: Final = 500
# Far more than anybody needs, and far less than the length at which Python refuses to make an integer.
_MAX_INTEGER_DIGITS: Final = 100
_INVALID: Final = "is not valid JSON"
_ESCAPE: Final = re.compile(r"\\.", re.DOTALL)
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)).difference(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_OPENING: Final = re.compile(r"[ \t\n\r]*\{[ \t\n\r]*")
_PLAIN_NAME: Final = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_COLON: Final = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_COMMA: Final = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_CLOSING: Final = re.compile(r"[ \t\n\r]*\}[ \t\n\r]*")


class JsonTextError(ValueError):
    """A text is not the JSON that it must be; the message says why, as the end of a sentence."""


class JsonTooDeepError(JsonTextError):
    """A JSON text is nested more than ``MAX_JSON_DEPTH`` levels deep."""


class JsonObject(dict[str, Any]):
    """The members of an object by name, each with its text; of members with the same name the last counts.

    Numbers are floats, which may have lost digits; the text has them all.
    """

    __slots__ = ("_places", "_text")

    def __init__(self, text: str) -> None:
        """Start without members; ``text`` contains the object."""
        super().__init__()
        self._text = text
        self._places: dict[str, slice] = {}

    def text_of(self, name: str) -> str:
        """Return the value of a member as it was written, without the white space around it."""
        return self._text[self._places[name]]

    def add(self, name: str, value: object, place: slice) -> None:
        """Add a member whose value is at ``place``."""
        self[name] = value
        self._places[name] = place


def check_json(text: str) -> None:
    """Refuse a text that is not one JSON value.

    Raises:
        JsonTextError: for any other text; ``JsonTooDeepError`` for one that is nested too deep.
    """
    _decode(text, _SCANNER)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        JsonTextError: as ``check_json`` does.
    """
    return _decode(text, _READER)


def parse_json_object(text: str) -> JsonObject:
    """Return the members of a JSON text that is an object.

    Raises:
        JsonTextError: as ``check_json`` does, and when the value is not an object.
    """
    _check_depth(text)
    opening = _OPENING.match(text)
    if opening is None:
        check_json(text)
        raise JsonTextError("is not a JSON object")
    try:
        return _members(text, opening.end())
    except ValueError:
        raise JsonTextError(_INVALID) from None


def _members(text: str, place: int) -> JsonObject:
    members = JsonObject(text)
    closing = _CLOSING.match(text, place)
    while closing is None:
        name, start = _name(text, place)
        value, end = _SCANNER.raw_decode(text, start)
        members.add(name, value, slice(start, end))
        comma = _COMMA.match(text, end)
        if comma is not None:
            place = comma.end()
        else:
            closing = _required(_CLOSING, text, end)
    if closing.end() != len(text):
        raise JsonTextError(_INVALID)
    return members


def _name(text: str, place: int) -> tuple[str, int]:
    """Return the name of a member, and where its value begins."""
    plain = _PLAIN_NAME.match(text, place)
    if plain is not None:
        return plain[1], plain.end()
    name, end = _SCANNER.raw_decode(text, place)
    if not isinstance(name, str):
        raise JsonTextError(_INVALID)
    return name, _required(_COLON, text, end).end()


def _required(pattern: re.Pattern[str], text: str, place: int) -> re.Match[str]:
    match = pattern.match(text, place)
    if match is None:
        raise JsonTextError(_INVALID)
    return match


def _decode(text: str, decoder: json.JSONDecoder) -> Any:
    _check_depth(text)
    try:
        return decoder.decode(text)
    except ValueError:
        raise JsonTextError(_INVALID) from None


def _check_depth(text: str) -> None:
    """Refuse what is nested too deep before the decoder recurses into each level.

    Without the escapes, every other part between quotes is outside of the strings. In a text that is not JSON, that is
    true up to the place where the decoder gives up.
    """
    if text.count("[") + text.count("{") <= MAX_JSON_DEPTH:
        return
    parts = (_ESCAPE.sub("", text) if "\\" in text else text).split('"')
    brackets = "".join(parts[::2]).encode(errors="replace").translate(None, _ALL_BUT_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_JSON_DEPTH:
        raise JsonTooDeepError(f"is nested more than {MAX_JSON_DEPTH} levels deep")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


# ``float`` for integers, too: no limit of digits, and no call of a function in Python for each of them.
_SCANNER: Final = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
_READER: Final = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse_constant)
