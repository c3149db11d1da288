"""Which limit breaks first, and what a month costs: ``python -m benchmarks.capacity --help``.

Nothing is measured here: published limits, the CPU of a message from the benchmarks, and a load that you describe are
put together. ``docs/scaling.md`` has the sources of the limits, and says what to do at each of them.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["EXAMPLES", "Load", "Need", "Plan", "main", "plan", "table"]

# Of one unit, with 2 KB messages (performance guide of Web PubSub); it advises to plan for 80 % of its connections.
_UNIT_CONNECTIONS: Final = 1000
_UNIT_SHARE: Final = 0.8
_UNIT_EVENTS: Final = 500
_UNIT_REST_CALLS: Final = 180
_UNIT_OUTBOUND: Final = 3000
_SIZES: Final = (*range(1, 11), *range(20, 101, 10))
_MAX_UNITS: Final = _SIZES[-1]
# Scalability targets of Table Storage, entities of 1 KiB.
_PARTITION_ROWS: Final = 2000
_ACCOUNT_CALLS: Final = 20_000
# Of a message with an idempotency key, as the page sends it.
_ROWS: Final = 2
# Flex Consumption: instances of an app, and how much of its one core an instance of 2,048 MB should use.
_MAX_INSTANCES: Final = 1000
_CORE_SHARE: Final = 0.6
_GIGABYTES: Final = 2
# The free tier of Web PubSub.
_FREE_CONNECTIONS: Final = 20
_FREE_MESSAGES: Final = 20_000
_BILLED_BYTES: Final = 2048

# US dollars, East US, as far as known in November 2026: look at the pages of prices before you rely on a sum.
_UNIT_DAY: Final = 1.61
_INCLUDED_MESSAGES: Final = 1_000_000
_MILLION_MESSAGES: Final = 1.00
_GIGABYTE_SECOND: Final = 0.000026
_MILLION_EXECUTIONS: Final = 0.40
_TEN_THOUSAND_CALLS: Final = 0.00036
_GIGABYTE_MONTH: Final = 0.045
_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Load:
    """What users do at the busy time of the day.

    Args:
        connections: How many are connected.
        messages_a_minute: What each of them writes.
        room: How many read each message, the writer among them.
        bytes_a_message: The size of a message as it is broadcast.
        busy_hours: How many hours a day are like this; the others count as nothing.
        cpu_ms: CPU of a message in the app and in the worker of Azure Functions.
        latency_ms: How long an event takes.
        concurrency: ``FUNCTION_HTTP_CONCURRENCY``.
    """

    connections: int
    messages_a_minute: float = 0.5
    room: int = 50
    bytes_a_message: int = 1024
    busy_hours: float = 8
    cpu_ms: float = 2.0
    latency_ms: float = 30
    concurrency: int = 16

    @property
    def messages(self) -> float:
        """Messages that are written in a second."""
        return self.connections * self.messages_a_minute / 60


@dataclass(frozen=True, slots=True)
class Need:
    """One limit: how much of it is asked for, and how much one of its kind gives."""

    limit: str
    asked: float
    given: float

    @property
    def count(self) -> int:
        """How many of the kind it takes."""
        return max(1, math.ceil(self.asked / self.given))

    @property
    def share(self) -> float:
        """How much of one is used up."""
        return self.asked / self.given


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load takes: units and services of Web PubSub, instances, storage accounts, and dollars a month."""

    load: Load
    units: int
    services: int
    first: str
    instances: int
    accounts: int
    room_share: float
    free_minutes: float
    dollars: float


def plan(load: Load) -> Plan:
    """Plan for a load."""
    outbound = load.messages * load.room * math.ceil(load.bytes_a_message / _BILLED_BYTES)
    needs = [
        Need("connections", load.connections, _UNIT_CONNECTIONS * _UNIT_SHARE),
        Need("events to the app", load.messages, _UNIT_EVENTS),
        Need("REST calls", load.messages, _UNIT_REST_CALLS),
        Need("messages to clients", outbound, _UNIT_OUTBOUND),
    ]
    first = max(needs, key=lambda need: need.share)
    services = max(1, math.ceil(first.count / _MAX_UNITS))
    units = services * next(size for size in _SIZES if size * services >= first.count)
    cores = Need("instances by CPU", load.messages * load.cpu_ms / 1000, _CORE_SHARE)
    slots = Need("instances by requests", load.messages * load.latency_ms / 1000, load.concurrency)
    accounts = Need("calls to the storage account", load.messages, _ACCOUNT_CALLS)
    of_a_room = Need("rows of a room", _ROWS * load.messages * load.room / load.connections, _PARTITION_ROWS)
    return Plan(
        load=load,
        units=units,
        services=services,
        first=first.limit,
        instances=max(cores.count, slots.count),
        accounts=accounts.count,
        room_share=of_a_room.share,
        free_minutes=_free_minutes(load),
        dollars=_dollars(load, units, max(cores.count, slots.count)),
    )


