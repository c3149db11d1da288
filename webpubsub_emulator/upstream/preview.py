"""How times and bodies are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["PREVIEW_BYTES", "Clock", "ids", "iso", "preview", "snippet"]

PREVIEW_BYTES: Final = 4096
_SNIPPET_BYTES: Final = 160
_HEX_BYTES: Final = 256
_TEXT_MEMBERS: Final = ("text", "data", "message")
_ID_BYTES: Final = 1024
_ID: Final = re.compile(rb'"(?:id|key|messageId)"\s*:\s*"([\w.:-]{1,128})"')
Clock = Callable[[], datetime]


def iso(time: datetime) -> str:
    """ISO 8601 in UTC, with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def preview(body: bytes, size: int) -> dict[str, Any]:
    """Return the beginning of a body of ``size`` bytes: its text, or the bytes in hex if it is not text."""
    text = _text(body)
    if text is not None:
        return {"size": size, "text": text, "isHex": False, "isCut": len(text.encode()) < size}
    return {"size": size, "text": body[:_HEX_BYTES].hex(" "), "isHex": True, "isCut": size > _HEX_BYTES}


def snippet(body: bytes) -> str:
    """Return as much of a body as one line of a list can show: of a JSON envelope, the text in it."""
    text = _text_in_json(body)
    return text[:_SNIPPET_BYTES] if text is not None else str(preview(body[:_SNIPPET_BYTES], len(body))["text"])


def ids(body: bytes) -> list[str]:
    """Return the id and key at the beginning of a JSON body, by which a message can be found."""
    return [match.decode() for match in _ID.findall(body[:_ID_BYTES])] if body[:1] == b"{" else []


def _text_in_json(body: bytes) -> str | None:
    """Return a JSON string's value, or that of an object's member such as ``text``; ``None`` without one."""
    if body[:1] not in {b"{", b'"'} or len(body) > PREVIEW_BYTES:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = next((value[name] for name in _TEXT_MEMBERS if isinstance(value.get(name), str)), None)
    return value if isinstance(value, str) else None


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        # The end of a preview may cut a character in two.
        is_cut = error.start >= len(body) - 3 and error.reason == "unexpected end of data"
        return body[: error.start].decode() if is_cut else None
