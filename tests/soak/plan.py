"""What breaks when: a schedule that follows from a seed and a length alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["HOSTS", "Break", "Step", "make_plan"]

HOSTS: Final = 2
_FIRST_SECONDS: Final = 3.0
# Pauses between the ends of two faults and the next begin: a tenth of them overlap.
_PAUSES: Final = (0.3, 3.5)


class Break(StrEnum):
    """What can be broken."""

    HOST_KILL = "a Functions host is killed"
    HOST_TERMINATE = "a Functions host is terminated"
    HOST_FREEZE = "a Functions host is frozen"
    HOSTS_KILL = "all Functions hosts are killed"
    AZURITE_STOP = "Azurite is stopped"
    AZURITE_FREEZE = "Azurite is frozen"
    AZURITE_KILL = "Azurite is killed"
    STORAGE_503 = "storage answers 503"
    STORAGE_429 = "storage answers 429"
    STORAGE_HANG = "storage hangs"
    STORAGE_RESET = "storage resets connections"
    STORAGE_CUT = "storage does it, and its answer is cut"
    SERVICE_503 = "the service answers 503"
    SERVICE_429 = "the service answers 429"
    SERVICE_HANG = "the service hangs"
    SERVICE_RESET = "the service resets connections"
    SERVICE_CUT = "the service does it, and its answer is cut"
    DUPLICATE_EVENTS = "events come twice"
    DROP_ANSWERS = "answers to events are dropped"
    CUT_LINES = "all lines are cut"
    BURST = "one event comes 50 times at once"


# Relative weights: what happens often in the cloud, and what costs little time, comes more often.
_WEIGHTS: Final[Mapping[Break, float]] = {
    **dict.fromkeys(Break, 1.0),
    Break.AZURITE_KILL: 0.6,
    Break.HOSTS_KILL: 0.6,
    Break.DUPLICATE_EVENTS: 1.5,
    Break.DROP_ANSWERS: 1.5,
    Break.BURST: 1.5,
}
# How long each lasts, at least and at most, in seconds; the others are over at once.
_LENGTHS: Final[Mapping[Break, tuple[float, float]]] = {
    Break.HOST_KILL: (0.5, 3),
    Break.HOST_TERMINATE: (0.5, 3),
    Break.HOST_FREEZE: (1, 8),
    Break.HOSTS_KILL: (0.2, 2),
    Break.AZURITE_STOP: (0.5, 4),
    Break.AZURITE_FREEZE: (1, 6),
    Break.AZURITE_KILL: (0.2, 2),
    **dict.fromkeys([Break.STORAGE_503, Break.STORAGE_429, Break.STORAGE_RESET, Break.STORAGE_CUT], (1, 4)),
    **dict.fromkeys([Break.SERVICE_503, Break.SERVICE_429, Break.SERVICE_RESET, Break.SERVICE_CUT], (1, 6)),
    Break.STORAGE_HANG: (1, 6),
    Break.SERVICE_HANG: (1, 6),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: when it begins, in seconds after the start, how long it lasts, whom it hits, and how hard.

    ``host`` counts from 0. ``share`` is the part of the requests that a proxy breaks. ``count`` is how many events the
    emulator doubles or answers it drops.
    """

    at: float
    kind: Break
    seconds: float
    host: int
    share: float
    count: int

    def __str__(self) -> str:
        """Return it as a line of the schedule."""
        told = f"{self.at:7.1f} s  {self.kind}"
        if self.kind in {Break.HOST_KILL, Break.HOST_TERMINATE, Break.HOST_FREEZE}:
            told += f" (host {self.host})"
        if self.kind.name.startswith(("STORAGE", "SERVICE")):
            told += f", {self.share:.0%} of the requests"
        if self.kind in {Break.DUPLICATE_EVENTS, Break.DROP_ANSWERS}:
            told += f", {self.count} events"
        return told + (f", for {self.seconds:.1f} s" if self.seconds else "")


def make_plan(seed: int, seconds: float) -> Sequence[Step]:
    """Return the faults of a run, in their order; hosts take turns, and a kind that never came goes first.

    So a run that is long enough has each of them.
    """
    rng = random.Random(f"plan {seed}")
    steps: list[Step] = []
    at, turn, waiting = _FIRST_SECONDS, 0, rng.sample(list(Break), len(Break))
    while True:
        kind = waiting.pop() if waiting else rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        least, longest = _LENGTHS.get(kind, (0.0, 0.0))
        length = round(rng.uniform(least, longest), 1)
        step = Step(round(at, 1), kind, length, turn % HOSTS, rng.choice([0.3, 0.6, 1.0]), rng.randint(1, 12))
        if at + length > seconds:
            return steps
        steps.append(step)
        turn += kind.name.startswith("HOST_")
        # One fault in five begins while the one before lasts.
        at += rng.uniform(*_PAUSES) + (rng.uniform(0, length) if rng.random() < 0.2 else length)
