"""What the emulator offers, used as its users do.

Nothing of this checkout is imported: ``test_wheel.py`` runs this file with the installed wheel alone, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aiohttp import web

import webpubsub_emulator as package
from webpubsub_emulator import (
    DEFAULT_ACCESS_KEY,
    Emulator,
    EmulatorError,
    EmulatorSettings,
    EventHandler,
    EventHandlerError,
    Fault,
    FaultError,
    FaultKind,
    PortTakenError,
    SettingsError,
)
from webpubsub_emulator.pytest_plugin import StartEmulator


def sign(audience: str, **claims: Any) -> str:
    claims |= {"aud": audience, "exp": time.time() + 600}
    return jwt.encode(claims, DEFAULT_ACCESS_KEY, algorithm="HS256")


def client_url(emulator: Emulator, user_id: str = "ana") -> str:
    url = f"{emulator.url}/client/hubs/chat"
    return f"{url}?access_token={sign(url, sub=user_id)}"


@pytest_asyncio.fixture
async def app_url() -> AsyncIterator[str]:
    """An app that consents to everybody and sends every message back."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=await request.text(), headers={"WebHook-Allowed-Origin": "*"})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/{{event}}"
    await runner.cleanup()


@pytest.fixture
def settings(app_url: str) -> EmulatorSettings:
    handlers = {"chat": [EventHandler(app_url, system_events=frozenset())]}
    return EmulatorSettings(port=0, event_handlers=handlers, retry_delays=(0.01,))


def test_what_is_exported_is_there() -> None:
    assert [name for name in package.__all__ if not hasattr(package, name)] == []


async def test_a_message_reaches_the_app_and_its_answer_the_client(
    webpubsub_emulator: StartEmulator, settings: EmulatorSettings
) -> None:
    emulator = await webpubsub_emulator(settings)
    async with aiohttp.ClientSession() as http, http.ws_connect(client_url(emulator)) as client:
        await client.send_str("hello")
        assert await client.receive_str(timeout=10) == "hello"
    [exchange] = emulator.traffic.exchanges("message")
    assert exchange.user_id == "ana"


async def test_a_rest_call_reaches_a_client(webpubsub_emulator: StartEmulator) -> None:
    emulator = await webpubsub_emulator()
    url = f"{emulator.url}/api/hubs/chat/:send"
    headers = {"Authorization": f"Bearer {sign(url)}", "Content-Type": "text/plain"}
    async with aiohttp.ClientSession() as http, http.ws_connect(client_url(emulator)) as client:
        async with http.post(url, headers=headers, data=b"to all") as answer:
            assert answer.status == 202
        assert await client.receive_str(timeout=10) == "to all"


async def test_a_fault_of_the_test_is_overcome_by_another_try(
    webpubsub_emulator: StartEmulator, settings: EmulatorSettings
) -> None:
    emulator = await webpubsub_emulator(settings, faults=[Fault(FaultKind.DROP_ANSWER)])
    async with aiohttp.ClientSession() as http, http.ws_connect(client_url(emulator)) as client:
        await client.send_str("hello")
        assert await client.receive_str(timeout=10) == "hello"
        assert len(emulator.traffic.exchanges("message")[0].attempts) == 2
        assert emulator.armed_faults == []
        assert emulator.inject(Fault(FaultKind.CUT_CONNECTIONS)) == 1
        assert (await client.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSED


async def test_the_traffic_view_is_served_with_all_its_files(webpubsub_emulator: StartEmulator) -> None:
    emulator = await webpubsub_emulator()
    assert emulator.console_url is not None
    async with aiohttp.ClientSession() as http, http.get(emulator.console_url) as answer:
        assert answer.status == 200
        files = re.findall(r'(?:src|href)="(/emulator/view/[^"]+)"', await answer.text())
        for file in files:
            async with http.get(f"{emulator.url}{file}") as part:
                assert part.status == 200, file
    assert {file.rpartition(".")[2] for file in files} == {"js", "css", "svg"}


async def test_errors_are_of_one_tree_and_name_the_fix(webpubsub_emulator: StartEmulator) -> None:
    emulator = await webpubsub_emulator()
    taken = Emulator(EmulatorSettings(port=int(emulator.url.rpartition(":")[2])))
    with pytest.raises(PortTakenError, match="--port") as raised:
        await taken.start()
    assert isinstance(raised.value, EmulatorError)
    with pytest.raises(SettingsError, match="choose one up to 65535"):
        EmulatorSettings(port=70_000)
    with pytest.raises(EventHandlerError, match="must start with http"):
        EventHandler("localhost")
    with pytest.raises(FaultError, match="'count' must be 1"):
        Fault(FaultKind.DROP_ANSWER, count=0)
    assert issubclass(SettingsError, EmulatorError)
    assert issubclass(EventHandlerError, SettingsError)
    assert issubclass(FaultError, SettingsError)
