"""Breaks the system as the plan says, and mends it again."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from tests.patience import PATIENCE_SECONDS
from tests.soak.ledger import Author, AzuriteLoss, Ledger, token
from tests.soak.plan import Break, Step
from tests.soak.system.processes import Process
from tests.soak.system.proxy import Breakage, Proxy
from tests.soak.system.stack import ACCESS_KEY, Stack
from tests.soak.verdict import Figure
from webpubsub_handler import HttpRequest, HttpResponse
from webpubsub_handler.testing import EventClient

__all__ = ["BURST", "Faults", "pause"]

BURST: Final = 50
_AT_ONCE: Final = 2
# Clients try all the time: nothing for so long means that there is nothing to break.
_STRIKE_SECONDS: Final = 2 * PATIENCE_SECONDS
_BURST_ROOM: Final = "kitchen"
_BREAKAGES: Final[Mapping[str, Breakage]] = {
    "503": Breakage.UNAVAILABLE,
    "429": Breakage.THROTTLED,
    "HANG": Breakage.HANG,
    "RESET": Breakage.RESET,
    "CUT": Breakage.CUT,
}


class Faults:
    """The faults of one run.

    ``active`` is what is broken now, ``done`` how often each was done, and ``vain`` how often it met nothing that it
    could break.
    """

    def __init__(self, stack: Stack, ledger: Ledger, http: aiohttp.ClientSession) -> None:
        self._stack, self._ledger, self._http = stack, ledger, http
        self.active: list[str] = []
        self.done: Counter[Break] = Counter()
        self.vain: Counter[Break] = Counter()
        self._arming = asyncio.Lock()

    async def run(self, plan: Sequence[Step], seconds: float) -> None:
        """Do each step at its time; return when the last one is over and everything is mended.

        Where a slow machine takes long to start a process again, what comes next waits: else nothing would ever run.
        What cannot begin in time then is left out.
        """
        clock = asyncio.get_running_loop().time
        start, steps = clock(), list(plan)
        slots = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while steps:
                step = steps.pop(0)
                await asyncio.sleep(max(0.0, start + step.at - clock()))
                await slots.acquire()
                if clock() - start > seconds:
                    break
                group.create_task(self._do(step, slots))
        await self._inject("DELETE")

    def figures(self, planned: int) -> list[Figure]:
        """Return how many of so many planned faults were done."""
        done, vain = self.done.total(), self.vain.total()
        return [
            Figure("faults", done, least=1),
            Figure("… that met nothing to break", vain, 0, tuple(map(str, self.vain))),
            Figure("… left out, as there was no time for them", planned - done - vain),
        ]

    async def _do(self, step: Step, slots: asyncio.Semaphore) -> None:
        name = f"{step.kind}"
        self.active.append(name)
        try:
            try:
                await self._steps[step.kind](step)
            except _InVainError:
                self.vain[step.kind] += 1
            else:
                self.done[step.kind] += 1
        finally:
            self.active.remove(name)
            slots.release()

    @property
    def _steps(self) -> Mapping[Break, Callable[[Step], Awaitable[None]]]:
        proxied = {kind: self._break_proxy for kind in Break if kind.name.startswith(("STORAGE", "SERVICE"))}
        return {
            **proxied,
            Break.HOST_KILL: lambda step: self._end([self._host(step)], signal.SIGKILL, step.seconds),
            Break.HOST_TERMINATE: lambda step: self._end([self._host(step)], signal.SIGTERM, step.seconds),
            Break.HOST_FREEZE: lambda step: self._freeze(self._host(step), step.seconds),
            Break.HOSTS_KILL: lambda step: self._end(self._stack.hosts, signal.SIGKILL, step.seconds),
            Break.AZURITE_STOP: lambda step: self._end([self._stack.azurite], signal.SIGINT, step.seconds),
            Break.AZURITE_FREEZE: lambda step: self._freeze(self._stack.azurite, step.seconds),
            Break.AZURITE_KILL: self._kill_azurite,
            Break.DUPLICATE_EVENTS: lambda step: self._arm("duplicate_event", step.count),
            Break.DROP_ANSWERS: lambda step: self._arm("drop_answer", step.count),
            Break.CUT_LINES: lambda _: self._cut_lines(),
            Break.BURST: lambda _: self._burst(),
        }

    def _host(self, step: Step) -> Process:
        return self._stack.hosts[step.host]

    async def _end(self, processes: Sequence[Process], number: signal.Signals, seconds: float) -> None:
        await asyncio.gather(*(self._end_one(process, number, seconds) for process in processes))

    async def _end_one(self, process: Process, number: signal.Signals, seconds: float) -> None:
        async with process.lock:
            await process.end(number)
            await pause(seconds)
            await process.start()

    async def _freeze(self, process: Process, seconds: float) -> None:
        async with process.lock:
            process.signal(signal.SIGSTOP)
            await pause(seconds)
            process.signal(signal.SIGCONT)

    async def _kill_azurite(self, step: Step) -> None:
        async with self._stack.azurite.lock:
            written = await self._stack.kill_azurite()
            self._ledger.losses.append(AzuriteLoss(written.killed - written.age, written.killed))
            await pause(step.seconds)
            await self._stack.azurite.start()

    async def _break_proxy(self, step: Step) -> None:
        which, _, how = step.kind.name.partition("_")
        proxy = self._stack.storage if which == "STORAGE" else self._stack.service
        before = proxy.broken_requests
        async with _broken(proxy, _BREAKAGES[how], step.share):
            await pause(step.seconds)

            async def has_broken() -> bool:
                return proxy.broken_requests > before

            await _until(has_broken)

    async def _arm(self, fault: str, count: int) -> None:
        """Let the emulator break so many events, and wait for the first one."""
        async with self._arming:
            wanted = await self._left(fault) + count
            await self._inject("POST", fault=fault, count=count)

            async def has_begun() -> bool:
                return await self._left(fault) < wanted

            await _until(has_begun)

    async def _left(self, fault: str) -> int:
        armed = (await self._inject("GET"))["faults"]
        return sum(one["count"] for one in armed if one["fault"] == fault)

    async def _cut_lines(self) -> None:
        async def has_cut() -> bool:
            return bool((await self._inject("POST", fault="cut_connections"))["affected"])

        await _until(has_cut)

    async def _inject(self, method: str, **fault: object) -> Any:
        url, timeout = f"{self._stack.service_url}/emulator/faults", aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        body = fault if method == "POST" else None
        async with self._http.request(method, url, json=body, timeout=timeout) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def _burst(self) -> None:
        """Post one event many times at once, as the service does that hears no answer, until one answer is success."""
        message = self._ledger.send("burst", Author.BURST, _BURST_ROOM, has_key=False)
        time_sent = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        client = EventClient(
            self._post, user_id="burst", connection_id=f"burst-{message.number}", access_key=ACCESS_KEY
        )
        state = base64.b64encode(json.dumps({"rooms": [_BURST_ROOM]}).encode()).decode()
        headers: dict[str, str | None] = {
            "Content-Type": "text/plain",
            "ce-id": "1",
            "ce-time": time_sent,
            "ce-connectionState": state,
        }
        body = token(message).encode()
        end = time.monotonic() + 60
        while message.acknowledged is None and time.monotonic() < end:
            asked = self._ledger.clock()
            answers = await asyncio.gather(
                *(client.send("azure.webpubsub.user.message", body, headers) for _ in range(BURST)),
                return_exceptions=True,
            )
            if any(isinstance(answer, HttpResponse) and answer.status == 204 for answer in answers):
                message.acknowledged = self._ledger.done(asked)

    async def _post(self, request: HttpRequest) -> HttpResponse:
        url = f"{self._stack.front.url}/api/eventhandler/message"
        timeout = aiohttp.ClientTimeout(total=30)
        async with self._http.post(url, data=request.body, headers=list(request.headers), timeout=timeout) as answer:
            return HttpResponse(answer.status, dict(answer.headers), await answer.read())


class _InVainError(Exception):
    """Raised when a fault met nothing that it could break."""


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a fault has broken something: where the machine is slow, that may be after its time.

    Raises:
        _InVainError: It did not.
    """
    try:
        async with asyncio.timeout(_STRIKE_SECONDS):
            while not await is_so():  # noqa: ASYNC110 - another process is broken
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise _InVainError from None


@asynccontextmanager
async def _broken(proxy: Proxy, how: Breakage, share: float) -> AsyncIterator[None]:
    proxy.break_requests(how, share)
    try:
        yield
    finally:
        proxy.mend()


async def pause(seconds: float) -> None:
    """Wait so many seconds."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()
