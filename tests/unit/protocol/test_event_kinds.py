"""The table of event kinds: every kind has one row, and what the row says holds."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.wire import event, event_names
from webpubsub_handler import Event, EventErrorResponse, UnknownEvent, UserEventRequest
from webpubsub_handler.protocol.decode import decode
from webpubsub_handler.protocol.encode import encode
from webpubsub_handler.protocol.event_kinds import EVENT_KINDS, kind_of_request, kind_of_type

EVENTS = [name for name in event_names() if "validation" not in name and "contradicting" not in name]


def test_every_class_of_request_has_one_row() -> None:
    assert sorted(kind.request.__name__ for kind in EVENT_KINDS) == sorted(kind.__name__ for kind in get_args(Event))


def test_no_two_rows_have_the_same_type() -> None:
    assert len({kind.event_type for kind in EVENT_KINDS}) == len(EVENT_KINDS)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_read_and_answered_by_its_row(name: str) -> None:
    request = event(name)
    decoded = decode(request)
    kind = kind_of_type(request.headers.get("ce-type") or "")

    assert kind is kind_of_request(decoded)
    assert type(decoded) is kind.request
    assert encode(decoded, None).status == 204
    assert encode(decoded, EventErrorResponse(503)).status == 503


def test_the_blocking_kinds_are_those_that_the_service_waits_for() -> None:
    assert [kind.event_type for kind in EVENT_KINDS if kind.is_blocking] == [
        "azure.webpubsub.sys.connect",
        "azure.webpubsub.user.*",
    ]


@pytest.mark.parametrize(
    ("event_type", "request_class"),
    [
        ("azure.webpubsub.user.message", UserEventRequest),
        ("azure.webpubsub.user.sys.connect", UserEventRequest),
        ("azure.webpubsub.user.", UserEventRequest),
        ("azure.webpubsub.user.*", UserEventRequest),
        ("azure.webpubsub.user", UnknownEvent),
        ("*", UnknownEvent),
        ("", UnknownEvent),
        ("azure.webpubsub.SYS.connect", UnknownEvent),
    ],
)
def test_a_type_is_looked_up_whole(event_type: str, request_class: type[Event]) -> None:
    assert kind_of_type(event_type).request is request_class
