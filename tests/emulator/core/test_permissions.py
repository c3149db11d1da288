"""Rights on groups."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from webpubsub_emulator.core.permissions import MAX_RULES, GroupRights, Permission, TooManyRulesError


def rights(*roles: str) -> GroupRights:
    return GroupRights(Permission.SEND_TO_GROUP, roles)


@pytest.mark.parametrize(
    ("role", "group", "is_allowed"),
    [
        ("webpubsub.sendToGroup", "any", True),
        ("webpubsub.joinLeaveGroup", "any", False),
        ("webpubsub.sendToGroup.g", "g", True),
        ("webpubsub.sendToGroup.g", "G", False),
        ("webpubsub.sendToGroup.a.b", "a.b", True),
        ("webpubsub.sendToGroups.room-?", "room-1", True),
        ("webpubsub.sendToGroups.room-?", "room-12", False),
        ("webpubsub.sendToGroups.room.*", "room.12", True),
        ("webpubsub.sendToGroups.room.*", "room.1.2", False),
        ("webpubsub.sendToGroups.room.**", "room.1.2", True),
        ("webpubsub.sendToGroups.a\\*b", "a*b", True),
        ("webpubsub.sendToGroups.a\\*b", "axb", False),
        ("webpubsub.sendToGroups.a+b", "aab", False),
        ("webpubsub.sendToGroups.a\\\\*b", "a\\xb", True),
        ("webpubsub.sendToGroups.a\\?b", "a?b", True),
        ("webpubsub.sendToGroups.a\\?b", "axb", False),
        ("webpubsub.sendToGroups.room.*", "room.", True),
        ("webpubsub.sendToGroups.room.?", "room..", False),
        ("webpubsub.sendToGroups.**a*b", "a.ab", True),
        ("webpubsub.sendToGroups.**.*.log", "a.b.c.log", True),
        ("webpubsub.sendToGroups.a**", "a.\n", True),
        ("webpubsub.sendToGroups.*****", "x", True),
        ("webpubsub.sendToGroups.*a*a*a*a*b", "a" * 1024, False),
        ("webpubsub.sendToGroups.*a*a*a*a*b", "a" * 1023 + "b", True),
        ("webpubsub.sendToGroups.******", "x", False),
        ("something else", "g", False),
    ],
)
def test_a_role_allows_what_it_says(role: str, group: str, is_allowed: bool) -> None:
    assert rights(role).allows(group) is is_allowed


@given(
    pattern=st.text("ab.*?\\", max_size=8).filter(lambda text: text.count("*") <= 5),
    group=st.text("ab.*?\\", min_size=1),
)
def test_a_pattern_takes_what_its_regular_expression_takes(pattern: str, group: str) -> None:
    assume(pattern.count("*") <= 5)
    wildcards = {"**": ".*", "*": "[^.]*", "?": "[^.]"}
    parts = re.findall(r"\\.|\*\*|.", pattern)
    expression = "".join(wildcards.get(part) or re.escape(part[-1]) for part in parts)
    assert rights(f"webpubsub.sendToGroups.{pattern}").allows(group) is (re.fullmatch(expression, group) is not None)


def test_without_roles_nothing_is_allowed() -> None:
    assert not rights().allows("g")


def test_a_revoked_group_beats_a_role_for_all_groups_until_it_is_granted() -> None:
    own = rights("webpubsub.sendToGroup")
    own.revoke("g")
    assert not own.allows("g")
    assert own.allows("other")
    own.grant("g")
    assert own.allows("g")


def test_rules_are_bounded() -> None:
    own = rights()
    for number in range(MAX_RULES):
        own.grant(str(number))
    own.grant("1")
    with pytest.raises(TooManyRulesError):
        own.grant("one more")
