from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from webpubsub_handler import ConnectionState, ConnectionStateError
from webpubsub_handler.protocol.connection_state import MAX_STATE_LENGTH

JS_FORM = "eyJjYXJ0IjozLCJ0YWdzIjpbImEiLCJiIl0sIm5hbWUiOiLDnG5hbCJ9"
DOTNET_FORM = "eyJjYXJ0IjoiTXc9PSIsIm5hbWUiOiJJbmdpIn0="
EMPTY = "e30="


def header(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def kept(state: ConnectionState) -> Any:
    """What the service keeps from the answer on, as the next event shows it."""
    encoded = state.encode()
    assert encoded is not None
    return dict(ConnectionState(encoded))


def test_a_connection_without_state_has_an_empty_one() -> None:
    state = ConnectionState(None)

    assert dict(state) == {}
    assert not state.is_foreign
    assert state.encode() is None


def test_the_state_that_another_library_wrote_as_plain_json_is_read() -> None:
    assert dict(ConnectionState(JS_FORM)) == {"cart": 3, "tags": ["a", "b"], "name": "Ünal"}


def test_a_state_that_nobody_reads_is_not_sent() -> None:
    assert ConnectionState(JS_FORM).encode() is None


def test_a_state_that_is_only_read_is_not_sent() -> None:
    state = ConnectionState(JS_FORM)

    assert state["cart"] == 3
    assert len(state) == 3
    assert state.encode() is None


def test_a_value_that_is_set_is_sent_with_all_others() -> None:
    state = ConnectionState(header({"n": 4, "k": "v"}))
    state["n"] = 5

    assert state.encode() == "eyJuIjo1LCJrIjoidiJ9"


def test_the_header_is_printable_ascii_whatever_the_text() -> None:
    state = ConnectionState()
    state["名"] = "é\n\ud83d\ude00"

    encoded = state.encode()
    assert encoded is not None
    assert encoded.isascii()
    assert encoded.isprintable()


def test_a_value_that_is_set_to_what_it_was_is_not_a_change() -> None:
    state = ConnectionState(header({"n": 4}))
    state["n"] = 5
    state["n"] = 4

    assert state.encode() is None


def test_a_value_that_is_changed_inside_is_sent() -> None:
    state = ConnectionState(header({"tags": ["a"], "deep": {"er": {}}}))
    state["tags"].append("b")
    state["deep"]["er"]["x"] = 1

    assert kept(state) == {"tags": ["a", "b"], "deep": {"er": {"x": 1}}}


def test_a_default_that_is_changed_inside_is_sent() -> None:
    state = ConnectionState()
    state.setdefault("tags", []).append("a")

    assert kept(state) == {"tags": ["a"]}


def test_a_key_can_be_deleted() -> None:
    state = ConnectionState(header({"a": 1, "b": 2}))
    del state["a"]

    assert kept(state) == {"b": 2}


def test_deleting_the_last_key_is_sent_as_an_empty_object() -> None:
    state = ConnectionState(header({"a": 1}))
    del state["a"]

    assert state.encode() == EMPTY


def test_clearing_is_sent_as_an_empty_object() -> None:
    state = ConnectionState(JS_FORM)
    state.clear()

    assert state.encode() == EMPTY


@pytest.mark.parametrize("raw", [None, "", EMPTY])
def test_clearing_what_is_empty_is_not_a_change(raw: str | None) -> None:
    state = ConnectionState(raw)
    state.clear()

    assert state.encode() is None


def test_clearing_and_setting_keeps_only_the_new() -> None:
    state = ConnectionState(header({"a": 1}))
    state.clear()
    state["b"] = 2

    assert kept(state) == {"b": 2}


def test_a_none_value_is_kept() -> None:
    state = ConnectionState()
    state["a"] = None

    assert kept(state) == {"a": None}


def test_a_missing_key_is_a_key_error() -> None:
    state = ConnectionState()

    with pytest.raises(KeyError):
        state["a"]
    with pytest.raises(KeyError):
        del state["a"]


def test_a_state_that_dotnet_wrote_reads_as_its_base64_strings_and_is_not_foreign() -> None:
    state = ConnectionState(DOTNET_FORM)

    assert dict(state) == {"cart": "Mw==", "name": "Ingi"}
    assert not state.is_foreign
    assert state.encode() is None


FOREIGN = {
    "not base64": "session=7; theme=dark",
    "not ASCII": "é设",
    "a lone surrogate": "\udcff",
    "base64 without padding": EMPTY.rstrip("="),
    "base64 of no text": base64.b64encode(b"\xff\xfe\x00").decode(),
    "base64 of no JSON": base64.b64encode(b"{").decode(),
    "an array": header([1, 2]),
    "a scalar": header("text"),
    "null": header(None),
    "NaN": base64.b64encode(b'{"a":NaN}').decode(),
    "a number beyond floats": base64.b64encode(b'{"a":1e999}').decode(),
    "a huge integer": base64.b64encode(b'{"a":' + b"9" * 5000 + b"}").decode(),
    "deep nesting": base64.b64encode(b'{"a":' + b"[" * 100_000).decode(),
    "deep and complete nesting": base64.b64encode(b'{"a":' * 50_000 + b"1" + b"}" * 50_000).decode(),
    "two joined lines": f"{EMPTY}, {EMPTY}",
    "a megabyte": "a" * (1024 * 1024),
}


@pytest.mark.parametrize("raw", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_state_reads_as_empty_and_stays_as_it_is(raw: str) -> None:
    state = ConnectionState(raw)

    assert dict(state) == {}
    assert state.is_foreign
    assert state.raw == raw
    assert state.encode() is None


@pytest.mark.parametrize("raw", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_state_can_be_replaced(raw: str) -> None:
    state = ConnectionState(raw)
    state["a"] = 1

    assert kept(state) == {"a": 1}


@pytest.mark.parametrize("raw", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_state_can_be_cleared(raw: str) -> None:
    state = ConnectionState(raw)
    state.clear()

    assert state.encode() == EMPTY


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, float("nan"), float("inf")])
def test_a_value_that_is_not_json_is_an_error_that_says_so(value: object) -> None:
    state = ConnectionState()
    state["a"] = value

    with pytest.raises(ConnectionStateError, match="must be JSON"):
        state.encode()


def test_a_state_fits_exactly_up_to_its_limit() -> None:
    state = ConnectionState()
    state["a"] = "x" * (MAX_STATE_LENGTH * 3 // 4 - len('{"a":""}'))
    encoded = state.encode()

    assert encoded is not None
    assert len(encoded) == MAX_STATE_LENGTH


def test_a_state_above_its_limit_is_an_error_that_names_the_way_out() -> None:
    state = ConnectionState()
    state["a"] = "x" * (MAX_STATE_LENGTH * 3 // 4 - len('{"a":""}') + 1)

    with pytest.raises(ConnectionStateError, match="keep an id in it and the rest in a store"):
        state.encode()


def test_a_state_above_the_limit_that_came_in_can_be_read_and_kept() -> None:
    state = ConnectionState(header({"a": "x" * 2 * MAX_STATE_LENGTH}))

    assert len(state["a"]) == 2 * MAX_STATE_LENGTH
    assert state.encode() is None


def test_a_state_shows_its_entries_to_a_developer() -> None:
    assert repr(ConnectionState(header({"n": 1}))) == "ConnectionState({'n': 1})"
