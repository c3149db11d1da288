"""What a connection asked for, as its state keeps it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chat.model.asked_rooms import AskedRooms, asked_rooms, keep_asked_rooms
from webpubsub_handler import ConnectionContext, Headers
from webpubsub_handler.protocol.connection_state import ConnectionState

TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def context() -> ConnectionContext:
    return ConnectionContext("chat", "conn-42", "ana", "connect", "7", TIME, None, ConnectionState(None), Headers({}))


@pytest.mark.parametrize("names", [["@"], ["@team"], ["@team", "@other"]])
def test_what_is_kept_is_read_again(context: ConnectionContext, names: list[str]) -> None:
    keep_asked_rooms(context, names, TIME)
    assert asked_rooms(context) == AskedRooms(names, TIME)


@pytest.mark.parametrize(
    "kept",
    [
        None,
        "@",
        ["@"],
        {},
        {"rooms": ["@"]},
        {"rooms": "@", "since": "2026-11-24T09:30:00Z"},
        {"rooms": ["lobby"], "since": "2026-11-24T09:30:00Z"},
        {"rooms": ["@.."], "since": "2026-11-24T09:30:00Z"},
        {"rooms": [7], "since": "2026-11-24T09:30:00Z"},
        {"rooms": ["@"], "since": "yesterday"},
        {"rooms": ["@"], "since": 7},
    ],
)
def test_a_state_that_something_else_wrote_has_no_rooms(context: ConnectionContext, kept: object) -> None:
    context.state["private"] = kept
    assert asked_rooms(context) is None
