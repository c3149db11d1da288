"""JSON as it was written: what is valid, how deep, and what is cut out of it."""

from __future__ import annotations

import pytest

from webpubsub_emulator.core.json_text import (
    MAX_JSON_DEPTH,
    JsonTextError,
    JsonTooDeepError,
    check_json,
    parse_json,
    parse_json_object,
)

VALID = [
    "0",
    "-0",
    "10.00",
    "1e2",
    "1E+2",
    "-1.5e-7",
    "9" * 5000,
    "1e999",
    '""',
    '"\\ud800"',
    '"\\u00e9\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\x7f\u2028"',
    "true",
    "null",
    "[]",
    " \t\n\r[ 1 , [ ] ]\n",
    "{}",
    "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH,
    "[" + "[[]]," * 1000 + "[]]",
    '["' + "[" * 10_000 + '"]',
    '["\\"' + "{" * 10_000 + '\\\\"]',
]
INVALID = [
    "",
    " ",
    "nonsense",
    "NaN",
    "Infinity",
    "-Infinity",
    "+1",
    "01",
    "-01",
    "1.",
    ".5",
    "1e",
    "-",
    "٣",
    "0x1",
    "'a'",
    '"a',
    '"\t"',
    '"\x00"',
    '"\\x41"',
    '"\\u12"',
    '"\\u 123"',
    "[1,]",
    "[1 2]",
    "[",
    "]",
    "[1]]",
    "1 1",
    "\u00a01",
    "\ufeff1",
]
OBJECTS = [
    "{",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{,}",
    '{"a" 1}',
    '{"a":1 "b":2}',
    "{a:1}",
    "{1:1}",
    '{"a":1}}',
    '{"a":1}x',
]


@pytest.mark.parametrize("text", VALID)
def test_what_rfc_8259_allows_is_valid(text: str) -> None:
    check_json(text)
    check_json(f'{{"a":[{text}]}}' if text.count("[") < MAX_JSON_DEPTH else text)


@pytest.mark.parametrize("text", [*INVALID, *OBJECTS])
def test_what_rfc_8259_does_not_allow_is_not_valid(text: str) -> None:
    for refuse in (check_json, parse_json, parse_json_object):
        with pytest.raises(JsonTextError, match="is not valid JSON"):
            refuse(text)


@pytest.mark.parametrize("text", INVALID)
def test_a_value_that_is_not_valid_spoils_the_object_around_it(text: str) -> None:
    with pytest.raises(JsonTextError):
        parse_json_object(f'{{"a":1,"b":{text},"c":1}}')


@pytest.mark.parametrize("text", ["[]", "1", '"{}"', " null "])
def test_another_value_is_not_an_object(text: str) -> None:
    with pytest.raises(JsonTextError, match="is not a JSON object"):
        parse_json_object(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 501 + "]" * 501,
        "[" * 1_000_000,
        '{"a":' * 501 + "1" + "}" * 501,
        '{"\\"":' * 501 + "1" + "}" * 501,
        '["[", "\\\\", ' * 501 + "1" + "]" * 501,
    ],
)
def test_a_text_is_refused_before_it_is_read_too_deep(text: str) -> None:
    for refuse in (check_json, parse_json, parse_json_object):
        with pytest.raises(JsonTooDeepError, match="is nested more than 500 levels deep"):
            refuse(text)


def test_members_are_cut_out_without_the_white_space_around_them() -> None:
    members = parse_json_object(' {\n"a" :\t1.50 ,"b":[ 1,\r{ "a":2}] , "\\u0063":"x" }\t')
    assert members == {"a": 1.5, "b": [1, {"a": 2}], "c": "x"}
    assert [members.text_of(name) for name in members] == ["1.50", '[ 1,\r{ "a":2}]', '"x"']


def test_of_members_with_one_name_the_last_counts() -> None:
    members = parse_json_object('{"a":1,"b":2,"\\u0061":3.0}')
    assert (members["a"], members.text_of("a"), len(members)) == (3, "3.0", 2)


def test_an_integer_is_one_as_long_as_anybody_counts() -> None:
    assert parse_json("[18446744073709551615, 1.0]") == [2**64 - 1, 1.0]
    assert parse_json("9" * 5000) == float("inf")
