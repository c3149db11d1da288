"""The parameters of a URL's query; their names are case-insensitive, as in ASP.NET Core and so in the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

__all__ = ["Query", "all_values", "last_value", "parse_query"]

Query = Mapping[str, Sequence[str]]
"""The values of each parameter, in order, by its name as it was written."""


def parse_query(text: str) -> Query:
    """Return the parameters in the part of a URL after ``?``; the value of one without ``=`` is empty."""
    return parse_qs(text, keep_blank_values=True)


def all_values(query: Query, name: str) -> list[str]:
    """Return all values of a parameter; none when it is not given."""
    wanted = name.lower()
    return [value for key, given in query.items() if key.lower() == wanted for value in given]


def last_value(query: Query, name: str) -> str | None:
    """Return the value of a parameter, the last one of several; ``None`` when it is not given."""
    given = all_values(query, name)
    return given[-1] if given else None
