"""One run: start the system and the people, break it for so long, let it calm down, and judge."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.soak.clients.cast import OPEN_ROOMS, Somebody, make_cast
from tests.soak.clients.node import Node
from tests.soak.coverage import cover
from tests.soak.faults import Faults, pause
from tests.soak.ledger import Ledger
from tests.soak.plan import Break, make_plan
from tests.soak.report import Report
from tests.soak.system.processes import Usage
from tests.soak.system.rows import Rows, read_rows
from tests.soak.system.stack import Stack
from tests.soak.verdict import Figure, has_unheard, judge

__all__ = ["soak"]

# How long those who send again may take until they are answered, and the outbox until it is empty, once all is well.
_CALM_SECONDS: Final = 180
# What the last broadcast and a beat of the page's client take: it reads once a minute what no broadcast brought it.
_HEAR_SECONDS: Final = 150
_START_SECONDS: Final = 180
# How much longer people go on where something that is counted has not happened yet.
_COVER_SECONDS: Final = 180
_READ_SECONDS: Final = 120
# All of these together, and as much again for faults that began late.
_MAX_SECONDS: Final = 1800
# How long clients keep connections that they do not use, and how many more are none to wait for.
_SETTLE_SECONDS: Final = 40
_FEW_FILES: Final = 15


async def soak(seed: int, minutes: float, folder: Path, pace: float) -> Report:
    """Run, print a line a second, and return what came of it; logs go to the folder.

    ``pace`` is how many seconds a client waits, on average, between what it does.
    """
    ledger, plan = Ledger(), make_plan(seed, minutes * 60)
    async with asyncio.timeout(minutes * 60 + _MAX_SECONDS), AsyncExitStack() as exit_stack:
        stack = await exit_stack.enter_async_context(Stack(folder, random.Random(f"proxies {seed}")))
        connector = aiohttp.TCPConnector(limit=0)
        http = await exit_stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        scripts = Path(exit_stack.enter_context(tempfile.TemporaryDirectory(prefix="node-", dir=folder)))
        node = await exit_stack.enter_async_context(Node(scripts))
        keeper, cast = make_cast(http, f"{stack.front.url}/api", node, ledger, seed, pace)
        faults = Faults(stack, ledger, http)
        progress = asyncio.create_task(_tell(ledger, cast, faults))
        exit_stack.callback(progress.cancel)
        async with asyncio.timeout(_START_SECONDS):
            await keeper.make_rooms()
        people = [asyncio.create_task(one.run()) for one in cast]
        watch = asyncio.create_task(_watch(stack, node))
        exit_stack.push_async_callback(_end, [*people, watch], cast)

        async def perform() -> Report:
            async with asyncio.timeout(_START_SECONDS):
                while not all(one.line for one in cast):  # noqa: ASYNC110 - others connect
                    await asyncio.sleep(0.1)
                _listen(ledger, cast)
                await stack.wait_until_written()
            before = await _usage(stack)
            await asyncio.gather(faults.run(plan, minutes * 60), pause(minutes * 60))
            await _until_covered(ledger)
            restless = await _calm_down(cast, ledger, stack, http)
            after = await _settled_usage(stack, before)
            rows = await _read_rows(stack)
            ledger.unknown_5xx.update(stack.front.unknown_5xx)
            ledger.broken_requests = stack.storage.broken_requests + stack.service.broken_requests
            usage: Mapping[str, tuple[Usage, Usage]] = {name: (before[name], after[name]) for name in before}
            done = {str(kind): faults.done[kind] for kind in Break}
            figures = [*faults.figures(len(plan)), *cover(ledger), *judge(ledger, rows), restless]
            return Report(seed, minutes, figures, done, usage)

        return await _while_all_live(perform(), [*people, watch, progress])


def _listen(ledger: Ledger, cast: Sequence[Somebody]) -> None:
    """From now on, everyone hears all that is sent into their rooms, but those who are removed and added again."""
    for one in cast:
        for room in one.person.rooms:
            if not (one.person.roams and room not in OPEN_ROOMS):
                ledger.listen(one.person.name, room)


async def _while_all_live(work: Coroutine[Any, Any, Report], others: Sequence[asyncio.Task[None]]) -> Report:
    """Do it; a person or a process that stops meanwhile is a failure of the run."""
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task, *others}, return_when=asyncio.FIRST_COMPLETED)
        for one in done - {task}:
            one.result()
            raise RuntimeError("somebody stopped")
        return task.result()
    finally:
        await _end([task], [])


async def _watch(stack: Stack, node: Node) -> None:
    """Fail as soon as a process has ended that nobody ended."""
    while True:
        for process in stack.processes:
            process.check()
        node.check()
        await asyncio.sleep(0.5)


async def _until_covered(ledger: Ledger) -> None:
    """Wait until all that is counted has happened at least once: a slow machine takes longer for that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_COVER_SECONDS):
            while not all(figure.is_kept for figure in cover(ledger)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(1)


async def _calm_down(cast: Sequence[Somebody], ledger: Ledger, stack: Stack, http: aiohttp.ClientSession) -> Figure:
    """Send nothing more, and wait until all is answered, the outbox is empty and everyone heard everything.

    Return who was not answered, or not connected, in the end.
    """
    for one in cast:
        one.is_quiet = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CALM_SECONDS):
            while not (all(one.is_idle for one in cast) and await _is_drained(stack, http)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.5)
    restless = tuple(one.person.name for one in cast if not one.is_idle)
    rows = await _read_rows(stack)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEAR_SECONDS):
            while has_unheard(ledger, rows):  # noqa: ASYNC110 - as above
                await asyncio.sleep(1)
    return Figure("clients that were not all answered and connected in the end", len(restless), 0, restless)


