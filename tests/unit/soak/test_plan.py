"""The schedule of a soak follows from its seed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.soak.plan import HOSTS, Break, make_plan


def test_a_seed_has_one_plan() -> None:
    assert make_plan(7, 120) == make_plan(7, 120)
    assert make_plan(7, 120) != make_plan(8, 120)


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    shorter, longer = make_plan(7, 60), make_plan(7, 120)
    assert longer[: len(shorter)] == shorter
    assert len(longer) > len(shorter)


@pytest.mark.parametrize("seed", range(20))
def test_two_minutes_have_every_fault_and_each_host_in_turn_and_end_in_time(seed: int) -> None:
    plan = make_plan(seed, 120)
    assert {step.kind for step in plan} == set(Break)
    assert all(step.at + step.seconds <= 120 for step in plan)
    assert all(one.at <= two.at for one, two in pairwise(plan))
    hosts = [step.host for step in plan if step.kind.name.startswith("HOST_")]
    assert all(one != two for one, two in pairwise(hosts))
    assert set(hosts) == set(range(HOSTS))
