"""A process of the soak is gone when it was ended, whatever it does, and one that ends by itself is noticed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from local.azurite import free_port
from tests.patience import PATIENCE_SECONDS
from tests.soak.clients.lines import LineLostError
from tests.soak.clients.node import Node
from tests.soak.system.processes import Process

pytestmark = pytest.mark.external
SERVE = "import http.server as h; h.HTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


def make(folder: Path, program: str) -> Process:
    port = free_port()
    command = [sys.executable, "-c", program.format(port=port)]
    return Process("program", command, {}, folder, f"http://127.0.0.1:{port}/")


def pid_of(process: Process) -> int:
    assert process._process is not None
    return process._process.pid


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def wait_until_ended(process: Process) -> None:
    assert process._process is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        await process._process.wait()


async def test_a_process_that_ended_by_itself_is_noticed_and_can_still_be_ended(tmp_path: Path) -> None:
    process = make(tmp_path, SERVE)
    await process.start()
    process.check()
    os.kill(pid_of(process), signal.SIGKILL)
    await wait_until_ended(process)
    with pytest.raises(RuntimeError, match="program ended by itself with -9"):
        process.check()
    process.signal(signal.SIGCONT)
    await process.end(signal.SIGINT)
    process.check()


async def test_a_process_that_ends_before_it_answers_is_not_waited_for(tmp_path: Path) -> None:
    process = make(tmp_path, "raise SystemExit(3)")
    with pytest.raises(RuntimeError, match="program ended by itself with 3"):
        await process.start()


async def test_a_process_whose_end_is_cancelled_is_killed(tmp_path: Path) -> None:
    process = make(tmp_path, STUBBORN + SERVE)
    await process.start()
    pid = pid_of(process)
    ending = asyncio.create_task(process.end(signal.SIGTERM))
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert not is_there(pid)


async def test_a_process_is_not_in_the_group_that_ctrl_c_reaches(tmp_path: Path) -> None:
    process = make(tmp_path, SERVE)
    await process.start()
    assert os.getpgid(pid_of(process)) != os.getpgid(0)
    await process.end(signal.SIGKILL)


async def test_what_is_asked_of_a_node_that_is_gone_is_answered_at_once_and_its_end_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    async with asyncio.timeout(PATIENCE_SECONDS), Node(folder) as node:
        assert await node.call("ana", "close") is None
        node.check()
        assert node._process is not None
        # Frozen first: otherwise it may answer before it is killed.
        node._process.send_signal(signal.SIGSTOP)
        asked = asyncio.create_task(node.call("ana", "open", "http://127.0.0.1:1/", []))
        await asyncio.sleep(0)
        node._process.kill()
        with pytest.raises(LineLostError):
            await asked
        with pytest.raises(LineLostError):
            await node.call("ana", "close")
        with pytest.raises(RuntimeError, match="Node ended by itself"):
            node.check()
