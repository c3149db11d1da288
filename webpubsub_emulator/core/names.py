"""The rules for names: hub, group, event and metadata.

Sources: the data-plane REST specification (hub, group) and Microsoft's emulator (event, metadata).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = [
    "MAX_METADATA_BYTES",
    "MAX_METADATA_KEY_BYTES",
    "MAX_METADATA_VALUE_BYTES",
    "is_event",
    "is_group",
    "is_hub",
    "is_unicode",
    "metadata_problem",
]

MAX_METADATA_KEY_BYTES: Final = 256
MAX_METADATA_VALUE_BYTES: Final = 1024
MAX_METADATA_BYTES: Final = 8 * 1024

_HUB: Final = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
_GROUP: Final = re.compile(r"(?!\s+\Z).{1,1024}", re.DOTALL)
_EVENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_METADATA_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


def is_hub(name: str) -> bool:
    """Return whether ``name`` may name a hub: a letter first, 1 to 128 characters."""
    return _HUB.fullmatch(name) is not None


def is_group(name: str) -> bool:
    """Return whether ``name`` may name a group: 1 to 1024 characters, not only white space, expressible in UTF-8."""
    return _GROUP.fullmatch(name) is not None and is_unicode(name)


def is_event(name: str) -> bool:
    """Return whether ``name`` may name a user event: 1 to 128 characters, case-insensitive."""
    return _EVENT.fullmatch(name) is not None


def is_unicode(text: str) -> bool:
    """Return whether ``text`` can be written as UTF-8: a JSON escape can contain half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def metadata_problem(metadata: Mapping[str, str]) -> str | None:
    """Return what is wrong with a message's metadata, as a sentence; ``None`` when it may travel."""
    total = 0
    for key, value in metadata.items():
        if not _TOKEN.fullmatch(key) or len(key) > MAX_METADATA_KEY_BYTES:
            return f"A metadata key must be an HTTP token of at most {MAX_METADATA_KEY_BYTES} bytes."
        if not _METADATA_VALUE.fullmatch(value) or len(value) > MAX_METADATA_VALUE_BYTES:
            return f"A metadata value must be printable ASCII of at most {MAX_METADATA_VALUE_BYTES} bytes."
        total += len(key) + len(value)
    return None if total <= MAX_METADATA_BYTES else f"Metadata must not exceed {MAX_METADATA_BYTES} bytes in total."
