"""Scripts in Node that use the client of the page as a program would."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from local.node_tools import ensure_node
from tests.e2e.conftest import System
from tests.patience import PATIENCE_SECONDS

__all__ = ["CLIENT", "DEMO", "Script", "copy_client", "run_script"]

Script: TypeAlias = Callable[[str], Awaitable[Any]]

DEMO: Final = Path(__file__).resolve().parents[2] / "demo"
CLIENT: Final = ("client.js", "line.js", "outbox.js", "room.js", "presence.js")
"""The files that somebody copies who wants the client."""


def copy_client(folder: Path) -> None:
    """Copy the client, and the people of the tests, as a package of ES modules."""
    (folder / "package.json").write_text('{"type":"module"}')
    for name in CLIENT:
        shutil.copy(DEMO / name, folder)
    shutil.copy(Path(__file__).parent / "person.js", folder)


async def run_script(folder: Path, system: System, code: str) -> Any:
    """Run a script beside the client and return what its ``result`` is in the end."""
    copy_client(folder)
    head = "import { ChatClient, orderOf } from './client.js';\nimport * as tools from './person.js';\n"
    names = "const { Person, until, inject, skipWaits, watchFetch } = tools;\nlet result = null;\n"
    end = "\nprocess.stdout.write(JSON.stringify(result), () => process.exit(0));\n"
    script = folder / "script.js"
    script.write_text(head + names + code + end)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(ensure_node().node), str(script), f"{system.url}/api/", system.emulator.url, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)
