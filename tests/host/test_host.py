"""The host as a whole: its own pages, how it calls functions, what it logs, where it listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import azure.functions as func
import pytest

from local.exceptions import HostPortTakenError
from local.functions_host import FunctionsHost
from tests.host.apps import Recorder, failing, returning
from tests.host.raw_http import ask, exchange
from tests.patience import PATIENCE_SECONDS

SECRET = "a-key-nobody-may-see"


async def test_the_home_page_says_that_the_app_runs() -> None:
    async with FunctionsHost(Recorder().app) as host:
        answer = await ask(host, "GET", "/")
    assert (answer.status, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"up and running" in answer.body


async def test_the_home_page_of_an_app_with_the_demo_leads_to_it() -> None:
    app = func.FunctionApp()

    @app.route("demo/{*file}")
    async def demo(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.method)

    async with FunctionsHost(app) as host:
        answer = await ask(host, "GET", "/")
        assert (await ask(host, "GET", answer["Location"])).status == 200
    assert (answer.status, answer["Location"]) == (302, "/api/demo/")


async def test_the_status_page_says_that_the_host_runs() -> None:
    async with FunctionsHost(Recorder().app) as host:
        answer = await ask(host, "GET", "/admin/host/status")
    assert json.loads(answer.body)["state"] == "Running"


async def test_an_unknown_path_is_404_with_an_empty_body() -> None:
    async with FunctionsHost(Recorder().app) as host:
        answer = await ask(host, "GET", "/api/nothing")
    assert (answer.status, answer.body) == (404, b"")


async def test_sync_functions_run_beside_each_other_and_async_ones_go_on() -> None:
    """As many as ``func`` allows at the least: 64 sync calls meet, which none of them could alone."""
    together = threading.Barrier(65)
    app = func.FunctionApp()

    @app.route("sync")
    def sync(req: func.HttpRequest) -> func.HttpResponse:
        together.wait(PATIENCE_SECONDS)
        return func.HttpResponse(req.method)

    @app.route("async")
    async def coroutine(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.method)

    async with FunctionsHost(app) as host:
        waiting = [asyncio.create_task(ask(host, "GET", "/api/sync")) for _ in range(64)]
        assert (await ask(host, "GET", "/api/async")).status == 200
        assert not any(task.done() for task in waiting)
        await asyncio.to_thread(together.wait, PATIENCE_SECONDS)
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

    async def release_when_closed(port: int | None) -> None:
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
        for _ in range(1000):  # turns of the loop in which an impatient host would cut the call off
            await asyncio.sleep(0)
        release.set()

    async with asyncio.timeout(PATIENCE_SECONDS):
        async with FunctionsHost(app) as host:
            call = asyncio.create_task(ask(host, "GET", "/api/x"))
            await entered.wait()
            releasing = asyncio.create_task(release_when_closed(urlsplit(host.url).port))
        await releasing
        assert (await call).body == b"GET"


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


async def test_a_taken_port_is_an_error_that_names_port_and_flag() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HostPortTakenError, match=rf"port {port} is taken.*--port"):
            await FunctionsHost(Recorder().app, port=port).__aenter__()


async def test_the_port_is_free_after_the_host_stopped() -> None:
    async with FunctionsHost(Recorder().app) as host:
        port = urlsplit(host.url).port or 0
    async with FunctionsHost(Recorder().app, port=port) as host:
        assert (await ask(host, "GET", "/api/x")).body == b"seen"
