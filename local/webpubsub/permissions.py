"""What one connection may do with groups: rights from roles, from REST grants and from REST revocations.

Sources: MicrosoftDocs `concept-client-protocols` (roles), `concept-wildcard-group-roles` (patterns); precedence of a
revocation and the limit of rules from Microsoft's emulator.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

MAX_RULES: Final = 1000
_MAX_STARS: Final = 5


class Permission(StrEnum):
    """A right on groups; the values are those of the REST API and of the roles."""

    SEND_TO_GROUP = "sendToGroup"
    JOIN_LEAVE_GROUP = "joinLeaveGroup"


class TooManyRulesError(Exception):
    """A connection cannot hold more than `MAX_RULES` grants and revocations of one permission."""


class GroupRights:
    """One permission of one connection: for all groups, some by name, some by pattern, but never for the revoked."""

    __slots__ = ("_all", "_granted", "_patterns", "_revoked")

    def __init__(self, permission: Permission, roles: Iterable[str]) -> None:
        """Read the rights out of `roles`; roles of other permissions and of other makers are skipped."""
        role = f"webpubsub.{permission}"
        self._all = False
        self._granted: set[str] = set()
        self._revoked: set[str] = set()
        self._patterns: list[re.Pattern[str]] = []
        for name in roles:
            if name == role:
                self._all = True
            elif name.startswith(f"{role}."):
                self._granted.add(name[len(role) + 1 :])
            elif name.startswith(f"{role}s.") and (pattern := _pattern(name[len(role) + 2 :])):
                self._patterns.append(pattern)

    def allows(self, group: str) -> bool:
        """Whether the right holds for `group`."""
        if group in self._revoked:
            return False
        return self._all or group in self._granted or any(p.fullmatch(group) for p in self._patterns)

    def grant(self, group: str) -> None:
        """Give the right on one group."""
        self._revoked.discard(group)
        self._check_room(group)
        self._granted.add(group)

    def revoke(self, group: str) -> None:
        """Take the right on one group away; it beats roles for all groups until it is granted again."""
        self._granted.discard(group)
        self._check_room(group)
        self._revoked.add(group)

    def _check_room(self, group: str) -> None:
        rules = len(self._granted) + len(self._revoked)
        if rules >= MAX_RULES and group not in self._granted and group not in self._revoked:
            raise TooManyRulesError


def _pattern(text: str) -> re.Pattern[str] | None:
    """`?` is one character but a dot, `*` a run of them, `**` a run of anything, `\\` takes the next one literally."""
    if text.count("*") - text.count("\\*") > _MAX_STARS:
        return None
    wildcards = {"**": ".*", "*": "[^.]*", "?": "[^.]"}
    parts = re.findall(r"\\.|\*\*|.", text, re.DOTALL)
    return re.compile("".join(wildcards.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)
