"""One call through the host: what of the request reaches a function, and what becomes of its answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func
import pytest

from local.functions_host import FunctionsHost, PortTakenError
from local.functions_host.settings import HostSettings
from tests.host.raw_http import SECONDS, Answer, ask, exchange, parse

MIB = 1024 * 1024
SECRET = "a-key-nobody-may-see"


class Recorder:
    """An app of one function ``x`` for every method, which keeps its requests and answers 200."""

    def __init__(self, auth_level: func.AuthLevel = func.AuthLevel.ANONYMOUS) -> None:
        self.requests: list[func.HttpRequest] = []
        self.app = func.FunctionApp(http_auth_level=auth_level)
        self.app.route("x")(self._make())

    def _make(self) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
        async def x(req: func.HttpRequest) -> func.HttpResponse:
            self.requests.append(req)
            return func.HttpResponse("seen")

        return x

    @property
    def request(self) -> func.HttpRequest:
        (request,) = self.requests
        return request


async def seen(method: str, target: str, **more: Any) -> func.HttpRequest:
    """Give what a function sees of a request."""
    recorder = Recorder()
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, method, target, **more)).status == 200
    return recorder.request


def returning(make: Callable[[], object]) -> func.FunctionApp:
    """Make an app whose function ``x`` gives whatever this gives."""
    app = func.FunctionApp()

    @app.route("x")
    async def x(req: func.HttpRequest) -> Any:
        assert req.method
        return make()

    return app


async def answered(make: Callable[[], object], **settings: Any) -> Answer:
    async with FunctionsHost(returning(make), settings=HostSettings(**settings)) as host:
        return await ask(host, "GET", "/api/x")


# --- requests


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&b=2&a=3", {"a": "1,3", "b": "2"}),
        ("a=&b=2", {"b": "2"}),
        ("a&b=2", {"b": "2"}),
        ("a=1+2&b=%2B%20%26", {"a": "1 2", "b": "+ &"}),
        ("a=%C3%A9&%C3%A9=1", {"a": "é", "é": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=/?", {"a": "/?"}),
    ],
)
async def test_the_query_as_a_function_sees_it(query: str, parameters: Mapping[str, str]) -> None:
    assert dict((await seen("GET", f"/api/x?{query}")).params) == parameters


async def test_header_names_are_lower_case_and_look_ups_have_no_case() -> None:
    request = await seen("GET", "/api/x", headers=[("X-MiXed", "Value")])
    assert "x-mixed" in list(request.headers)
    assert request.headers["X-MIXED"] == "Value"


async def test_repeated_headers_are_joined_with_a_bare_comma() -> None:
    request = await seen("GET", "/api/x", headers=[("X-A", "1"), ("x-a", "2"), ("X-A", "3, 4")])
    assert request.headers["x-a"] == "1,2,3, 4"


async def test_an_empty_header_is_kept() -> None:
    assert (await seen("GET", "/api/x", headers=[("X-A", "")])).headers["x-a"] == ""


async def test_header_values_are_utf_8() -> None:
    assert (await seen("GET", "/api/x", headers=[("X-A", "é")])).headers["x-a"] == "é"


async def test_a_header_that_is_not_utf_8_is_a_bad_request() -> None:
    recorder = Recorder()
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, "GET", "/api/x", [("X-A", b"caf\xe9")])).status == 400
    assert not recorder.requests


async def test_a_path_beyond_ascii_is_a_bad_request() -> None:
    recorder = Recorder()
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, "GET", "/api/x?a=é")).status == 400
    assert not recorder.requests


async def test_the_url_is_the_whole_one_with_its_query() -> None:
    assert (await seen("GET", "/api/x?code=1&a=%20")).url == "http://localhost:7071/api/x?code=1&a=%20"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream"])
async def test_a_body_is_bytes_whatever_its_type(content_type: str) -> None:
    request = await seen("POST", "/api/x", headers=[("Content-Type", content_type)], body=b'{"a": 1}')
    assert request.get_body() == b'{"a": 1}'
    assert request.get_json() == {"a": 1}


async def test_a_request_without_a_body_has_empty_bytes() -> None:
    assert (await seen("POST", "/api/x")).get_body() == b""


async def test_a_body_beyond_a_mebibyte_arrives_whole() -> None:
    body = bytes(range(256)) * (5 * MIB // 256)
    assert (await seen("POST", "/api/x", body=body)).get_body() == body


async def test_a_compressed_body_stays_compressed() -> None:
    body = gzip.compress(b"text")
    assert (await seen("POST", "/api/x", headers=[("Content-Encoding", "gzip")], body=body)).get_body() == body


async def test_the_body_of_a_chunked_request_is_empty() -> None:
    recorder = Recorder()
    head = b"POST /api/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with FunctionsHost(recorder.app) as host:
        received = await exchange(host, head + b"5\r\nhello\r\n0\r\n\r\n")
    assert parse("POST", received).status == 200
    assert recorder.request.get_body() == b""


async def test_a_body_beyond_the_limit_is_413_before_it_is_read() -> None:
    recorder = Recorder()
    head = f"POST /api/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {100 * MIB + 1}\r\n\r\n"
    async with FunctionsHost(recorder.app) as host, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(host.url).port)
        writer.write(head.encode())
        answer = parse("POST", await reader.readuntil(b"\r\n\r\n"))
        writer.close()
    assert (answer.status, answer["Content-Length"]) == (413, "0")
    assert not recorder.requests


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    recorder = Recorder()
    head = b"POST /api/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with FunctionsHost(recorder.app) as host, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(host.url).port)
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert parse("POST", await reader.read()).status == 200
        writer.close()
    assert recorder.request.get_body() == b"hello"


@pytest.mark.parametrize("level", [func.AuthLevel.FUNCTION, func.AuthLevel.ADMIN])
async def test_keys_are_not_asked_for(level: func.AuthLevel) -> None:
    recorder = Recorder(level)
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, "GET", "/api/x")).status == 200
        assert (await ask(host, "GET", "/api/x?code=wrong", [("x-functions-key", "wrong")])).status == 200


# --- the host's own pages


async def test_the_home_page_says_that_the_app_runs() -> None:
    async with FunctionsHost(Recorder().app) as host:
        answer = await ask(host, "GET", "/")
    assert (answer.status, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"up and running" in answer.body


async def test_the_status_page_says_that_the_host_runs() -> None:
    async with FunctionsHost(Recorder().app) as host:
        answer = await ask(host, "GET", "/admin/host/status")
    assert json.loads(answer.body)["state"] == "Running"


async def test_an_unknown_path_is_404_with_an_empty_body() -> None:
    async with FunctionsHost(Recorder().app) as host:
        answer = await ask(host, "GET", "/api/nothing")
    assert (answer.status, answer.body) == (404, b"")


# --- responses


async def test_status_body_and_headers_are_the_functions() -> None:
    answer = await answered(lambda: func.HttpResponse(b"\x00\xff", status_code=418, headers={"X-CaSe": "Value"}))
    assert (answer.status, answer.body) == (418, b"\x00\xff")
    assert ("X-CaSe", "Value") in answer.headers


async def test_the_server_is_kestrel_and_the_date_is_told_once() -> None:
    answer = await answered(lambda: func.HttpResponse("text"))
    assert answer["Server"] == "Kestrel"
    assert answer["Date"].endswith("GMT")


@pytest.mark.parametrize(
    ("make", "content_type"),
    [
        (lambda: func.HttpResponse("text"), "text/plain; charset=utf-8"),
        (lambda: func.HttpResponse("text", mimetype="text/html"), "text/html; charset=utf-8"),
        (lambda: func.HttpResponse("{}", mimetype="application/json"), "application/json"),
        (lambda: func.HttpResponse("x", headers={"content-type": "image/png"}), "image/png"),
        (lambda: func.HttpResponse(status_code=204), "text/plain; charset=utf-8"),
    ],
)
async def test_the_content_type_is_the_sdks(make: Callable[[], func.HttpResponse], content_type: str) -> None:
    assert (await answered(make))["Content-Type"] == content_type


async def test_a_body_goes_out_in_chunks() -> None:
    answer = await answered(lambda: func.HttpResponse("text"))
    assert (answer["Transfer-Encoding"], answer.every("Content-Length")) == ("chunked", [])


async def test_a_function_may_tell_the_right_length_itself() -> None:
    answer = await answered(with_a_header("content-length", "4"))
    assert (answer["Content-Length"], answer.every("Transfer-Encoding"), answer.body) == ("4", [], b"text")


async def test_an_empty_body_has_a_length_of_zero() -> None:
    answer = await answered(lambda: func.HttpResponse(status_code=200))
    assert (answer["Content-Length"], answer.every("Transfer-Encoding")) == ("0", [])


async def test_a_client_of_http_1_0_gets_the_body_too() -> None:
    async with FunctionsHost(returning(lambda: func.HttpResponse("text"))) as host:
        answer = parse("GET", await exchange(host, b"GET /api/x HTTP/1.0\r\nHost: h\r\n\r\n"))
    assert (answer.status, answer.body) == (200, b"text")


async def test_of_a_repeated_header_the_last_value_wins() -> None:
    def make() -> func.HttpResponse:
        response = func.HttpResponse("text")
        response.headers.add("X-A", "first")
        response.headers.add("x-a", "last")
        return response

    assert (await answered(make)).every("X-A") == ["last"]


async def test_cookies_may_repeat() -> None:
    def make() -> func.HttpResponse:
        response = func.HttpResponse("text")
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    assert (await answered(make)).every("Set-Cookie") == ["a=1", "b=2"]


def failing() -> object:
    raise RuntimeError("inner text")


def with_a_header(name: str, value: str) -> Callable[[], func.HttpResponse]:
    def make() -> func.HttpResponse:
        response = func.HttpResponse("text")
        response.headers.add(name, value)
        return response

    return make


@pytest.mark.parametrize(
    "make",
    [
        failing,
        lambda: None,
        lambda: b"bytes",
        lambda: {"a": 1},
        lambda: func.HttpResponse("x", status_code=204),
        lambda: func.HttpResponse("x", status_code=304),
        with_a_header("X-A", "é"),
        with_a_header("X-A", "a\x01b"),
        with_a_header("X-A", "a\x7fb"),
        with_a_header("X A", "b"),
        with_a_header("X-é", "b"),
        with_a_header("", "b"),
        with_a_header("Set-Cookie", "a=é"),
        with_a_header("Content-Length", "5"),
        with_a_header("Transfer-Encoding", "chunked"),
    ],
)
async def test_what_the_host_cannot_send_is_500_with_an_empty_body(make: Callable[[], object]) -> None:
    answer = await answered(make)
    assert (answer.status, answer.body) == (500, b"")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_is_fine_without_one(status: int) -> None:
    answer = await answered(lambda: func.HttpResponse(status_code=status))
    assert (answer.status, answer.body) == (status, b"")


async def test_the_traceback_of_a_failed_function_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await answered(failing)
    assert re.search(r"Executed 'Functions\.x' \(Failed, Id=[0-9a-f-]{36}\)", caplog.text)
    assert "RuntimeError: inner text" in caplog.text


async def test_the_host_serves_on_after_a_failure() -> None:
    async with FunctionsHost(returning(failing)) as host:
        assert [(await ask(host, "GET", "/api/x")).status for _ in range(2)] == [500, 500]
        assert (await ask(host, "GET", "/")).status == 200


@pytest.mark.parametrize(
    ("text", "body"), [("text", b"text"), ('{"a":1}', b'{\n  "a": 1\n}'), ("[1", b"[1"), ("7", b"7")]
)
async def test_a_function_may_return_str_and_json_in_it_is_indented(text: str, body: bytes) -> None:
    answer = await answered(lambda: text)
    assert (answer.status, answer.body) == (200, body)


async def test_custom_headers_are_on_every_answer() -> None:
    async with FunctionsHost(returning(failing), settings=HostSettings(custom_headers={"X-C": "host"})) as host:
        answers = [await ask(host, "GET", target) for target in ("/api/x", "/api/nothing", "/")]
    assert [answer.every("X-C") for answer in answers] == [["host"]] * 3


async def test_the_functions_own_value_of_a_custom_header_wins() -> None:
    answer = await answered(with_a_header("x-c", "function"), custom_headers={"X-C": "host"})
    assert answer.every("X-C") == ["function"]


# --- CORS


async def preflight(recorder: Recorder, headers: Mapping[str, str], **settings: Any) -> Answer:
    async with FunctionsHost(recorder.app, settings=HostSettings(**settings)) as host:
        return await ask(host, "OPTIONS", "/api/x", headers.items())


PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
ANY = frozenset({"*"})
TWO = frozenset({"https://a.example", "https://b.example"})


async def test_a_preflight_is_answered_without_the_function() -> None:
    recorder = Recorder()
    asked = PREFLIGHT | {"Access-Control-Request-Headers": "x-one, x-two"}
    answer = await preflight(recorder, asked, cors_origins=ANY)
    assert (answer.status, answer.body) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Access-Control-Allow-Methods"] == "PUT"
    assert answer["Access-Control-Allow-Headers"] == "x-one, x-two"
    assert not recorder.requests


@pytest.mark.parametrize("missing", list(PREFLIGHT))
async def test_options_with_one_of_the_two_headers_reaches_the_function(missing: str) -> None:
    recorder = Recorder()
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    assert (await preflight(recorder, headers, cors_origins=ANY)).body == b"seen"
    assert recorder.request.method == "OPTIONS"


async def test_a_preflight_reaches_the_function_where_cors_is_not_configured() -> None:
    recorder = Recorder()
    answer = await preflight(recorder, PREFLIGHT)
    assert (answer.status, answer.every("Access-Control-Allow-Origin")) == (200, [])
    assert recorder.request.method == "OPTIONS"


async def test_a_preflight_from_another_origin_is_answered_with_nothing_allowed() -> None:
    recorder = Recorder()
    answer = await preflight(recorder, PREFLIGHT | {"Origin": "https://c.example"}, cors_origins=TWO)
    assert answer.status == 204
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
    assert not recorder.requests


async def test_each_of_several_origins_is_allowed_by_name() -> None:
    for origin in sorted(TWO):
        answer = await preflight(Recorder(), PREFLIGHT | {"Origin": origin}, cors_origins=TWO)
        assert (answer["Access-Control-Allow-Origin"], answer["Vary"]) == (origin, "Origin")
        assert not answer.every("Access-Control-Allow-Credentials")


async def test_credentials_are_allowed_to_a_named_origin() -> None:
    answer = await preflight(Recorder(), PREFLIGHT, cors_origins=TWO, cors_credentials=True)
    assert answer["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer["Access-Control-Allow-Credentials"] == "true"


async def test_credentials_are_not_allowed_to_any_origin() -> None:
    answer = await preflight(Recorder(), PREFLIGHT, cors_origins=ANY, cors_credentials=True)
    assert not answer.every("Access-Control-Allow-Credentials")


@pytest.mark.parametrize("target", ["/api/x", "/api/nothing"])
async def test_a_simple_request_is_answered_with_its_origin_allowed(target: str) -> None:
    async with FunctionsHost(Recorder().app, settings=HostSettings(cors_origins=TWO)) as host:
        allowed = await ask(host, "GET", target, [("Origin", "https://b.example")])
        other = await ask(host, "GET", target, [("Origin", "https://c.example")])
        none = await ask(host, "GET", target)
    assert allowed["Access-Control-Allow-Origin"] == "https://b.example"
    assert not other.every("Access-Control-Allow-Origin")
    assert not none.every("Access-Control-Allow-Origin")


# --- calls


async def test_sync_functions_run_beside_each_other_and_async_ones_go_on() -> None:
    """As many as `func` allows at the least: 64 sync calls meet, which none of them could alone."""
    together = threading.Barrier(65)
    app = func.FunctionApp()

    @app.route("sync")
    def sync(req: func.HttpRequest) -> func.HttpResponse:
        together.wait(SECONDS)
        return func.HttpResponse(req.method)

    @app.route("async")
    async def coroutine(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.method)

    async with FunctionsHost(app) as host:
        waiting = [asyncio.create_task(ask(host, "GET", "/api/sync")) for _ in range(64)]
        assert (await ask(host, "GET", "/api/async")).status == 200
        assert not any(task.done() for task in waiting)
        await asyncio.to_thread(together.wait, SECONDS)
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}


async def test_the_context_names_the_function_and_each_invocation() -> None:
    contexts: list[func.Context] = []
    app = func.FunctionApp()

    @app.route("x")
    async def named(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        contexts.append(context)
        return func.HttpResponse(req.method)

    async with FunctionsHost(app) as host:
        for _ in range(2):
            assert (await ask(host, "GET", "/api/x")).status == 200
    assert {context.function_name for context in contexts} == {"named"}
    assert len({context.invocation_id for context in contexts}) == 2


async def test_a_call_in_flight_is_answered_before_the_host_stops() -> None:
    entered, release = asyncio.Event(), asyncio.Event()
    app = func.FunctionApp()

    @app.route("x")
    async def x(req: func.HttpRequest) -> func.HttpResponse:
        entered.set()
        await release.wait()
        return func.HttpResponse(req.method)

    async with asyncio.timeout(SECONDS):
        async with FunctionsHost(app) as host:
            call = asyncio.create_task(ask(host, "GET", "/api/x"))
            await entered.wait()
            asyncio.get_running_loop().call_soon(release.set)
        assert (await call).body == b"GET"


# --- what the log holds


@pytest.mark.parametrize("make", [lambda: func.HttpResponse("text"), failing])
async def test_the_log_holds_neither_query_nor_headers(
    make: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with FunctionsHost(returning(make)) as host:
            await ask(host, "GET", f"/api/x?code={SECRET}", [("Authorization", f"Bearer {SECRET}")])
            await ask(host, "GET", f"/api/nothing?code={SECRET}")
    assert "Executing 'Functions.x'" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "sent",
    [
        f"GET /api/x?code={SECRET} with spaces HTTP/1.1\r\nHost: h\r\n\r\n",
        f"GET /api/x?code={SECRET} HTTP/1.1\r\nno colon {SECRET}\r\n\r\n",
        f"GET /api/x?code={SECRET} HTTP/9.9\r\nHost: h\r\n\r\n",
        f"GET /api/x?code={SECRET}{'x' * 9_000} HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
async def test_malformed_http_is_a_bad_request_and_not_in_the_log(sent: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with FunctionsHost(Recorder().app) as host:
            assert (await exchange(host, sent.encode())).startswith(b"HTTP/1.0 400 ")
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


# --- where it listens


async def test_a_taken_port_is_an_error_that_names_port_and_flag() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port} is taken.*--port"):
            await FunctionsHost(Recorder().app, port=port).__aenter__()


async def test_the_port_is_free_after_the_host_stopped() -> None:
    async with FunctionsHost(Recorder().app) as host:
        port = urlsplit(host.url).port or 0
    async with FunctionsHost(Recorder().app, port=port) as host:
        assert (await ask(host, "GET", "/api/x")).body == b"seen"
