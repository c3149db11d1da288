"""All of the load, one part after the other, and the page with its figures: ``python -m tests.soak load``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.report import machine
from tests.soak.load.crowd import Idle, Return, SlowReader, come_back, hold_idle, read_nothing
from tests.soak.load.plots import plot
from tests.soak.load.senders import Overload, Pace, connected_senders, flood, measure_pace
from tests.soak.load.system import System, running_system
from tests.soak.system.rows import read_rows

__all__ = ["Load", "as_json", "measure", "page", "plots", "problems"]

_SENDERS: Final = (1, 2, 4, 8, 16, 32, 64)
_PACE_SECONDS: Final = 5
_FLOOD_SENDERS: Final = 64
_FLOOD_SECONDS: Final = 10
_TIMES: Final = 4
_IDLE: Final = 1000
_RETURNING: Final = 500
_HEAR_SECONDS: Final = 120
_MAX_SECONDS: Final = 1800


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured. ``stored`` and ``heard`` are of the overload, with what they should be."""

    machine: str
    paces: Sequence[Pace]
    overload: Overload
    stored: tuple[int, int]
    heard: tuple[int, int]
    idle: Idle
    back: Return
    slow: SlowReader

    @property
    def best(self) -> Pace:
        """The pace at saturation."""
        return max(self.paces, key=lambda pace: pace.per_second)


async def measure(folder: Path) -> Load:
    """Measure everything, and print each part when it is done."""
    async with asyncio.timeout(_MAX_SECONDS):
        return await _measure(folder)


async def _measure(folder: Path) -> Load:
    print("messages a second …", flush=True)
    async with running_system(folder) as system:
        paces = await _paces(system)
    best = max(paces, key=lambda pace: pace.per_second)
    print(f"{_TIMES} times as many: {_TIMES * best.per_second:.0f} a second for {_FLOOD_SECONDS} s …", flush=True)
    async with running_system(folder) as system:
        overload, stored, heard = await _overload(system, _TIMES * best.per_second)
    print(f"  drained {overload.drained:.1f} s later, {stored[0]:,} of {stored[1]:,} stored", flush=True)
    print(f"{_IDLE:,} idle connections, and {_RETURNING} that come back …", flush=True)
    backs: list[Return] = []
    async with running_system(folder) as system, connected_senders(system, 1) as [sender]:

        async def return_beside_them() -> None:
            backs.append(await come_back(system, _RETURNING))

        idle = await hold_idle(system, sender, _IDLE, return_beside_them)
    print(f"  {idle}\n  all back after {backs[0].seconds:.1f} s", flush=True)
    print("a client that does not read …", flush=True)
    async with running_system(folder) as system:
        slow = await read_nothing(system)
    print(f"  {slow}", flush=True)
    return Load(machine(), paces, overload, stored, heard, idle, backs[0], slow)


def problems(load: Load) -> list[str]:
    """Return what was lost: nothing of it may be, at any load."""
    found = {
        "nothing was sent": not (load.stored[1] and load.heard[1] and load.slow.sent_messages),
        "messages were acknowledged beyond saturation and are not stored": load.stored[0] != load.stored[1],
        "messages were not heard by all of their rooms": load.heard[0] != load.heard[1],
        "the others of a room with a slow client did not hear everything": load.slow.heard_by_others
        != load.slow.sent_messages,
        "the slow client could not read everything afterwards": load.slow.read_afterwards != load.slow.sent_messages,
    }
    return [what for what, is_so in found.items() if is_so]


