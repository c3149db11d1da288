"""The cookies of event handlers: where they go, how long they live, and whose they are."""

from __future__ import annotations

import time

import pytest
from yarl import URL

from tests.emulator.conftest import Service
from tests.emulator.fakes import Answer, RecordingHandler
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.upstream.cookies import cookie_header, keep_cookies

ORIGIN = "http://localhost:7071"
CONNECT = f"{ORIGIN}/api/eventhandler/connect"
MESSAGE = f"{ORIGIN}/api/eventhandler/message"
EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"


def context() -> ConnectionContext:
    return ConnectionContext("chat", "conn-1")


def sent(lines: list[str], to: str = MESSAGE, by: str = CONNECT) -> str:
    """The Cookie header of a request to one URL, after an answer of another with these lines."""
    seen = context()
    keep_cookies(seen, lines, URL(by))
    return cookie_header(seen, URL(to))


@pytest.mark.parametrize(
    ("line", "to"),
    [
        ("a=1", f"{ORIGIN}/api/eventhandler/message"),
        ("a=1; Path=/", f"{ORIGIN}/"),
        ("a=1; path=/api", f"{ORIGIN}/api/other"),
        ("a=1; PATH=no-path", f"{ORIGIN}/api/eventhandler/message"),
        ("a=1; Domain=localhost", MESSAGE),
        ("a=1; Max-Age=60", MESSAGE),
        ("a=1; max-age=60; expires=" + EPOCH, MESSAGE),
        ("a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT", MESSAGE),
        ("a=1; Expires=some day", MESSAGE),
        ("a=1; HttpOnly; SameSite=Lax; Partitioned", MESSAGE),
    ],
)
async def test_a_cookie_goes_where_it_belongs(line: str, to: str) -> None:
    assert sent([line], to) == "a=1"


@pytest.mark.parametrize(
    ("line", "to"),
    [
        ("a=1", f"{ORIGIN}/api/other"),
        ("a=1; Path=/api", f"{ORIGIN}/apis"),
        ("a=1", "http://127.0.0.1:7071/api/eventhandler/message"),
        ("a=1; Domain=example.com", MESSAGE),
        ("a=1; Secure", MESSAGE),
        ("a=1; Max-Age=0", MESSAGE),
        ("a=1; Max-Age=-1; Expires=Fri, 01 Jan 2100 00:00:00 GMT", MESSAGE),
        (f"a=1; Expires={EPOCH}", MESSAGE),
        ("a=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT", MESSAGE),
        ("a=1; Expires=Mon, 01 Jan 2001 00:00:00 GMT", MESSAGE),
    ],
)
async def test_a_cookie_goes_nowhere_else(line: str, to: str) -> None:
    assert sent([line], to) == ""


async def test_a_cookie_for_a_domain_reaches_its_hosts() -> None:
    by, to = "https://a.example.com/x", "https://b.example.com/x"
    assert sent(["a=1; Domain=.example.com; Secure"], to, by) == "a=1"
    assert sent(["a=1"], to, by) == ""


async def test_a_cookie_of_an_ip_address_comes_back() -> None:
    url = "http://127.0.0.1:7071/api"
    assert sent(["a=1"], url, url) == "a=1"


@pytest.mark.parametrize(
    "deletion", ["a=; Max-Age=0", f"a=; Expires={EPOCH}", "a=2; expires=Mon, 01 Jan 2001 00:00:00"]
)
async def test_a_cookie_can_be_deleted(deletion: str) -> None:
    assert sent(["a=1", "b=2"]) == "a=1; b=2"
    assert sent(["a=1", "b=2", deletion]) == "b=2"


async def test_a_cookie_can_be_replaced() -> None:
    assert sent(["a=1; Max-Age=60", "a=2"]) == "a=2"
    assert sent(["a=1; Path=/", "a=2; Path=/api"]) == "a=2"


async def test_a_cookie_is_gone_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = context()
    keep_cookies(seen, ["a=1; Max-Age=60", "b=2"], URL(CONNECT))
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert cookie_header(seen, URL(MESSAGE)) == "b=2"


@pytest.mark.parametrize("value", ["", "x==", '"b c\\073 \\"d"', "a,b", "{1:2}/[3]", "a=b"])
async def test_a_value_is_sent_as_it_was_set(value: str) -> None:
    assert sent([f"a={value}; Path=/"]) == f"a={value}"


@pytest.mark.parametrize("line", ["", "a", "=1", "a b=1", "Path=/", "a=\udcff"])
async def test_what_is_not_a_cookie_is_ignored_with_a_warning(line: str, caplog: pytest.LogCaptureFixture) -> None:
    assert sent([line, "b=2"]) == "b=2"
    assert "IGNORED a cookie of the event handler for connection conn-1" in caplog.text


async def test_cookies_follow_their_rules_on_the_wire_for_each_connection(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["connect"] = [Answer(200, headers={"Set-Cookie": "id=1; Path=/"}), Answer(204)]
    handler.script["a"] = [
        Answer(204, headers={"Set-Cookie": "only-a=2; Path=/api/eventhandler/a"}),
        Answer(400, headers={"Set-Cookie": "id=3; Path=/"}),
        Answer(204, headers={"Set-Cookie": f"id=; Path=/; Expires={EPOCH}"}),
    ]
    socket, other = await service.connect(), await service.connect()
    for ack_id in range(4):
        await socket.request(type="event", event="a", data=1, ackId=ack_id)
    await socket.request(type="event", event="b", data=1, ackId=9)
    await other.request(type="event", event="b", data=1, ackId=9)
    cookies = [request.headers.get("Cookie") for request in handler.events("a")]
    assert [cookie and sorted(cookie.split("; ")) for cookie in cookies] == [
        ["id=1"],
        ["id=1", "only-a=2"],
        ["id=1", "only-a=2"],
        ["only-a=2"],
    ]
    assert [request.headers.get("Cookie") for request in handler.events("b")] == [None, None]


async def test_of_cookies_with_one_name_that_of_the_longest_path_is_sent() -> None:
    lines = ["a=long; Path=/api/eventhandler", "a=short; Path=/"]
    assert sent(lines) == "a=long"
    assert sent(lines, to=f"{ORIGIN}/other") == "a=short"