def _billed(load: Load) -> float:
    # Each event to the app counts, and each receiver.
    return load.messages * (1 + load.room) * math.ceil(load.bytes_a_message / _BILLED_BYTES)


def _free_minutes(load: Load) -> float:
    if load.connections > _FREE_CONNECTIONS or not load.messages:
        return 0.0
    return _FREE_MESSAGES / _billed(load) / 60


def _dollars(load: Load, units: int, instances: int) -> float:
    busy = load.busy_hours * 3600
    beyond = max(0.0, _billed(load) * busy - units * _INCLUDED_MESSAGES)
    executions = load.messages * busy
    # An instance is billed while it works on anything: all of the busy time, when there is more than a trickle.
    gigabyte_seconds = min(instances * busy, executions) * _GIGABYTES
    calls = executions / 10_000
    stored = executions * _DAYS * load.bytes_a_message / 1024**3
    a_day = (
        units * _UNIT_DAY
        + beyond / 1e6 * _MILLION_MESSAGES
        + gigabyte_seconds * _GIGABYTE_SECOND
        + executions / 1e6 * _MILLION_EXECUTIONS
        + calls * _TEN_THOUSAND_CALLS
    )
    return a_day * _DAYS + stored * _GIGABYTE_MONTH


EXAMPLES: Final = (
    Load(20, 1.0, 20),
    Load(1_000),
    Load(1_000, room=1_000),
    Load(100_000),
    Load(100_000, room=1_000),
    Load(1_000_000),
    Load(1_000_000, 0.1, 20),
)


_COLUMNS: Final = (
    "connections",
    "messages a minute, each",
    "readers of a message",
    "messages/s",
    "units",
    "services",
    "what breaks first",
    "instances",
    "storage accounts",
    "$ a month",
)


def table(loads: Sequence[Load]) -> str:
    """Return the plans of loads as a table in Markdown."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for made in map(plan, loads):
        load = made.load
        instances = f"{made.instances:,}" + (" (too many for one app)" if made.instances > _MAX_INSTANCES else "")
        cells = (
            f"{load.connections:,}",
            f"{load.messages_a_minute:g}",
            f"{load.room:,}",
            f"{load.messages:,.1f}",
            f"{made.units:,}",
            f"{made.services:,}",
            made.first,
            instances,
            f"{made.accounts:,}",
            f"{made.dollars:,.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


# What describes a load: its type, its highest value, and what it is.
_OPTIONS: Final[Mapping[str, tuple[type, float, str]]] = {
    "connections": (int, 1e9, "how many are connected"),
    "messages_a_minute": (float, 1e6, "of each connection"),
    "room": (int, 1e9, "readers of a message"),
    "bytes_a_message": (int, 1e6, "as it is broadcast"),
    "busy_hours": (float, 24, "hours a day"),
    "cpu_ms": (float, 1e6, "CPU of a message"),
    "latency_ms": (float, 1e6, "time of an event"),
    "concurrency": (int, 1000, "FUNCTION_HTTP_CONCURRENCY"),
}


def _read(arguments: Sequence[str] | None) -> Load | None:
    """Return the load that the options describe, None without any option."""
    default = Load(0)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity",
        description="Which limit does a load break first, and what does a month cost? Without options, the examples of "
        "docs/scaling.md are planned.",
        argument_default=argparse.SUPPRESS,
    )
    options = {name: f"--{name.replace('_', '-')}" for name in _OPTIONS}
    for name, (kind, _, what) in _OPTIONS.items():
        usual = "" if name == "connections" else f" ({getattr(default, name):g})"
        parser.add_argument(options[name], type=kind, metavar="N", help=f"{what}{usual}")
    given = vars(parser.parse_args(arguments))
    if not given:
        return None
    if "connections" not in given:
        parser.error("--connections is missing: how many are connected?")
    for name, value in given.items():
        if not 0 < value <= _OPTIONS[name][1]:
            parser.error(f"{options[name]} is more than 0 and at most {_OPTIONS[name][1]:,.0f}")
    load = replace(default, **{"room": min(default.room, given["connections"]), **given})
    if load.room > load.connections:
        parser.error("--room: no more than are connected read a message")
    return load


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the plan of a load, or of the examples."""
    load = _read(arguments)
    if load is None:
        print(table(EXAMPLES))
        return 0
    made = plan(load)
    print(table([load]))
    print(f"The busiest room uses {made.room_share:.1%} of what a partition of the table takes.")
    if made.free_minutes:
        print(f"With the free tier the day's messages are used up after {made.free_minutes:.0f} minutes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
