"""Route templates as the Functions host reads them (ASP.NET Core's, literals without case)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

__all__ = ["Route", "RouteError", "decode_path"]

_PARAMETER: Final = re.compile(
    r"\{(?P<star>\*{0,2})(?P<name>[A-Za-z_]\w*)(?P<constraints>(?::[^{}?]+)*)(?P<optional>\??)\}"
)
_CONSTRAINTS: Final = {
    "int": r"-?\d{1,10}",
    "long": r"-?\d{1,19}",
    "alpha": r"[A-Za-z]+",
    "bool": r"(?i:true|false)",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}


class RouteError(ValueError):
    """Raised when a template cannot be a route; the text names the fix."""


@dataclass(frozen=True, slots=True)
class Route:
    """A template and what it matches."""

    template: str
    pattern: re.Pattern[str]

    @classmethod
    def compile(cls, template: str) -> Route:
        """Read a template such as ``demo/{*file}`` or ``eventhandler/{event?}``, prefix included.

        Raises:
            RouteError: It has a parameter twice, or a part that the stand-in does not know.
        """
        segments = [segment for segment in template.strip("/").split("/") if segment]
        names = [found["name"].lower() for found in _PARAMETER.finditer(template)]
        if len(set(names)) != len(names):
            raise RouteError(f"the route {template!r} has a parameter twice")
        parts = [_segment(segment, template) for segment in segments]
        return cls(template, re.compile("".join(parts) + "/?", re.IGNORECASE | re.DOTALL))

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the route's parameters for a decoded path, without the absent ones, or None."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        return {name: value for name, value in found.groupdict().items() if value}


def decode_path(raw_path: str) -> str:
    """Undo percent-encoding except for an encoded slash, which stays three characters."""
    return "%2F".join(unquote(part) for part in re.split("%2[fF]", raw_path))


def _segment(segment: str, template: str) -> str:
    whole = _PARAMETER.fullmatch(segment)
    if whole and whole["star"]:
        return f"(?:/(?P<{whole['name']}>.*))?"
    if whole and whole["optional"]:
        return f"(?:/(?P<{whole['name']}>{_value(whole['constraints'], template)}))?"
    pattern, end = "/", 0
    for found in _PARAMETER.finditer(segment):
        pattern += re.escape(segment[end : found.start()])
        pattern += f"(?P<{found['name']}>{_value(found['constraints'], template)})"
        end = found.end()
    rest = segment[end:]
    if "{" in rest or "}" in rest:
        raise RouteError(f"the route {template!r} has a part that is not a parameter: {segment!r}")
    return pattern + re.escape(rest)


def _value(constraints: str, template: str) -> str:
    names = constraints.split(":")[1:]
    if not names:
        return "[^/]+"
    if len(names) > 1 or names[0] not in _CONSTRAINTS:
        known = ", ".join(_CONSTRAINTS)
        raise RouteError(f"the route {template!r} has a constraint that this stand-in does not know; it knows {known}")
    return _CONSTRAINTS[names[0]]