async def _read_rows(stack: Stack) -> Rows:
    async with asyncio.timeout(_READ_SECONDS):
        return await read_rows(stack.storage_connection_string)


async def _is_drained(stack: Stack, http: aiohttp.ClientSession) -> bool:
    """Return whether nothing waits in the outbox; to ask is to have it drained."""
    try:
        async with http.get(f"{stack.front.url}/api/health", timeout=aiohttp.ClientTimeout(total=10)) as answer:
            body = await answer.json(content_type=None)
            return answer.status == 200 and body["outbox"]["waiting"] == 0
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


async def _usage(stack: Stack) -> dict[str, Usage]:
    return {process.name: await process.usage() for process in stack.processes}


async def _settled_usage(stack: Stack, before: Mapping[str, Usage]) -> dict[str, Usage]:
    """Return what is taken once connections that nobody uses any more are closed, or after so long."""
    usage = await _usage(stack)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            while any(usage[name].files > before[name].files + _FEW_FILES for name in usage):
                await asyncio.sleep(2)
                usage = await _usage(stack)
    return usage


async def _tell(ledger: Ledger, cast: Sequence[Somebody], faults: Faults) -> None:
    clock = asyncio.get_running_loop().time
    start = clock()
    while True:
        online = sum(one.line is not None for one in cast)
        broken = "; ".join(faults.active)
        if cast[0].is_quiet:
            broken = " ".join(["calming down", *(one.person.name for one in cast if not one.is_idle)])
        acknowledged = sum(1 for _ in ledger.acknowledged)
        told = f"{clock() - start:6.0f} s  sent {len(ledger.messages):,}  acknowledged {acknowledged:,}"
        told += f"  heard {ledger.live_deliveries:,}  connected {online}/{len(cast)}  {broken}"
        print(told.rstrip(), flush=True)
        await asyncio.sleep(1 - (clock() - start) % 1)


async def _end(people: Sequence[asyncio.Task[Any]], cast: Sequence[Somebody]) -> None:
    for task in people:
        task.cancel()
    await asyncio.gather(*people, return_exceptions=True)
    await asyncio.gather(*(one.close() for one in cast), return_exceptions=True)