def page(load: Load) -> str:
    """Return the page, in Markdown."""
    overload, idle, back, slow, best = load.overload, load.idle, load.back, load.slow, load.best
    drop = "the service dropped its connection" if slow.is_dropped else "its connection stayed"
    lost, unheard = load.stored[1] - load.stored[0], load.heard[1] - load.heard[0]
    rows = {
        "messages a second at saturation, stored and broadcast": (
            f"{best.per_second:.0f} /s with {best.senders} senders (p50 {best.p50:.0f} ms, p99 {best.p99:.0f} ms)"
        ),
        f"{_TIMES} times as many for {overload.seconds:g} s": (
            f"{overload.offered:.0f} /s: {overload.sent[-1]:,} sent, {lost} lost, {unheard} not heard, "
            f"{overload.again} sent again"
        ),
        "… until all of them are acknowledged": f"{overload.drained:.1f} s more",
        "… the most served sender beside the least served": f"{overload.unfairness:.2f} ×",
        f"{idle.connections:,} idle connections": (
            f"connected in {idle.seconds:.0f} s; {idle.emulator_kib:.0f} KiB each in the emulator, "
            f"{idle.host_kib:.1f} KiB in the host"
        ),
        "… a message beside them": f"{idle.beside:.0f} ms (without them {idle.before:.0f} ms)",
        f"{back.connections} that lose their lines and come back at once": (
            f"all back after {back.seconds:.1f} s, {back.failures} attempts failed"
        ),
        f"a client that does not read while its room is sent {slow.sent:.0f} MiB": (
            f"{drop}; the emulator took up to {slow.emulator_mib:.0f} MiB; the others heard "
            f"{slow.heard_by_others:,} of {slow.sent_messages:,}; it read {slow.read_afterwards:,} afterwards"
        ),
    }
    lines = [
        "# Load",
        "",
        "`python -m tests.soak load` wrote this page. Azurite, the emulator, one Functions host and all clients ran",
        "on the same machine: rates are for comparison, not for planning, which is what [scaling.md](scaling.md) is",
        "for. A message is a `send` with a key and 200 characters, into one of 8 rooms.",
        "",
        f"{load.machine}.",
        "",
        "| what | here |",
        "|---|---|",
        *(f"| {what} | {here} |" for what, here in rows.items()),
    ]
    names = {
        "load-pace.svg": "Messages a second by senders",
        "load-overload.svg": "Sent and acknowledged under overload",
        "load-return.svg": "How many are back",
    }
    return "\n".join([*lines, *(f"\n![{title}]({name})" for name, title in names.items())]) + "\n"


def plots(load: Load) -> Mapping[str, str]:
    """Return the plots by their file names."""
    overload, back = load.overload, load.back
    pace = [(float(one.senders), one.per_second) for one in load.paces]
    latency = [(float(one.senders), one.p99) for one in load.paces]
    seconds = [float(second) for second in range(len(overload.sent) - 1)] + [overload.seconds + (overload.drained or 0)]
    return {
        "load-pace.svg": plot(
            "What so many senders reach",
            "senders that each wait for an answer",
            {"messages a second": pace, "p99 in ms": latency},
        ),
        "load-overload.svg": plot(
            f"{_TIMES} times as many messages as pass",
            "seconds",
            {
                "sent": list(zip(seconds, map(float, overload.sent), strict=True)),
                "acknowledged": list(zip(seconds, map(float, overload.acknowledged), strict=True)),
            },
        ),
        "load-return.svg": plot(
            f"{back.connections} clients come back",
            "seconds after all lines were cut",
            {"back": [(number / 10, float(count)) for number, count in enumerate(back.back)]},
        ),
    }


def as_json(load: Load) -> str:
    """Return what was measured as JSON."""
    fields: dict[str, Any] = asdict(load)
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


async def _paces(system: System) -> list[Pace]:
    paces = []
    async with connected_senders(system, max(_SENDERS)) as senders:
        await measure_pace(senders[:8], 2)  # what is opened at the first call
        for count in _SENDERS:
            paces.append(await measure_pace(senders[:count], _PACE_SECONDS))
            pace = paces[-1]
            print(f"  {pace.senders:3} senders: {pace.per_second:5.0f} /s, p99 {pace.p99:.0f} ms", flush=True)
    return paces


async def _overload(system: System, per_second: float) -> tuple[Overload, tuple[int, int], tuple[int, int]]:
    async with connected_senders(system, _FLOOD_SENDERS) as senders:
        overload = await flood(senders, per_second, _FLOOD_SECONDS)
        rows = await read_rows(system.storage)
        rooms = [row.room for row in rows.messages]
        expected = sum(rooms.count(sender.room) for sender in senders)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEAR_SECONDS):
                while sum(sender.heard for sender in senders) < expected:  # noqa: ASYNC110 - others hear
                    await asyncio.sleep(0.1)
        heard = sum(sender.heard for sender in senders)
    stored = {(row.user, row.key) for row in rows.messages}
    return overload, (len(stored), overload.sent[-1]), (heard, expected)
