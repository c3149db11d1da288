"""The ``filter`` of REST operations: whom it reaches, and how a wrong one is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from tests.emulator.conftest import Service, Socket
from tests.emulator.fakes import sign
from tests.patience import PATIENCE_SECONDS

JSON = "application/json"


async def three(service: Service) -> list[Socket]:
    """``conn-1`` of ana in g and h, ``conn-2`` of bob in g, ``conn-3`` of nobody in h."""
    return [
        await service.connect(sub="ana", groups=["g", "h"]),
        await service.connect(sub="bob", groups="g"),
        await service.connect(groups="h"),
    ]


async def assert_reached(sockets: list[Socket], wanted: set[int]) -> None:
    for number, socket in enumerate(sockets, 1):
        if number in wanted:
            assert (await socket.frame())["data"] == "x"
        await socket.assert_alive()


@pytest.mark.parametrize(
    ("path", "condition", "reached"),
    [
        ("/:send", "userId eq 'ana'", {1}),
        ("/:send", "userId eq null", {3}),
        ("/:send", "userId ne 'ana' and 'g' in groups", {2}),
        ("/:send", "'h' in groups and not('g' in groups)", {3}),
        ("/:send", "connectionId in ('conn-1', 'conn-3')", {1, 3}),
        ("/:send", "protocol eq 'json.webpubsub.azure.v1'", {1, 2, 3}),
        ("/:send?excluded=conn-1", "'h' in groups", {3}),
        ("/groups/g/:send", "'h' in groups", {1}),
        ("/groups/g/:send?excluded=conn-1", "'h' in groups", set()),
        ("/users/ana/:send", "'g' in groups", {1}),
        ("/users/ana/:send", "'g' in groups and false", set()),
        # Neither is a parameter of these operations.
        ("/users/ana/:send?excluded=conn-1", "true", {1}),
        ("/connections/conn-1/:send?excluded=conn-1", "false", {1}),
    ],
)
async def test_a_message_reaches_the_receivers_that_path_and_filter_name(
    service: Service, path: str, condition: str, reached: set[int]
) -> None:
    sockets = await three(service)
    joint = "&" if "?" in path else "?"
    assert (await service.rest("POST", f"{path}{joint}filter={quote(condition)}", body=b"x"))[0] == 202
    await assert_reached(sockets, reached)


@pytest.mark.parametrize("path", ["/:send", "/groups/g/:send", "/users/ana/:send"])
async def test_a_wrong_filter_is_400_and_nobody_gets_anything(service: Service, path: str) -> None:
    sockets = await three(service)
    status, _, problem = await service.rest("POST", f"{path}?filter=userId%20lt%201", body=b"x")
    message = "Invalid syntax for 'userId lt 1': Type 'string', expect 'int'. (Parameter 'filter')"
    assert (status, problem["message"]) == (400, message)
    await assert_reached(sockets, set())


# The service's answer to the byte, as recorded in the tests of its SDK for JavaScript.
REFUSAL = (
    """{"code":"Error.BadRequest","message":"%s","target":"%s","errors":{"%s":["%s"]},"type":null,"""
    """"title":"One or more validation errors occurred.","status":400,"detail":null,"instance":null,"extensions":{}}"""
)
MESSAGE = "Invalid syntax for 'invalid filter': Syntax error at position 14 in 'invalid filter'. (Parameter 'filter')"


@pytest.mark.parametrize(
    ("path", "body", "target"),
    [
        ("/:send?filter=invalid%20filter", b"{}", "filter"),
        ("/:addToGroups", b'{"groups":["g"],"filter":"invalid filter"}', "Filter"),
    ],
)
async def test_the_refusal_is_the_service_s_own(service: Service, path: str, body: bytes, target: str) -> None:
    url = URL(f"{service.url}/api/hubs/chat{path}", encoded=True)
    headers = {"Authorization": f"Bearer {sign({'aud': str(url)})}", "Content-Type": JSON}
    async with service.session.post(url, data=body, headers=headers) as answer:
        assert (answer.status, await answer.text()) == (400, REFUSAL % (MESSAGE, target, target, MESSAGE))
        assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
        assert answer.headers["x-ms-error-code"] == "Error.BadRequest"


async def test_a_filter_is_checked_before_the_body_is_there(service: Service) -> None:
    url = URL(f"{service.url}/api/hubs/chat/:send")
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    head = f"POST {url.path}?filter=x%20y HTTP/1.1\r\nHost: {url.authority}\r\nContent-Length: 9\r\n"
    writer.write(f"{head}Authorization: Bearer {sign({'aud': str(url)})}\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)).split()[1] == b"400"
    writer.close()


async def test_a_filter_is_asked_when_the_body_has_arrived(service: Service) -> None:
    async def body() -> Any:
        yield b"x"
        await service.rest("PUT", "/groups/late/connections/conn-1")
        yield b"y"

    socket = await service.connect()
    path = "/:send?filter='late'%20in%20groups"
    assert (await service.rest("POST", path, body=body(), headers={"Content-Length": "2"}))[0] == 202
    assert (await socket.frame())["data"] == "xy"


async def test_who_connects_while_the_body_arrives_is_reached(service: Service) -> None:
    sockets: list[Socket] = []

    async def body() -> Any:
        yield b"x"
        sockets.append(await service.connect())
        yield b"y"

    assert (await service.rest("POST", "/:send", body=body(), headers={"Content-Length": "2"}))[0] == 202
    assert (await sockets[0].frame())["data"] == "xy"


def members(*names: str, condition: object = None) -> bytes:
    return json.dumps({"groups": names, "filter": condition}).encode()


@pytest.mark.parametrize(
    ("condition", "joined"),
    [(None, {1, 2, 3}), ("", {1, 2, 3}), ("userId eq 'ana'", {1}), ("'g' in groups", {1, 2}), ("false", set())],
)
async def test_groups_in_bulk(service: Service, condition: str | None, joined: set[int]) -> None:
    await three(service)
    body = members("new", "newer", condition=condition)
    for operation, expected in (("/:addToGroups", joined), ("/:removeFromGroups", set())):
        assert (await service.rest("POST", operation, body=body, content_type=JSON))[0] == 200
        for group in ("new", "newer"):
            _, _, page = await service.rest("GET", f"/groups/{group}/connections")
            assert [member["connectionId"] for member in page["value"]] == [f"conn-{n}" for n in sorted(expected)]


async def test_a_bulk_change_asks_each_connection_once(service: Service) -> None:
    await three(service)
    # Asked again after the first group, it would say no to the second.
    body = members("new", "newer", condition="not ('new' in groups)")
    await service.rest("POST", "/:addToGroups", body=body, content_type=JSON)
    _, _, page = await service.rest("GET", "/groups/newer/connections")
    assert len(page["value"]) == 3


async def test_the_keys_of_the_body_are_read_in_any_case(service: Service) -> None:
    ana, bob = await service.connect(sub="ana"), await service.connect(sub="bob")
    body = b'{"Groups":["g"],"FILTER":"userId eq \'ana\'"}'
    assert (await service.rest("POST", "/:addToGroups", body=body, content_type=JSON))[0] == 200
    await service.rest("POST", "/groups/g/:send", body=b"x")
    assert (await ana.frame())["data"] == "x"
    await bob.assert_alive()


@pytest.mark.parametrize("operation", ["/:addToGroups", "/:removeFromGroups"])
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", JSON, 400),
        (b"x", JSON, 400),
        (b"[]", JSON, 400),
        (b"{}", JSON, 400),
        (b'{"groups":"g"}', JSON, 400),
        (b'{"groups":[]}', JSON, 400),
        (b'{"groups":[1]}', JSON, 400),
        (b'{"groups":["g"," "]}', JSON, 400),
        (b'{"groups":["\\ud800"]}', JSON, 400),
        (b'{"groups":["g"],"filter":"x y"}', JSON, 400),
        (b'{"groups":["g"],"filter":"\\ud800"}', JSON, 400),
        (b'{"groups":["g"],"filter":true}', JSON, 400),
        (members("g", condition=f"userId eq '{'a' * 70_000}'"), JSON, 400),
        (members("g"), None, 415),
        (members("g"), "text/plain", 415),
        (members("g"), "text/html", 415),
        (members("g"), "application/json; charset=utf-8", 200),
        (members(*(f"g{number}" for number in range(2000))), JSON, 200),
        (members("g", condition="userId in (" + ",".join(f"'user{n}'" for n in range(5000)) + ")"), JSON, 200),
    ],
)
async def test_a_bulk_change_has_its_status(
    service: Service, operation: str, body: bytes, content_type: str | None, status: int
) -> None:
    await service.connect()
    assert (await service.rest("POST", operation, body=body, content_type=content_type))[0] == status
    if status != 200:
        assert (await service.rest("HEAD", "/groups/g"))[0] == 404
