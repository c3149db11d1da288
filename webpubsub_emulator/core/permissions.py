"""What one connection may do with groups: rights from roles, from REST grants and from REST revocations.

Sources: MicrosoftDocs ``concept-client-protocols`` (roles), ``concept-wildcard-group-roles`` (patterns); precedence of
a revocation and the limit of rules from Microsoft's emulator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

__all__ = ["MAX_RULES", "GroupRights", "Permission", "TooManyRulesError"]

MAX_RULES: Final = 1000
_MAX_STARS: Final = 5
_STARS: Final = frozenset({"*", "**"})


class Permission(StrEnum):
    """A right on groups; the values are those of the REST API and of the roles."""

    SEND_TO_GROUP = "sendToGroup"
    JOIN_LEAVE_GROUP = "joinLeaveGroup"


class TooManyRulesError(Exception):
    """A connection cannot hold more than ``MAX_RULES`` grants and revocations of one permission."""


class GroupRights:
    """One permission of one connection: for all groups, or by name or pattern, but never for revoked groups."""

    __slots__ = ("_all", "_granted", "_patterns", "_revoked")

    def __init__(self, permission: Permission, roles: Iterable[str]) -> None:
        """Read the rights from ``roles``; other roles are ignored."""
        role = f"webpubsub.{permission}"
        self._all = False
        self._granted: set[str] = set()
        self._revoked: set[str] = set()
        self._patterns: list[tuple[str, ...]] = []
        for name in roles:
            if name == role:
                self._all = True
            elif name.startswith(f"{role}."):
                self._granted.add(name[len(role) + 1 :])
            elif name.startswith(f"{role}s.") and (pattern := _pattern(name[len(role) + 2 :])):
                self._patterns.append(pattern)

    def allows(self, group: str) -> bool:
        """Return whether the right holds for ``group``."""
        if group in self._revoked:
            return False
        return self._all or group in self._granted or any(_matches(pattern, group) for pattern in self._patterns)

    def grant(self, group: str) -> None:
        """Grant the right on one group."""
        self._revoked.discard(group)
        self._check_limit(group)
        self._granted.add(group)

    def revoke(self, group: str) -> None:
        """Revoke the right on one group; this overrides roles until the right is granted again."""
        self._granted.discard(group)
        self._check_limit(group)
        self._revoked.add(group)

    def _check_limit(self, group: str) -> None:
        rules = len(self._granted) + len(self._revoked)
        if rules >= MAX_RULES and group not in self._granted and group not in self._revoked:
            raise TooManyRulesError


def _pattern(text: str) -> tuple[str, ...] | None:
    r"""Return the parts of a pattern; ``None`` when it has too many stars.

    ``?`` is one character except a dot, ``*`` a run of them, ``**`` a run of anything, ``\\`` takes the next one
    literally.
    """
    parts = tuple(re.findall(r"\\.|\*\*|.", text, re.DOTALL))
    return parts if sum(part.count("*") for part in parts if part in _STARS) <= _MAX_STARS else None


def _matches(parts: tuple[str, ...], group: str) -> bool:
    """Return whether a pattern matches all of ``group``; not by a regular expression, as clients choose the pattern."""
    reached = _past_stars(parts, {0})
    for character in group:
        taking = [place for place in reached if place < len(parts) and _takes(parts[place], character)]
        reached = _past_stars(parts, {place if parts[place] in _STARS else place + 1 for place in taking})
    return len(parts) in reached


def _takes(part: str, character: str) -> bool:
    match part:
        case "**":
            return True
        case "*" | "?":
            return character != "."
        case _:
            return part[-1] == character


def _past_stars(parts: tuple[str, ...], reached: set[int]) -> set[int]:
    """Return the places reached, and those after stars that match nothing."""
    places = set(reached)
    for place in reached:
        while place < len(parts) and parts[place] in _STARS:
            place += 1  # noqa: PLW2901 - it walks on from each place
            places.add(place)
    return places
