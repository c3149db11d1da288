"""Every error code and status that the documentation names, as the running app answers it.

The tables are read; a row without an example here fails, and so does an example without a row.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

import pytest
import pytest_asyncio

import chat.policy
import webpubsub_handler.handler
from chat.backends.service import Service, ServiceUnavailableError
from local.azurite import Azurite
from tests.chat_client import ChatClient
from tests.e2e.conftest import System, running_system
from tests.host.raw_http import ask, exchange, parse

pytestmark = pytest.mark.asyncio(loop_scope="module")
DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
Patch = pytest.MonkeyPatch
_event_ids: Final = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(azurite: Azurite) -> AsyncIterator[System]:
    """The system; its rooms begin with ``ea``."""
    async with running_system(azurite) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(azurite: Azurite) -> AsyncIterator[System]:
    """The system as it is behind App Service authentication."""
    async with running_system(azurite, CLIENT_AUTH="app_service", WEBSITE_AUTH_ENABLED="True") as running:
        yield running


async def get(app: System, route: str, *query: tuple[str, str]) -> tuple[int, Any]:
    async with app.http.get(f"{app.url}/api/{route}?{urlencode(query)}") as answer:
        return answer.status, await answer.json()


async def post(
    app: System,
    name: str,
    data: Any,
    /,
    *,
    rooms: Sequence[str] = ("ea",),
    content_type: str | None = None,
    **headers: str,
) -> tuple[int, Any]:
    """Post a user event of a connection in rooms; bytes are sent as they are, everything else as JSON."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    state = base64.b64encode(json.dumps({"rooms": list(rooms)}).encode()).decode()
    status, answer = await app.post_event(
        body,
        room=None,
        event_id=str(next(_event_ids)),
        ce_connectionState=state,
        ce_type=f"azure.webpubsub.user.{name}",
        ce_eventName=name,
        Content_Type=content_type or ("text/plain" if isinstance(data, bytes) else "application/json"),
        **headers,
    )
    return status, json.loads(answer) if status == 200 else None


async def stored(app: System, room: str) -> str:
    """Store a message and return its id."""
    assert await post(app, "message", b"x", rooms=[room]) == (204, None)
    message_id: str = (await app.history(room))[0]["id"]
    return message_id


def refuse(patch: Patch, rule: str, answer: object = False) -> None:
    patch.setattr(chat.policy, rule, lambda *_: answer)


async def fails(*_: object) -> NoReturn:
    raise ServiceUnavailableError("the service does not answer")


async def refused(app: System, patch: Patch) -> tuple[int, Any]:
    refuse(patch, "may_send")
    return await post(app, "message", b"x")


async def taken_key(app: System, patch: Patch) -> tuple[int, Any]:
    sent = {"key": "ea", "dataType": "text"}
    assert await post(app, "send", {**sent, "data": "one"}, rooms=["ea-key"]) == (204, None)
    return await post(app, "send", {**sent, "data": "another"}, rooms=["ea-key"])


async def not_the_author(app: System, patch: Patch) -> tuple[int, Any]:
    message_id = await stored(app, "ea-author")
    return await post(app, "delete", {"id": message_id}, rooms=["ea-author"], ce_userId="ben")


async def too_fast(app: System, patch: Patch) -> tuple[int, Any]:
    refuse(patch, "max_messages_per_second", 0.0001)
    answers = [await post(app, "message", b"x", ce_userId="ea-fast") for _ in range(3)]
    return answers[-1]


async def unavailable_event(app: System, patch: Patch) -> tuple[int, Any]:
    patch.setattr(Service, "join", fails)
    return await post(app, "join", {"room": "ea"})


async def unavailable_route(app: System, patch: Patch) -> tuple[int, Any]:
    patch.setattr(Service, "client_access", fails)
    return await get(app, "negotiate")


async def not_admitted(app: System, patch: Patch) -> tuple[int, Any]:
    refuse(patch, "may_join")
    return await get(app, "messages")


async def foreign_cursor(app: System, patch: Patch) -> tuple[int, Any]:
    return await get(app, "messages", ("room", "ea-other"), ("after", await stored(app, "ea")))


def sent(name: str, data: Any, **more: Any) -> Callable[[System, Patch], Awaitable[tuple[int, Any]]]:
    return lambda app, _: post(app, name, data, **more)


def asked(route: str, *query: tuple[str, str]) -> Callable[[System, Patch], Awaitable[tuple[int, Any]]]:
    return lambda app, _: get(app, route, *query)


