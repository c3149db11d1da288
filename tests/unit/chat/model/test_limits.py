"""How often a user may do something, by a clock that only the test moves."""

from __future__ import annotations

import pytest

from chat.model import limits
from chat.model.limits import RateLimiter
from tests.clock import Clock


def taken(limiter: RateLimiter, name: str, times: int, per_second: float = 10) -> int:
    """Return how many of so many attempts pass."""
    return sum(limiter.take(name, per_second=per_second) == 0 for _ in range(times))


def test_twice_the_rate_passes_at_once_and_no_more() -> None:
    assert taken(RateLimiter(Clock(0)), "ana", 100) == 20


def test_what_is_used_up_comes_back_at_the_rate_and_never_beyond_the_burst() -> None:
    clock = Clock(0)
    limiter = RateLimiter(clock)
    taken(limiter, "ana", 100)
    clock.now = 1.0
    assert taken(limiter, "ana", 100) == 10
    clock.now = 1000.0
    assert taken(limiter, "ana", 100) == 20


def test_who_is_refused_is_told_how_long_and_passes_then() -> None:
    clock = Clock(0)
    limiter = RateLimiter(clock)
    taken(limiter, "ana", 20)
    clock.now = 0.02
    wait = limiter.take("ana", per_second=10)
    assert wait == pytest.approx(0.08)
    clock.now += wait
    assert limiter.take("ana", per_second=10) == 0


def test_an_attempt_that_is_refused_costs_nothing() -> None:
    clock = Clock(0)
    limiter = RateLimiter(clock)
    taken(limiter, "ana", 10_000)
    clock.now = 0.1
    assert taken(limiter, "ana", 1) == 1


def test_a_rate_that_becomes_lower_leaves_the_tokens_that_are_there() -> None:
    limiter = RateLimiter(Clock(0))
    taken(limiter, "ana", 1, per_second=20)
    assert taken(limiter, "ana", 100, per_second=0.0001) == 1


def test_the_haste_of_one_user_does_not_slow_down_another() -> None:
    limiter = RateLimiter(Clock(0))
    taken(limiter, "ana", 100)
    assert taken(limiter, "ben", 100) == 20


def test_the_same_text_as_a_name_of_another_kind_is_another_name() -> None:
    limiter = RateLimiter(Clock(0))
    while limiter.take("user", "x", per_second=1) == 0:
        pass
    assert limiter.take("connection", "x", per_second=1) == 0


@pytest.mark.parametrize("per_second", [0, -1])
def test_without_a_limit_everything_passes(per_second: float) -> None:
    assert taken(RateLimiter(Clock(0)), "ana", 1000, per_second) == 1000


def test_a_rate_below_one_lets_one_pass_now_and_then() -> None:
    clock = Clock(0)
    limiter = RateLimiter(clock)
    assert taken(limiter, "ana", 5, 0.1) == 1
    clock.now = 10.0
    assert taken(limiter, "ana", 5, 0.1) == 1


def test_whatever_names_come_only_the_last_used_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BUCKETS", 100)
    limiter = RateLimiter(Clock(0))
    taken(limiter, "busy", 20)
    for number in range(10_000):
        limiter.take(f"user {number}", per_second=10)
        assert taken(limiter, "busy", 1) == 0
    assert len(vars(limiter)["_buckets"]) == 100


def test_a_name_that_may_do_everything_again_is_not_remembered() -> None:
    clock = Clock(0)
    limiter = RateLimiter(clock)
    for number in range(100):
        limiter.take(f"user {number}", per_second=10)
    clock.now = 0.1
    limiter.take("ana", per_second=10)
    assert len(vars(limiter)["_buckets"]) == 1
