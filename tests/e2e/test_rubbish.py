"""Whatever is sent to a route of the running app: no 5xx, and no answer that the documentation does not name."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from local.azurite import Azurite
from tests.e2e.conftest import ACCESS_KEY, System, running_system
from tests.e2e.test_every_answer import STATUSES, documented_errors
from tests.host.raw_http import Answer, ask
from tests.property.strategies import JSON
from webpubsub_handler import sign

pytestmark = pytest.mark.asyncio(loop_scope="module")
REFERENCE: Final = (Path(__file__).resolve().parents[2] / "docs" / "reference.md").read_text("utf-8")
# A test of the documentation holds this table to the app.
ROUTES: Final[Mapping[str, Sequence[str]]] = {
    route: methods.split(", ")
    for route, methods in re.findall(r"^\| `api/([^`]*)` \| ([A-Z, ]+) \|", REFERENCE, re.MULTILINE)
}
DOCUMENTED: Final = documented_errors()
EVENT_STATUSES: Final = {status for status, _ in STATUSES.values()} - {500}
STATUSES_OF_ROUTES: Final = {200, 308, 400, 403, 404}
# What an event says when it is right; then some of it is wrong, or something on top.
CONVERSATION: Final = {"conversation": {"conversationId": "ru"}}
RIGHT: Final[Mapping[str, Mapping[str, Any]]] = {
    "sys.connect": {"claims": {}, "query": {"room": ["ru"]}, "headers": {}, "subprotocols": []},
    "sys.connected": {},
    "sys.disconnected": {"reason": ""},
    "gp.joined": {"group": "ru"},
    "gp.left": {"group": "ru"},
    "user.message": {"any": "data"},
    "user.send": {"key": "k", "dataType": "text", "data": "x"},
    "user.edit": {"id": "00", "dataType": "text", "data": "x"},
    "user.delete": {"id": "00"},
    "user.join": {"room": "ru-2"},
    "user.leave": {"room": "ru-2"},
    "user.typing": {"room": "ru"},
    "user.unknown": {},
    "user.chat.login": {},
    "user.chat.createRoom": {"title": "ru", "members": ["ru-ana"], "roomId": "ru"},
    "user.chat.getRoom": {"id": "ru", "withMembers": True},
    "user.chat.manageRoomMember": {"roomId": "ru", "operation": "Add", "userId": "ru-ben"},
    "user.chat.sendTextMessage": {**CONVERSATION, "content": "x", "key": "k"},
    "user.chat.queryMessageHistory": {**CONVERSATION, "start": "0", "end": None, "maxCount": 10},
}
event_ids: Final = itertools.count(1)

# Rooms, users, ids, numbers: right, wrong, and nearly right.
TEXTS: Final = st.one_of(
    st.sampled_from(["ru", "ru-2", "@", "@ru", "@ru/", "..", "%2e%2e", "ana", "1", "0", "201", "true", "00", "-1", ""]),
    st.sampled_from(["text", "json", "binary", "AQI=", "\x00", "\u2028", "😀", "' or 1 eq 1", "x" * 129, "9" * 400]),
    st.text(max_size=20),
)
PARAMETERS: Final = st.sampled_from(["room", "userId", "limit", "before", "after", "overlap", "code", "ROOM"]) | TEXTS
VISIBLE: Final = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#")
QUERIES: Final = st.one_of(
    st.lists(st.tuples(PARAMETERS, TEXTS), max_size=4).map(lambda pairs: urlencode(pairs, errors="replace")),
    st.text(VISIBLE, max_size=30),
)
SEGMENTS: Final = st.one_of(
    st.sampled_from(["", "/", "/index.html", "/..", "/%2e%2e/host.json", "/%2F", "/%00", "/%FF", "//", "/message"]),
    st.text(max_size=20).map(lambda text: "/" + quote(text, errors="replace")),
    st.text(VISIBLE.filter(lambda character: character != "?"), max_size=20).map("/".__add__),
)
NAMES: Final = st.sampled_from(
    [
        *("ce-specversion", "ce-type", "ce-source", "ce-id", "ce-time", "ce-signature", "ce-userId", "ce-connectionId"),
        *("ce-hub", "ce-eventName", "ce-subprotocol", "ce-connectionState", "WebHook-Request-Origin", "Content-Type"),
        *("x-webpubsub-metadata-a", "mqtt-a", "ce-physicalConnectionId", "ce-sessionId", "ce-namespace", "ce-socketId"),
        *("Authorization", "Origin", "Cookie", "Content-Encoding", "X-MS-CLIENT-PRINCIPAL-ID", "X-Original-URL", "é"),
    ]
)
VALUES: Final = st.one_of(
    st.sampled_from(["1.0", "application/json", "text/plain", "mqtt", "null", "Bearer x.y.z", "e30=", "chat", "*"]),
    st.sampled_from(["azure.webpubsub.sys.connect", "azure.webpubsub.user.x", "2026-11-24T09:30:00Z", "sha256=00"]),
    st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=10).map(
        lambda text: text.encode("latin-1")
    ),
)
HEADERS: Final = st.lists(st.tuples(NAMES, VALUES), max_size=4)
FIELDS: Final = st.dictionaries(
    st.sampled_from(sorted({name for fields in RIGHT.values() for name in fields})),
    TEXTS | JSON | TEXTS.map(lambda text: {"conversationId": text}) | st.lists(TEXTS, max_size=3),
    max_size=2,
)
BODIES: Final = st.one_of(
    (FIELDS | JSON).map(lambda value: json.dumps(value).encode()),
    TEXTS.map(lambda text: text.encode(errors="replace")),
    st.binary(),
)
STATES: Final = st.one_of(
    st.just({"rooms": ["ru"]}),
    st.just({"rooms": ["ru"]}),
    st.lists(TEXTS, max_size=3).map(lambda rooms: {"rooms": rooms}),
    JSON,
).map(lambda state: json.dumps(state).encode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(azurite: Azurite) -> AsyncIterator[System]:
    async with running_system(azurite) as running:
        yield running


def check(answer: Answer, statuses: set[int]) -> None:
    """Fail for an answer that is not documented, or that shows what went on inside."""
    assert answer.status in statuses
    assert b"Traceback" not in answer.body
    if answer.every("Content-Type") != ["application/json"]:
        return
    document = json.loads(answer.body)
    if isinstance(document, dict) and document.get("type") == "error":
        place = "event" if answer.status == 200 else str(answer.status)
        # Data that is not what its type says is refused by the library before the chat sees it.
        assert (document["code"], place) in DOCUMENTED | {("invalid_data", "event")}


@pytest.mark.parametrize("route", ROUTES)
@settings(max_examples=50)
@given(data=st.data())
async def test_a_route_answers_whatever_is_sent_to_it_as_documented(app: System, route: str, data: Any) -> None:
    path, has_parameter, _ = route.partition("/{")
    method = data.draw(st.sampled_from([*ROUTES[route], *ROUTES[route], "PUT", "DELETE", "HEAD", "PATCH", "TRACE"]))
    target = f"/api/{path}{data.draw(SEGMENTS) if has_parameter else ''}?{data.draw(QUERIES)}"
    body = data.draw(st.none() | BODIES)
    answer = await ask(app, method, target, data.draw(HEADERS), body)
    check(answer, STATUSES_OF_ROUTES | (EVENT_STATUSES if path == "eventhandler" else set()))


@settings(max_examples=250)
@given(
    kind=st.sampled_from(sorted(RIGHT)),
    user=st.sampled_from([None, "ru-ana", "ru-ana", "ru-ben"]) | TEXTS,
    state=st.none() | STATES,
    content_type=st.sampled_from(["application/json"] * 5 + ["text/plain", "application/octet-stream", "x/y", ""]),
    changes=st.just([]) | st.just([]) | HEADERS,
    fields=st.just({}) | FIELDS,
    body=st.none() | st.none() | BODIES,
)
async def test_an_event_with_a_proof_is_answered_as_documented_whatever_it_says(
    app: System,
    kind: str,
    user: str | None,
    state: bytes | None,
    content_type: str,
    changes: list[tuple[str, str | bytes]],
    fields: Mapping[str, Any],
    body: bytes | None,
) -> None:
    headers: list[tuple[str, str | bytes]] = [
        ("WebHook-Request-Origin", "localhost"),
        ("Content-Type", content_type),
        ("ce-specversion", "1.0"),
        ("ce-type", f"azure.webpubsub.{kind}"),
        ("ce-source", "/hubs/chat/client/ru-1"),
        ("ce-id", str(next(event_ids))),
        ("ce-time", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("ce-signature", sign(ACCESS_KEY, "ru-1")),
        ("ce-connectionId", "ru-1"),
        ("ce-hub", "chat"),
        ("ce-eventName", kind.partition(".")[2]),
    ]
    if user is not None:
        headers.append(("ce-userId", quote(user, errors="replace")))
    if state is not None:
        headers.append(("ce-connectionState", base64.b64encode(state).decode()))
    # A header that comes twice is joined, so half of them are replaced and half repeated.
    replaced = {name.lower() for name, _ in changes[::2]}
    sent = [*[header for header in headers if header[0].lower() not in replaced], *changes]
    said = json.dumps({**RIGHT[kind], **fields}).encode() if body is None else body
    # 403 is for a client that may not come in.
    check(await ask(app, "POST", "/api/eventhandler", sent, said), EVENT_STATUSES | {403})
