"""The official JavaScript client and the page's own, in one Node that takes calls and tells events as lines of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from local.node_tools import ensure_node, ensure_packages
from tests.node_packages import TEST_PACKAGES
from tests.soak.clients.lines import PATIENT_SECONDS, Access, Answer, Hear, LineLostError, Replies

__all__ = ["JavaScriptSdkLine", "Node", "Told"]

_SCRIPT: Final = Path(__file__).with_name("node_clients.mjs")
_DEMO: Final = Path(__file__).resolve().parents[3] / "demo"
_LINE_BYTES: Final = 16 * 1024 * 1024
_CLOSE_SECONDS: Final = 5

Told: TypeAlias = Callable[[Mapping[str, Any]], None]


class Node:
    """One Node process. Each client has a name of its own, and hears what is told of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._listeners: dict[str, Told] = {}
        self._is_over = False
        self._failure: Exception | None = None
        self._log = folder.with_name("node.log")

    async def __aenter__(self) -> Self:
        """Start it."""
        (self._folder / "node_modules").symlink_to(ensure_packages(TEST_PACKAGES) / "node_modules")
        script = self._folder / _SCRIPT.name
        script.write_bytes(_SCRIPT.read_bytes())
        # Modules, and no package.json far above that says so.
        (self._folder / "package.json").write_text('{"type": "module"}', "utf-8")
        for module in _DEMO.glob("*.js"):
            (self._folder / module.name).write_bytes(module.read_bytes())
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(ensure_node().node), str(script)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LINE_BYTES,
                start_new_session=True,  # Ctrl+C is not for it
            )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        assert self._process is not None
        assert self._reading is not None
        self._reading.cancel()
        with contextlib.suppress(ProcessLookupError):  # it is gone already
            self._process.kill()
        await self._process.wait()

    def listen(self, client: str, told: Told) -> None:
        """Pass on what happens to a client."""
        self._listeners[client] = told

    async def call(self, client: str, name: str, *arguments: Any) -> Any:
        """Call a function of the script; return its result.

        Raises:
            LineLostError: It did not end in time, or Node is gone.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        if self._is_over:
            raise LineLostError(f"{name}: Node is gone")
        number = next(self._ids)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            line = {"id": number, "client": client, "call": name, "args": arguments}
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            async with asyncio.timeout(PATIENT_SECONDS + 10):
                return await future
        except (TimeoutError, OSError) as error:
            raise LineLostError(f"{name}: {error!r}") from None
        finally:
            del self._answers[number]

    def check(self) -> None:
        """Fail where Node ended although nobody ended it.

        Raises:
            RuntimeError: It did, or what it said could not be read.
        """
        if self._is_over:
            raise RuntimeError(f"Node ended by itself: see {self._log}") from self._failure

    async def _read(self) -> None:
        try:
            await self._receive()
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._is_over = True
            for future in self._answers.values():
                if not future.done():
                    future.set_exception(ConnectionResetError("Node is gone"))

    async def _receive(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            line = json.loads(text)
            if "id" in line:
                future = self._answers.get(line["id"])
                if future is not None and not future.done():
                    future.set_result(line["result"])
            elif (told := self._listeners.get(line["client"])) is not None:
                told(line)


class JavaScriptSdkLine:
    """The official JavaScript client until it stops for good, or has another connection than before."""

    def __init__(self, node: Node, access: Access, hear: Hear) -> None:
        self.lost = asyncio.Event()
        self._node, self._access, self._hear = node, access, hear
        self._replies = Replies()

    async def open(self) -> None:
        """Start the client in Node."""
        self._node.listen(self._access.user, self._take)
        query = [["userId", self._access.user], *(["room", room] for room in self._access.rooms)]
        result = await self._node.call(self._access.user, "open", f"{self._access.api}/negotiate", query)
        if result is not None:
            raise LineLostError(f"open: {result}")

    async def ask(self, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Send an event; the client itself tries it again."""
        error = await self._node.call(self._access.user, "sendEvent", event, data)
        if error is not None and error["name"] is None:
            raise LineLostError(f"{event}: {error}")
        return self._replies.answer(data) if error is None else Answer(str(error["name"]))

    async def close(self) -> None:
        """Stop the client."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._node.call(self._access.user, "close")

    def _take(self, line: Mapping[str, Any]) -> None:
        if line["event"] != "message":
            self.lost.set()
        elif not self._replies.take(line["data"]):
            self._hear(line["data"])
