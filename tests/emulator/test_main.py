"""The emulator as a program."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
import pytest_asyncio

from tests.emulator.fakes import PRIMARY_KEY, RecordingHandler, sign

StartProgram = Callable[..., Awaitable[Process]]


@pytest_asyncio.fixture
async def program() -> AsyncIterator[StartProgram]:
    """Starts the program; what still runs at the end of the test is killed."""
    started: list[Process] = []

    async def start(*arguments: str, **environ: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "local.webpubsub", *arguments, stdout=PIPE, stderr=PIPE, env={**os.environ, **environ}
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def first_line(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 10)).decode()


async def test_it_serves_until_it_is_told_to_stop(program: StartProgram, handler: RecordingHandler) -> None:
    process = await program(
        "--port", "0", "--access-key", PRIMARY_KEY, "--event-handler", f"Chat={handler.url}/api/{{event}}"
    )
    line = await first_line(process)
    assert PRIMARY_KEY not in line
    url = line.partition("Endpoint=")[2].partition(";")[0]
    token = sign({"aud": f"{url}/client/hubs/chat"})
    client_url = f"{url}/client/hubs/chat?access_token={token}"
    async with aiohttp.ClientSession() as session, session.ws_connect(client_url) as client:
        await handler.wait_for("connected")
        process.send_signal(signal.SIGTERM)
        message = await client.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    _, errors = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert PRIMARY_KEY.encode() not in errors


async def test_it_names_the_public_default_connection_string(program: StartProgram) -> None:
    process = await program("--port", "0")
    assert "AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;" in await first_line(process)


async def test_a_taken_port_is_an_error_that_names_port_and_flag(program: StartProgram) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await program("--port", str(port))
        _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in errors.decode()
    assert "--port" in errors.decode()


@pytest.mark.parametrize("argument", ["chat", "chat=nonsense", "1x=http://h"])
async def test_a_handler_that_cannot_work_is_an_error(program: StartProgram, argument: str) -> None:
    process = await program("--port", "0", "--event-handler", argument)
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 1
    assert errors.decode().startswith("error: ")


async def test_it_warns_when_anyone_may_call(program: StartProgram) -> None:
    process = await program("--port", "0", "--allow-unvalidated-entra-tokens")
    url = (await first_line(process)).partition("Endpoint=")[2].partition(";")[0]
    assert "keep this port to yourself" in await first_line(process)
    token = sign({"aud": "https://webpubsub.azure.com"}, "a-key-that-only-entra-id-knows-xx")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/hubs/chat/:generateToken", headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        assert answer.status == 200


async def test_it_takes_tokens_for_the_endpoints_that_it_was_told(program: StartProgram) -> None:
    names = ("https://one.example", "https://two.example")
    process = await program("--port", "0", "--access-key", PRIMARY_KEY, *(f"--known-endpoint={name}" for name in names))
    url = (await first_line(process)).partition("Endpoint=")[2].partition(";")[0]
    async with aiohttp.ClientSession() as session:
        for name, status in ((names[0], 404), (names[1], 404), ("https://three.example", 401)):
            headers = {"Authorization": f"Bearer {sign({'aud': f'{name}/api/hubs/chat/users/ana'})}"}
            async with session.head(f"{url}/api/hubs/chat/users/ana", headers=headers) as answer:
                assert answer.status == status


async def test_help_explains_everything(program: StartProgram) -> None:
    process = await program("--help")
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    for word in (
        "--event-handler",
        "--secondary-access-key",
        "--public-endpoint",
        "--known-endpoint",
        "--allow-unvalidated-entra-tokens",
        "WebPubSub__Hubs__",
        "--port",
        "--host",
    ):
        assert word in output.decode()
