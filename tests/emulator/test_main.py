"""The emulator as a program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.emulator.fakes import PRIMARY_KEY, RecordingHandler, sign
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import DEFAULT_ACCESS_KEY
from webpubsub_emulator.command_line import parser
from webpubsub_emulator.listeners import bind

pytestmark = pytest.mark.external

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
StartProgram = Callable[..., Awaitable[Process]]


@pytest_asyncio.fixture
async def program() -> AsyncIterator[StartProgram]:
    """Starts the program; what still runs at the end of the test is killed."""
    started: list[Process] = []

    async def start(*arguments: str, **environ: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "webpubsub_emulator",
            *arguments,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, **environ},
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
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode()


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
        message = await client.receive(timeout=PATIENCE_SECONDS)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert PRIMARY_KEY.encode() not in errors


async def test_it_serves_more_clients_than_the_shell_would_let_it_have_files() -> None:
    command = 'ulimit -Sn 64 && exec "$0" -m webpubsub_emulator --port 0'
    process = await asyncio.create_subprocess_exec("sh", "-c", command, sys.executable, stdout=PIPE, stderr=PIPE)
    writers: list[asyncio.StreamWriter] = []
    try:
        port = int((await first_line(process)).partition("localhost:")[2].partition(";")[0])
        for _ in range(100):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
        writer.write(b"HEAD /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
    finally:
        for writer in writers:
            writer.close()
        process.terminate()
        await process.communicate()


async def test_it_names_the_public_default_connection_string(program: StartProgram) -> None:
    process = await program("--port", "0")
    assert "AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;" in await first_line(process)


@pytest.mark.parametrize(
    ("host", "said"),
    [("localhost", "http://localhost:"), ("127.0.0.1", "http://localhost:"), ("0.0.0.0", "none, because the network")],
)
async def test_it_says_where_the_traffic_view_is(program: StartProgram, host: str, said: str) -> None:
    process = await program("--port", "0", "--host", host)
    await first_line(process)
    assert f"traffic view: {said}" in await first_line(process)


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
async def test_a_port_taken_at_one_address_is_an_error_that_names_both_and_the_flag(
    program: StartProgram, address: str, shown: str
) -> None:
    with bind(address, 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        process = await program("--port", str(port))
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 1
    assert f"Port {port} on {shown} is taken" in errors.decode()
    assert "--port" in errors.decode()


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (["--port", "65536"], "port 65536"),
        (["--port", "0", "--host", "192.0.2.1"], "Port 0 on 192.0.2.1"),
        (["--port", "0", "--host", "no such host"], "Port 0 on no such host"),
        (["--port", "0", "--public-endpoint", "http://["], "'http://['"),
    ],
)
async def test_an_address_that_cannot_be_is_an_error_and_no_trace(
    program: StartProgram, flags: list[str], wrong: str
) -> None:
    process = await program(*flags)
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 1
    assert errors.decode().startswith("error: ")
    assert wrong in errors.decode()
    assert len(errors.splitlines()) == 1


async def test_settings_that_cannot_work_are_errors_each_on_its_line(program: StartProgram) -> None:
    process = await program(
        "--port", "0", WebPubSub__Hubs__chat__EventHandlers__0__EventPattern="*", WebPubSub__Hubs__x__What="?"
    )
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 1
    lines = errors.decode().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: WebPubSub__Hubs__") for line in lines)


class Settings:
    """A settings file, written as editors do: another file takes its place."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.path)

    def handler(self, url: str, **hub: str) -> None:
        handlers = [{"UrlTemplate": url, "SystemEvents": ["connect"]}]
        self.write(json.dumps({"WebPubSub": {"Hubs": {"chat": {"EventHandlers": handlers, **hub}}}}))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "settings.json")


async def said(process: Process, text: str) -> str:
    """Read the log until a line has ``text``."""
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line := (await process.stderr.readline()).decode():
            if text in line:
                return line
    raise AssertionError(f"the program ended without {text!r}")


async def test_a_changed_settings_file_is_taken_at_once_and_keeps_the_connections(
    program: StartProgram, handler: RecordingHandler, settings: Settings
) -> None:
    settings.handler(f"{handler.url}/before", AnonymousConnectPolicy="allow")
    process = await program("--port", "0", "--settings", str(settings.path))
    url = (await first_line(process)).partition("Endpoint=")[2].partition(";")[0]
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/client/hubs/chat") as client:
        settings.handler(f"{handler.url}/after", AnonymousConnectPolicy="deny")
        await said(process, "SETTINGS were read again")
        await said(process, f"{handler.url}/after consented")
        assert [request.path for request in handler.received] == ["/before", "/before", "/after"]
        async with session.get(f"{url}/client/hubs/chat", headers=UPGRADE) as response:
            assert response.status == 401
        token = sign({"aud": f"{url}/client/hubs/chat"}, DEFAULT_ACCESS_KEY)
        async with session.ws_connect(f"{url}/client/hubs/chat?access_token={token}"):
            assert handler.events("connect")[-1].path == "/after"
        await client.ping()
        assert not client.closed


async def test_a_wrong_settings_file_changes_nothing_and_the_log_says_what_is_wrong(
    program: StartProgram, handler: RecordingHandler, settings: Settings
) -> None:
    settings.handler(f"{handler.url}/good", AnonymousConnectPolicy="allow")
    process = await program("--port", "0", "--settings", str(settings.path))
    url = (await first_line(process)).partition("Endpoint=")[2].partition(";")[0]
    settings.write('{"WebPubSub": {"Hubs": {"chat": {"Colour": "red"}}}}')
    await said(process, "SETTINGS are wrong, the previous ones stay")
    await said(process, f"WebPubSub:Hubs:chat:Colour in {settings.path} is not known")
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/client/hubs/chat"):
        assert handler.events("connect")[0].path == "/good"
    settings.handler(f"{handler.url}/better")
    await said(process, f"{handler.url}/better consented")


async def test_a_changed_access_key_needs_a_restart_and_the_log_says_so(
    program: StartProgram, settings: Settings
) -> None:
    settings.write('{"WebPubSub": {"AccessKey": "one"}}')
    process = await program("--port", "0", "--settings", str(settings.path))
    await first_line(process)
    settings.write('{"WebPubSub": {"AccessKey": "another"}}')
    line = await said(process, "need a restart")
    assert "AccessKey" in line


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


@pytest.mark.parametrize("command", [[], ["check"]])
async def test_help_explains_every_flag(program: StartProgram, command: list[str]) -> None:
    process = await program(*command, "--help")
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 0
    for word in (
        ["--origin", "--hub", "--access-key", "exit status"]
        if command
        else [*flags(), "WebPubSub__Hubs__", "check URL"]
    ):
        assert word in output.decode()


def flags() -> list[str]:
    return [flag for action in parser()._actions for flag in action.option_strings if flag.startswith("--")]
