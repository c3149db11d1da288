"""The connection state: what the service keeps for a connection between its events."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from webpubsub_handler.exceptions import ConnectionStateError
from webpubsub_handler.protocol import strict_json

__all__ = ["MAX_STATE_LENGTH", "ConnectionState"]

# Front ends refuse requests whose headers reach 16 to 32 KiB in all, and the state travels with every event.
MAX_STATE_LENGTH: Final = 8192


class ConnectionState(MutableMapping[str, Any]):
    """A mapping of names to JSON values, carried as base64 of a JSON object in ``ce-connectionState``.

    It is read when first used. The answer of a blocking event carries it only if it changed; ``clear()`` really
    clears it (the service then keeps an empty object). A value in another format reads as empty and is kept until the
    state is changed here.

    Args:
        raw: The header as received.
        is_read_only: Whether the event is a notification, whose answer carries no state; setting it then raises
            ``ConnectionStateError``.
    """

    __slots__ = ("_entries", "_is_read_only", "_original", "_touched", "raw")

    def __init__(self, raw: str | None = None, *, is_read_only: bool = False) -> None:
        self.raw = raw
        self._is_read_only = is_read_only
        self._entries: dict[str, Any] | None = None
        self._original: str | None = None
        self._touched = False

    @property
    def is_foreign(self) -> bool:
        """Return whether the service holds a value that is not a JSON object in base64."""
        self._read()
        return bool(self.raw) and self._original is None

    def encode(self) -> str | None:
        """Return the header value for the answer, or None when there is nothing new to keep.

        Raises:
            ConnectionStateError: A value is not JSON, or the whole is longer than 8,192 characters.
        """
        if self._entries is None:
            return None
        try:
            text = _to_json(self._entries)
        except (TypeError, ValueError, RecursionError) as error:
            raise ConnectionStateError(f"connection state must be JSON: {error}") from error
        if strict_json.is_deep(text.encode()):
            raise ConnectionStateError(f"connection state is nested deeper than {strict_json.MAX_DEPTH} levels")
        # Compared as text, so that a change in a nested list counts. A foreign value has no text to compare with: only
        # a write replaces it.
        unchanged = not self._touched if self.is_foreign else text == (self._original or "{}")
        if unchanged:
            return None
        encoded = base64.b64encode(text.encode()).decode()
        if len(encoded) > MAX_STATE_LENGTH:
            raise ConnectionStateError(
                f"connection state takes {len(encoded)} characters in its header, {MAX_STATE_LENGTH} fit: "
                "keep an id in it and the rest in a store"
            )
        return encoded

    def _read(self) -> dict[str, Any]:
        if self._entries is None:
            self._entries = _from_base64(self.raw) if self.raw else {}
            if self._entries is None:
                # In another format, such as the .NET library's: to write it back half understood would destroy it.
                self._entries = {}
            elif self.raw:
                # Written again here: the sender's spaces and escapes must not look like a change.
                self._original = _to_json(self._entries)
        return self._entries

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._check_writable()
        self._read()[key] = value
        self._touched = True

    def __delitem__(self, key: str) -> None:
        self._check_writable()
        del self._read()[key]
        self._touched = True

    def clear(self) -> None:
        """Forget every entry, also those of a foreign value."""
        self._check_writable()
        self._read().clear()
        self._touched = True

    def _check_writable(self) -> None:
        if self._is_read_only:
            raise ConnectionStateError(
                "connection state can be set in connect and user events only: the service takes none from the answer "
                "to a notification (connected, disconnected, joined, left)"
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"ConnectionState({self._read()!r})"


def _to_json(entries: dict[str, Any]) -> str:
    return json.dumps(entries, separators=(",", ":"), allow_nan=False)


def _from_base64(raw: str) -> dict[str, Any] | None:
    try:
        value = strict_json.parse(base64.b64decode(raw, validate=True))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
