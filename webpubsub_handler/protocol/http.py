"""One HTTP message as plain data, so that any web framework can carry it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Headers", "HttpRequest", "HttpResponse"]


class Headers:
    """The header fields of one message: names without case, repeated fields kept in order."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name.lower(), []).append(value)

    def get(self, name: str) -> str | None:
        """Return the value of a field, repeated fields joined by a comma (RFC 9110 5.2), or None."""
        # Repeated fields occur: tunnels write one for each signature, and the first alone may be the wrong one.
        values = self._fields.get(name.lower())
        if values is None:
            return None
        return values[0] if len(values) == 1 else ", ".join(values)

    def get_list(self, name: str) -> list[str]:
        """Return the members of a comma-separated field over all of its lines, without empty ones."""
        values = self._fields.get(name.lower(), ())
        return [member for value in values for part in value.split(",") if (member := part.strip())]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Iterate over the fields as (lower-case name, value), one pair per line."""
        return ((name, value) for name, values in self._fields.items() for value in values)

    def __repr__(self) -> str:
        # Values can be secrets (Authorization, cookies): a log of a request shows the names alone.
        return f"Headers({', '.join(self._fields)})"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as the event handler needs it: method, header fields, body bytes."""

    method: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer: status, header fields (each name once), body bytes."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def text(cls, status: int, text: str) -> HttpResponse:
        """Make an answer of plain text."""
        return cls(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode(errors="replace"))
