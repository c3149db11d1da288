"""The same event handler mounted in Starlette and FastAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.patience import PATIENCE_SECONDS
from tests.wire import ACCESS_KEY, event
from webpubsub_handler import (
    MAX_BODY_BYTES,
    AccessKeyAuthenticator,
    ConfigurationError,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.asgi import AsgiEventHandler, mount


def make_handler() -> WebPubSubEventHandler:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["localhost"])

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse:
        request.context.state["seen"] = True
        return UserEventResponse(f"{request.context.user_id}: {request.data}")

    return handler


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[Mount("/eventhandler", AsgiEventHandler(make_handler()))]))


def mounted(app: Starlette) -> Starlette:
    mount(app, "/eventhandler", make_handler())
    return app


def mounted_with_a_slash(app: Starlette) -> Starlette:
    mount(app, "/eventhandler/", make_handler())
    return app


def with_one_route(app: Starlette) -> Starlette:
    # Starlette's types know no ASGI application here, though it takes one.
    app.add_route("/eventhandler{event:path}", AsgiEventHandler(make_handler()))  # type: ignore[arg-type]
    return app


def with_a_route_and_a_mount(app: Starlette) -> Starlette:
    app.add_route("/eventhandler", AsgiEventHandler(make_handler()))  # type: ignore[arg-type]
    app.mount("/eventhandler", AsgiEventHandler(make_handler()))
    return app


@pytest.mark.parametrize("path", ["/eventhandler", "/eventhandler/", "/eventhandler/message", "/eventhandler/a/b"])
@pytest.mark.parametrize("make_app", [Starlette, FastAPI])
@pytest.mark.parametrize("add", [mounted, mounted_with_a_slash, with_one_route, with_a_route_and_a_mount])
def test_every_path_is_answered_alike_and_none_by_a_redirect(
    add: Callable[[Starlette], Starlette], make_app: type[Starlette], path: str
) -> None:
    client = TestClient(add(make_app()), follow_redirects=False)
    request = event("user_text")

    response = client.post(path, headers=list(request.headers), content=request.body)
    consent = client.options(path, headers={"WebHook-Request-Origin": "localhost"})

    assert (response.status_code, response.text) == (200, "ana: Grüße, 世界 👋")
    assert consent.headers["webhook-allowed-origin"] == "localhost"
    assert client.get(path).status_code == 405


def test_a_handler_can_be_mounted_at_the_root() -> None:
    app = Starlette()
    mount(app, "/", make_handler())

    for path in ("/", "/validate"):
        assert TestClient(app).options(path, headers={"WebHook-Request-Origin": "localhost"}).status_code == 200


def test_the_bare_path_of_a_mount_of_starlette_s_own_is_still_a_redirect() -> None:
    # The router decides before it asks the mounted application: this is why there is `mount`. Should this fail one day,
    # `mount` has had its time.
    app = Starlette()
    app.mount("/eventhandler", AsgiEventHandler(make_handler()))

    assert TestClient(app, follow_redirects=False).post("/eventhandler").status_code == 307


@pytest.mark.parametrize("path", ["/eventhandler/{event}", "/eventhandler/{event:path}", "eventhandler"])
def test_a_path_that_is_not_a_path_is_an_error_that_shows_one(path: str) -> None:
    app = Starlette()

    with pytest.raises(ConfigurationError, match=r'mount\(app, "/eventhandler", handler\)'):
        mount(app, path, make_handler())

    assert app.routes == []


def test_another_path_that_begins_alike_is_not_the_event_handler_s() -> None:
    client = TestClient(mounted(Starlette()))

    assert client.options("/eventhandlers", headers={"WebHook-Request-Origin": "localhost"}).status_code == 404


def test_what_is_empty_in_chunks_is_refused_as_what_was_lost(client: TestClient) -> None:
    request = event("user_text")
    response = client.post("/eventhandler/x", headers=list(request.headers), content=iter([]))

    assert response.status_code == 411


def test_an_event_is_answered_with_body_and_state(client: TestClient) -> None:
    request = event("user_text")
    response = client.post("/eventhandler/message", headers=list(request.headers), content=request.body)
    assert response.status_code == 200
    assert response.text == "ana: Grüße, 世界 👋"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["ce-connectionstate"]


@pytest.mark.parametrize("path", ["/eventhandler/", "/eventhandler/validate", "/eventhandler/a/b"])
def test_every_path_below_the_mount_is_the_event_handler(client: TestClient, path: str) -> None:
    response = client.options(path, headers={"WebHook-Request-Origin": "localhost"})
    assert response.status_code == 200
    assert response.headers["webhook-allowed-origin"] == "localhost"


def test_repeated_header_lines_all_count(client: TestClient) -> None:
    request = event("user_text")
    signature = request.headers.get("ce-signature") or ""
    fields = [(name, value) for name, value in request.headers if name != "ce-signature"]
    fields += [("ce-signature", "sha256=00"), ("ce-signature", signature.partition(",")[0])]
    assert client.post("/eventhandler/x", headers=fields, content=request.body).status_code == 200


def test_raw_utf_8_in_a_header_is_read_as_such(client: TestClient) -> None:
    request = event("user_text", headers={"ce-userId": None})
    fields = [(name.encode(), value.encode()) for name, value in request.headers]
    fields.append((b"ce-userid", "世界".encode()))
    response = client.post("/eventhandler/x", headers=fields, content=b"hi")
    assert response.text == "世界: hi"


def test_a_body_that_comes_in_pieces_arrives_whole(client: TestClient) -> None:
    request = event("user_text")
    pieces = iter([b"a", b"b", b"c"])
    response = client.post("/eventhandler/x", headers=list(request.headers), content=pieces)
    assert response.text == "ana: abc"


def test_a_body_over_the_limit_is_413_without_being_read_to_its_end(client: TestClient) -> None:
    request = event("user_text")
    body = b"x" * (MAX_BODY_BYTES + 1)
    assert client.post("/eventhandler/x", headers=list(request.headers), content=body).status_code == 413


def test_nothing_to_say_is_204_without_a_body(client: TestClient) -> None:
    request = event("connected")
    response = client.post("/eventhandler/connected", headers=list(request.headers), content=request.body)
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers


async def test_what_is_not_http_is_refused() -> None:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["localhost"])

    async def receive() -> dict[str, object]:
        raise AssertionError

    async def send(_: object) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="websocket"):
        await AsgiEventHandler(handler)({"type": "websocket"}, receive, send)


async def test_a_body_is_not_read_to_its_end_when_it_is_too_large_already() -> None:
    application = AsgiEventHandler(
        WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"])
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await application({"type": "http", "method": "POST", "headers": []}, receive, send)

    assert sent[0]["status"] == 413


async def test_a_body_that_reaches_the_limit_before_its_last_piece_is_not_taken_for_whole() -> None:
    request = event("user_text")
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    pieces = iter([(b"x" * MAX_BODY_BYTES, True), (b"x", False)])
    sent: list[Any] = []

    async def receive() -> Any:
        body, more_body = next(pieces)
        return {"type": "http.request", "body": body, "more_body": more_body}

    async def send(message: Any) -> None:
        sent.append(message)

    await AsgiEventHandler(make_handler())({"type": "http", "method": "POST", "headers": headers}, receive, send)

    assert sent[0]["status"] == 413


async def test_an_event_whose_caller_goes_away_before_its_end_reaches_no_function() -> None:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["localhost"])
    seen: list[str] = []
    handler.on_user_event("message")(lambda request: seen.append(request.data))
    request = event("user_text")
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    messages = iter([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(_: object) -> None:
        raise AssertionError

    await AsgiEventHandler(handler)({"type": "http", "method": "POST", "headers": headers}, receive, send)

    assert seen == []
