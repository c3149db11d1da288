"""The page of the load says what was measured, and what was lost is a failure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.load.crowd import Idle, Return, SlowReader
from tests.soak.load.measure import Load, page, plots, problems
from tests.soak.load.senders import Overload, Pace

LOAD = Load(
    machine="a machine",
    paces=[Pace(1, 30.0, 20.0, 40.0), Pace(8, 100.0, 60.0, 90.0), Pace(64, 90.0, 500.0, 900.0)],
    overload=Overload(400.0, 10.0, [0, 400, 4000, 4000], [0, 90, 900, 4000], 3, 30.0, [12, 10, 11]),
    stored=(4000, 4000),
    heard=(32000, 32000),
    idle=Idle(1000, 6.0, 38.5, 3.8, 15.0, 19.0),
    back=Return(500, [0, 250, 500], 2, 0.3),
    slow=SlowReader(40.0, 90.0, True, 699, 699, 699),
)


def test_the_page_has_every_figure() -> None:
    text = page(LOAD)
    for part in (
        "100 /s with 8 senders (p50 60 ms, p99 90 ms)",
        "400 /s: 4,000 sent, 0 lost, 0 not heard, 3 sent again",
        "30.0 s more",
        "1.20 ×",
        "38 KiB each in the emulator",
        "19 ms (without them 15 ms)",
        "all back after 0.3 s, 2 attempts failed",
        "the service dropped its connection",
    ):
        assert part in text
    assert all(f"({name})" in text for name in plots(LOAD))


def test_nothing_is_lost_at_any_load() -> None:
    assert problems(LOAD) == []


@pytest.mark.parametrize(
    "lossy",
    [
        replace(LOAD, stored=(3999, 4000)),
        replace(LOAD, heard=(31999, 32000)),
        replace(LOAD, stored=(0, 0)),
        replace(LOAD, heard=(0, 0)),
        replace(LOAD, slow=replace(LOAD.slow, heard_by_others=698)),
        replace(LOAD, slow=replace(LOAD.slow, read_afterwards=698)),
    ],
    ids=["stored", "heard", "nothing sent", "nobody there", "beside a slow client", "by the slow client"],
)
def test_what_was_lost_is_a_failure(lossy: Load) -> None:
    assert len(problems(lossy)) == 1