TWENTY_ONE: Final = [f"ea-{number}" for number in range(21)]
ERRORS: Final[Mapping[tuple[str, str], Callable[[System, Patch], Awaitable[tuple[int, Any]]]]] = {
    ("empty", "event"): sent("message", b""),
    ("too_large", "event"): sent("message", b"x" * 65537),
    ("unsupported_type", "event"): sent("message", b"x", content_type="image/png"),
    ("invalid_message", "event"): sent("send", []),
    ("refused", "event"): refused,
    ("not_a_member", "event"): sent("message", b"x", rooms=()),
    ("not_a_member", "403"): not_admitted,
    ("room_needed", "event"): sent("message", b"x", rooms=["ea", "ea-2"]),
    ("too_many_rooms", "event"): sent("join", {"room": "ea"}, rooms=TWENTY_ONE[1:]),
    ("too_many_rooms", "400"): asked("negotiate", *[("room", room) for room in TWENTY_ONE]),
    ("key_taken", "event"): taken_key,
    ("not_found", "event"): sent("delete", {"id": "00"}),
    ("not_the_author", "event"): not_the_author,
    ("rate_limited", "event"): too_fast,
    ("unauthorized", "401"): asked("presence"),
    ("invalid_user_id", "400"): asked("negotiate", ("userId", "\t")),
    ("invalid_room", "event"): sent("leave", {"room": ".."}),
    ("invalid_room", "400"): asked("presence", ("room", "..")),
    ("repeated_parameter", "400"): asked("messages", ("limit", "1"), ("limit", "1")),
    ("invalid_limit", "400"): asked("messages", ("limit", "0")),
    ("invalid_overlap", "400"): asked("messages", ("overlap", "maybe")),
    ("invalid_cursor", "400"): foreign_cursor,
    ("unavailable", "event"): unavailable_event,
    ("unavailable", "503"): unavailable_route,
}


def rows(text: str, heading: str) -> list[tuple[str, ...]]:
    """Return the cells of a section's table whose first cell is code."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        tuple(cell.strip() for cell in row.split("|")) for row in re.findall(r"^\| (`.*) \|$", section, re.MULTILINE)
    ]


def documented_errors() -> set[tuple[str, str]]:
    table = rows((DOCS / "reference.md").read_text("utf-8"), "Errors")
    return {(code.strip("`"), place) for code, places, _ in table for place in places.split(", ")}


async def test_every_documented_error_has_an_example() -> None:
    assert documented_errors() == set(ERRORS)


@pytest.mark.parametrize(("code", "place"), ERRORS)
async def test_every_documented_error_is_answered(
    app: System, guarded: System, monkeypatch: Patch, code: str, place: str
) -> None:
    status, error = await ERRORS[code, place](guarded if code == "unauthorized" else app, monkeypatch)
    assert status == (200 if place == "event" else int(place))
    assert (error["type"], error["code"]) == ("error", code)
    assert set(error) <= {"type", "code", "message", "room", "key", "id", "retryAfter"}


async def bare(app: System, method: str = "POST", body: bytes | None = b"x", **headers: str) -> int:
    """Return the status of a request that has just these headers, and no more of an event."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return (await ask(app, method, "/api/eventhandler/message", named, body)).status


async def status_of(app: System, body: bytes = b"x", /, **headers: str) -> int:
    return (await post(app, "message", body, **headers))[0]


async def without_its_body(app: System, patch: Patch) -> int:
    head = b"POST /api/eventhandler HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    return parse("POST", await exchange(app, head + b"1\r\nx\r\n0\r\n\r\n")).status


async def unknown_event(app: System) -> int:
    return (await post(app, "wave", b"x"))[0]


async def raising(app: System, patch: Patch) -> int:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("inner text")

    patch.setattr(chat.policy, "may_send", fail)
    return (await app.post_event(room="ea"))[0]


