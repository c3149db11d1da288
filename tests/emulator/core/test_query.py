"""The parameters of a query."""

from __future__ import annotations

from webpubsub_emulator.core.query import all_values, last_value, parse_query

QUERY = parse_query("a=1&A=2&a=3&empty=&%C3%BC=%2F")


def test_names_are_compared_in_any_case() -> None:
    assert sorted(all_values(QUERY, "a")) == ["1", "2", "3"]
    assert all_values(QUERY, "Ü") == ["/"]


def test_an_empty_value_is_not_a_missing_one() -> None:
    assert last_value(QUERY, "empty") == ""
    assert last_value(QUERY, "missing") is None


def test_names_stay_as_they_were_written() -> None:
    assert list(QUERY) == ["a", "A", "empty", "ü"]
