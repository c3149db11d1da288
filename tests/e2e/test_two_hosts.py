"""Two Functions hosts on one table: processes that share nothing but storage and service do what one does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest_asyncio
from aiohttp import web

from local.azurite import Azurite, free_port
from tests.e2e.conftest import ACCESS_KEY, System
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import EventHandler

ROOT = Path(__file__).resolve().parents[2]


class Front:
    """Hands the service's requests to the hosts in turn, as the platform does that scales out.

    ``handled`` counts the messages of each host; with ``delivers_twice`` each message goes to both, one by one.
    """

    def __init__(self, hosts: list[str], http: aiohttp.ClientSession) -> None:
        self.hosts = hosts
        self.handled = dict.fromkeys(hosts, 0)
        self.delivers_twice = False
        self._http = http
        self._turns = itertools.cycle(hosts)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        hosts = [next(self._turns) for _ in self.hosts if self.delivers_twice] or [next(self._turns)]
        for host in hosts:
            self.handled[host] += "user" in request.headers.get("ce-type", "")
            headers = [(name, value) for name, value in request.headers.items() if name.lower() != "host"]
            async with self._http.request(
                request.method, f"{host}{request.raw_path}", data=body or None, headers=headers
            ) as answer:
                kept = {
                    name: value for name, value in answer.headers.items() if name.lower().startswith(("ce-", "web"))
                }
                response = web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    headers=kept,
                    content_type=answer.content_type,
                )
        return response


class TwoHosts:
    """Both hosts, seen from a client, and what is in front of them."""

    def __init__(self, systems: list[System], front: Front, processes: list[asyncio.subprocess.Process]) -> None:
        self.first, self.second = systems
        self.front = front
        self.processes = processes


async def start_host(stack: AsyncExitStack, storage: Azurite, service: str) -> tuple[str, asyncio.subprocess.Process]:
    port = free_port()
    settings = {
        "AzureWebJobsStorage": storage.connection_string,
        "WebPubSubConnectionString": service,
        "CLIENT_AUTH": "anonymous",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "local.functions_host", "--port", str(port), "--no-reload"),
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def end() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    return f"http://localhost:{port}", process


@pytest_asyncio.fixture
async def two_hosts(azurite: Azurite) -> AsyncIterator[TwoHosts]:
    port, front_port = free_port(), free_port()
    service = f"Endpoint=http://localhost:{port};AccessKey={ACCESS_KEY};Version=1.0;"
    handlers = {"chat": [EventHandler(f"http://localhost:{front_port}/api/eventhandler/{{event}}")]}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        started = [await start_host(stack, azurite, service) for _ in range(2)]
        urls, processes = [url for url, _ in started], [process for _, process in started]
        front = Front(urls, http)
        runner = web.ServerRunner(web.Server(front.answer))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "localhost", front_port).start()
        settings = EmulatorSettings(port=port, access_key=ACCESS_KEY, event_handlers=handlers, retry_delays=(0.05,))
        emulator = await stack.enter_async_context(Emulator(settings))
        for url in urls:
            await until_healthy(http, url)
        yield TwoHosts([System(url, emulator, http, {port: port}) for url in urls], front, processes)


async def until_healthy(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"{url}/api/health") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def test_what_one_host_stores_the_other_shows_in_the_order_in_which_it_was_sent(two_hosts: TwoHosts) -> None:
    ana, ben = await two_hosts.first.open("shared", "ana"), await two_hosts.second.open("shared", "ben")
    texts = [f"message {number}" for number in range(10)]
    for text in texts:
        ack, replies = await ana.send(text)
        assert (ack["success"], replies) == (True, [])
    heard = [(await ben.message())["data"] for _ in texts]
    first, second = await two_hosts.first.history("shared"), await two_hosts.second.history("shared")
    assert min(two_hosts.front.handled.values()) > 0
    assert heard == texts
    assert first == second
    assert [message["data"] for message in reversed(first)] == texts


async def test_an_event_that_both_hosts_are_sent_is_stored_once(two_hosts: TwoHosts) -> None:
    ana = await two_hosts.first.open("twice", "ana")
    two_hosts.front.delivers_twice = True
    for text in ("one", "two"):
        ack, _ = await ana.send(text)
        assert ack["success"]
    assert set(two_hosts.front.handled.values()) == {2}
    assert [message["data"] for message in await two_hosts.second.history("twice")] == ["two", "one"]


async def test_a_host_that_is_killed_takes_nothing_with_it(two_hosts: TwoHosts) -> None:
    ana = await two_hosts.first.open("left", "ana")
    for text in ("one", "two"):
        await ana.send(text)
    two_hosts.processes[0].kill()
    await two_hosts.processes[0].wait()
    two_hosts.front.hosts.remove(two_hosts.first.url)
    two_hosts.front._turns = itertools.cycle(two_hosts.front.hosts)
    ack, replies = await ana.send("three")
    assert (ack["success"], replies) == (True, [])
    history = await two_hosts.second.history("left")
    assert [message["data"] for message in history] == ["three", "two", "one"]
