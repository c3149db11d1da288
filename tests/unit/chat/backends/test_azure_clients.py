"""Every call has a time limit, and while calls keep timing out the next ones fail at once."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError, ServiceResponseTimeoutError

from chat.backends.azure_clients import MAX_TIMEOUTS, PROBE_SECONDS, Calls, TooManyTimeoutsError
from tests.clock import Clock


class UnavailableError(Exception):
    """What a caller wants to see."""


async def call(calls: Calls, raised: Exception | None = None) -> None:
    async with calls.limit(60, UnavailableError("down")):
        if raised is not None:
            raise raised


async def fail(calls: Calls, raised: Exception, times: int = MAX_TIMEOUTS) -> None:
    for _ in range(times):
        with pytest.raises(UnavailableError):
            await call(calls, raised)


@pytest.mark.parametrize(
    "raised",
    [ResourceNotFoundError("gone"), aiohttp.ClientPayloadError("broken off"), TimeoutError(), ConnectionResetError()],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_back_end_does_wrong_is_unavailable_from_its_cause(raised: Exception) -> None:
    with pytest.raises(UnavailableError) as caught:
        await call(Calls(), raised)
    assert caught.value.__cause__ is raised


async def test_the_sdk_s_own_mistake_over_a_failure_is_that_failure() -> None:
    failure = ResourceNotFoundError("broken off")
    mistake = AttributeError("'NoneType' object has no attribute 'headers'")
    mistake.__context__ = failure
    with pytest.raises(UnavailableError) as caught:
        await call(Calls(), mistake)
    assert caught.value.__cause__ is failure


async def test_a_call_that_is_never_answered_ends() -> None:
    with pytest.raises(UnavailableError):
        async with Calls().limit(0.01, UnavailableError("down")):
            await asyncio.Event().wait()


async def test_a_mistake_of_the_caller_is_answered_as_one() -> None:
    for mistake in (KeyError("a mistake"), AttributeError("another")):
        with pytest.raises(type(mistake)):
            await call(Calls(), mistake)


@pytest.mark.parametrize("raised", [TimeoutError(), ServiceResponseTimeoutError("late")], ids=["ours", "the SDK's"])
async def test_after_timeouts_in_a_row_the_next_call_fails_without_being_made(raised: Exception) -> None:
    calls = Calls(Clock(0))
    await fail(calls, raised)
    is_made = False
    with pytest.raises(UnavailableError) as caught:
        async with calls.limit(60, UnavailableError("down")):
            is_made = True
    assert isinstance(caught.value.__cause__, TooManyTimeoutsError)
    assert not is_made


async def test_one_call_a_second_finds_out_and_an_answer_lets_all_pass_again() -> None:
    clock = Clock(0)
    calls = Calls(clock)
    await fail(calls, TimeoutError())
    clock.now += PROBE_SECONDS
    await fail(calls, TimeoutError(), times=1)
    with pytest.raises(UnavailableError):
        await call(calls)
    clock.now += PROBE_SECONDS
    await call(calls)
    await call(calls)


@pytest.mark.parametrize("raised", [None, ConnectionResetError(), KeyError()], ids=["success", "a failure", "a bug"])
async def test_an_answer_of_any_kind_ends_the_row_of_timeouts(raised: Exception | None) -> None:
    calls = Calls(Clock(0))
    await fail(calls, TimeoutError(), times=MAX_TIMEOUTS - 1)
    if raised is None:
        await call(calls)
    else:
        with pytest.raises((UnavailableError, KeyError)):
            await call(calls, raised)
    await fail(calls, TimeoutError(), times=MAX_TIMEOUTS - 1)
    await call(calls)
