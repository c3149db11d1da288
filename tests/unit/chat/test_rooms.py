"""Which names rooms and users may have."""

from __future__ import annotations

import pytest

from chat.rooms import is_room_name, is_user_id


@pytest.mark.parametrize(
    "name", ["lobby", "a/b", "../x", "...", "a#b?c", "it's", '"x"', "😀", "世界", "a\\b", "a b", "x" * 128]
)
def test_a_printable_name_is_a_room(name: str) -> None:
    assert is_room_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a\nb", "a\x00b", "\x7f", "x" * 129, "😀" * 33, "\ud800", "a\u2028b", ".", ".."]
)
def test_anything_else_is_no_room(name: str) -> None:
    assert not is_room_name(name)


@pytest.mark.parametrize("user_id", ["ana", "ana@contoso.com", "100%", "a%zz", "/", "世界"])
def test_a_printable_name_is_a_user_id(user_id: str) -> None:
    assert is_user_id(user_id)


@pytest.mark.parametrize("user_id", ["%41na", "%C3%A9", "Ã©", "ä¸\u0096ç\u0095\u008c"])
def test_a_user_id_that_would_be_read_as_another_one_is_refused(user_id: str) -> None:
    assert not is_user_id(user_id)
