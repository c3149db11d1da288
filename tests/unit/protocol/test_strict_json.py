from __future__ import annotations

import json
from typing import Any

import pytest

from tests.wire import event
from webpubsub_handler import ConnectionState, ConnectionStateError, MalformedEventError
from webpubsub_handler.protocol.decode import decode
from webpubsub_handler.protocol.strict_json import MAX_DEPTH, parse


@pytest.mark.parametrize(
    "text",
    [
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
        '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH,
        "[" + ",".join(["[{}]"] * 1000) + "]",
        "[" * MAX_DEPTH + "]" * (MAX_DEPTH - 1) + ",[{}]]",
        json.dumps("[" * 1000),
        '["' + '\\"[{\\\\' * 1000 + '"]',
    ],
    ids=["arrays", "objects", "wide", "wide and as deep as can be", "brackets in a string", "brackets after escapes"],
)
def test_what_is_not_nested_too_deep_is_read(text: str) -> None:
    assert parse(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
        "[" * 1_000_000,
        '["\\\\",' * 200 + "]" * 200,
        '["' + "[" * 200,
    ],
    ids=["arrays", "objects", "no end", "after a string that ends in a backslash", "a string without end"],
)
def test_what_is_nested_too_deep_or_has_no_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested deeper than 128 levels|Unterminated string"):
        parse(text.encode())


@pytest.mark.parametrize("text", [b"NaN", b"-Infinity", b"[1e999]", b"9" * 5000, b"", b"{'a':1}", b"\xef\xbb\xbf1"])
def test_json_that_other_readers_could_not_read_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_a_deep_connect_event_is_malformed() -> None:
    with pytest.raises(MalformedEventError, match="at most 128 levels"):
        decode(event("connect", b"[" * 129 + b"]" * 129))


@pytest.mark.parametrize("depth", [MAX_DEPTH, 100_000])
def test_a_state_that_could_not_be_read_again_is_not_sent(depth: int) -> None:
    value: Any = None
    for _ in range(depth):
        value = [value]
    state = ConnectionState()
    state["deep"] = value

    with pytest.raises(ConnectionStateError, match=r"nested deeper|must be JSON"):
        state.encode()