STATUSES: Final[Mapping[str, tuple[int, Callable[[System, Patch], Awaitable[int]]]]] = {
    "validation (OPTIONS)": (200, lambda app, _: bare(app, "OPTIONS", None, WebHook_Request_Origin="localhost")),
    "a proof is missing or wrong": (401, lambda app, _: status_of(app, ce_signature="sha256=00")),
    "not a Web PubSub event": (400, lambda app, _: status_of(app, ce_specversion="0.3")),
    "the event is too old, or from the future": (400, lambda app, _: status_of(app, ce_time="2999-01-01T00:00:00Z")),
    "the body was lost on its way": (411, without_its_body),
    "another hub": (404, lambda app, _: status_of(app, ce_hub="other", ce_source="/hubs/other/client/conn-42")),
    "larger than ``max_body_bytes`` of the handler": (413, lambda app, _: status_of(app, b"x" * (1024 * 1024 + 1))),
    "a client's data is not what its type says": (200, lambda app, _: status_of(app, b"\xff")),
    "larger than its function takes": (200, lambda app, _: status_of(app, b"x" * 65537)),
    "unknown event, no function for an event": (
        204,
        lambda app, _: unknown_event(app),
    ),
    "a function or an authenticator raised": (500, raising),
}
# The first needs keys of Entra ID that cannot be fetched (tests/handler/test_entra.py); of the second the host knows no
# route, and answers 404 itself (tests/handler/test_dispatch.py).
NOT_HERE: Final = {"a proof cannot be checked now", "neither POST nor OPTIONS"}


async def test_every_status_of_the_event_handler_has_an_example() -> None:
    table = (webpubsub_handler.handler.__doc__ or "").split("=\n")[1]
    documented = {(row[:45].strip(), int(row[46:49])) for row in table.splitlines() if row[46:49].isdigit()}
    assert {(what, status) for what, status in documented if what not in NOT_HERE} == {
        (what, status) for what, (status, _) in STATUSES.items()
    }


@pytest.mark.parametrize("what", STATUSES)
async def test_every_status_of_the_event_handler_is_answered(app: System, monkeypatch: Patch, what: str) -> None:
    status, example = STATUSES[what]
    assert await example(app, monkeypatch) == status


Invoked = Callable[[ChatClient, Patch], Awaitable[Any]]


async def room_there(ana: ChatClient, patch: Patch) -> Any:
    await ana.create("ea-there")
    return await ana.create("ea-there")


async def member_there(ana: ChatClient, patch: Patch) -> Any:
    await ana.create("ea-member", "ea-ben")
    return await ana.add("ea-member", "ea-ben")


async def member_not_there(ana: ChatClient, patch: Patch) -> Any:
    await ana.create("ea-empty")
    return await ana.remove("ea-empty", "ea-ben")


async def room_forbidden(ana: ChatClient, patch: Patch) -> Any:
    refuse(patch, "may_create_room")
    return await ana.create("ea-none")


async def change_forbidden(ana: ChatClient, patch: Patch) -> Any:
    await ana.create("ea-rules")
    refuse(patch, "may_manage")
    return await ana.add("ea-rules", "ea-ben")


async def one_room_too_many(ana: ChatClient, patch: Patch) -> Any:
    patch.setattr("chat.messaging.private_rooms.MAX_CREATED_ROOMS", 0)
    return await ana.create("ea-more")


async def invoked_too_fast(ana: ChatClient, patch: Patch) -> Any:
    refuse(patch, "max_messages_per_second", 0.0001)
    return [await ana.create(f"ea-fast-{number}") for number in range(3)][-1]


CODES: Final[Mapping[str, Invoked]] = {
    "RoomNotFound": lambda ana, _: ana.room("ea-nowhere"),
    "RoomAlreadyExists": room_there,
    "UserAlreadyInRoom": member_there,
    "UserNotInRoom": member_not_there,
    "NoPermissionCreateRoom": room_forbidden,
    "NoPermissionInRoom": change_forbidden,
    "InvalidUserId": lambda ana, _: ana.create("ea-user", "a/b"),
    "InvalidRequest": lambda ana, _: ana.invoke("chat.getRoom", 7),
    "TooManyRooms": one_room_too_many,
    "TooManyMembers": lambda ana, _: ana.create("ea-many", *(f"ea-{number}" for number in range(101))),
    "TooManyRequests": invoked_too_fast,
}


async def test_every_documented_code_of_private_rooms_has_an_example() -> None:
    page = (DOCS / "chat-client.md").read_text("utf-8")
    codes = {code for cells in rows(page, "Invocations") for code in re.findall("`([A-Z][A-Za-z]+)`", cells[0])}
    assert codes == {*CODES, "NoAnonymous"}


@pytest.mark.parametrize("code", CODES)
async def test_every_documented_code_of_private_rooms_is_answered(app: System, monkeypatch: Patch, code: str) -> None:
    ana = await app.chat(f"ea-ana-{code}")
    assert (await CODES[code](ana, monkeypatch))["code"] == code


async def test_a_user_without_a_name_is_refused_in_private_rooms(app: System) -> None:
    _, access = await get(app, "negotiate")
    nobody = await app.chat_url(access["url"], None)
    assert (await nobody.create("ea-nobody"))["code"] == "NoAnonymous"
