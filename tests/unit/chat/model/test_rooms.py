"""Which names rooms and users may have."""

from __future__ import annotations

import pytest

from chat.messaging.checks import admits
from chat.model.rooms import can_be_member, is_room_name, is_title, is_user_id


@pytest.mark.parametrize(
    "name", ["lobby", "a/b", "../x", "...", "a#b?c", "it's", '"x"', "😀", "世界", "a\\b", "a b", "x" * 128]
)
def test_a_printable_name_is_a_room(name: str) -> None:
    assert is_room_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a\nb", "a\x00b", "\x7f", "x" * 129, "😀" * 33, "\ud800", "a\u2028b", ".", ".."]
)
def test_anything_else_is_not_a_room(name: str) -> None:
    assert not is_room_name(name)


@pytest.mark.parametrize("user_id", ["ana", "ana@contoso.com", "100%", "a%zz", "/", "世界"])
def test_a_printable_name_is_a_user_id(user_id: str) -> None:
    assert is_user_id(user_id)


@pytest.mark.parametrize("user_id", ["%41na", "%C3%A9", "Ã©", "ä¸\u0096ç\u0095\u008c"])
def test_a_user_id_that_would_be_read_as_another_one_is_refused(user_id: str) -> None:
    assert not is_user_id(user_id)


@pytest.mark.parametrize("name", ["@a", "@Team_1-x", "@" + "x" * 64])
def test_a_name_with_an_at_sign_is_a_private_room_and_nobody_is_admitted_by_the_policy_alone(name: str) -> None:
    assert is_room_name(name)
    assert not admits(name, "ana")


@pytest.mark.parametrize("name", ["@", "@@", "@a b", "@a/b", "@ü", "@" + "x" * 65, "@a\n", "@.."])
def test_any_other_name_with_an_at_sign_is_not_a_room(name: str) -> None:
    assert not is_room_name(name)


@pytest.mark.parametrize("user_id", [None, "", ".", "..", "a/b", "a\\b", "a#b", "a?b", "a:b", "a;b", "%41", "a\nb"])
def test_who_has_no_name_or_one_that_changes_paths_is_in_no_private_room(user_id: str | None) -> None:
    assert not can_be_member(user_id)


@pytest.mark.parametrize("user_id", ["ana", "it's", "ana@contoso.com", "世界", "@ana", "a b"])
def test_everybody_else_may_be_in_private_rooms(user_id: str) -> None:
    assert can_be_member(user_id)


@pytest.mark.parametrize(
    ("title", "is_one"),
    [
        ("a", True),
        ("Ünser Raum\u00a0👋", True),
        ("x" * 256, True),
        ("", False),
        (" ", False),
        ("x" * 257, False),
        ("a\nb", False),
    ],
)
def test_a_title_is_printable_text_of_at_most_256_bytes(title: str, is_one: bool) -> None:
    assert is_title(title) is is_one
