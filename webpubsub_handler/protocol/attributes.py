"""CloudEvents attributes as HTTP header values: text in, what was meant out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

__all__ = ["decode_text", "mend_text", "parse_time"]

_PERCENT_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")


def decode_text(value: str) -> str:
    """Undo the encoding of a header value that holds more than printable ASCII.

    CloudEvents asks for one round of percent-decoding as UTF-8 (HTTP protocol binding 3.1.3.2). Raw UTF-8, which
    servers hand over as Latin-1, is repaired, too. What is neither stays as it came, without lone surrogates.
    """
    if not value.isascii() or not _PERCENT_ENCODED.search(value):
        return mend_text(value)
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        return value


def mend_text(value: str) -> str:
    """Read raw UTF-8 that a server handed over as Latin-1; what is none stays, without lone surrogates."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    except UnicodeDecodeError:
        return value


def parse_time(value: str) -> datetime:
    """Read an event's time: RFC 3339 as the service sends it, or an HTTP date; without a zone it is UTC.

    Raises:
        ValueError: The text is neither, or no year of 1 to 9999 holds it.
    """
    try:
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            time = parsedate_to_datetime(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error
