"""How long a consent and a refusal are remembered."""

from __future__ import annotations

import aiohttp
import pytest

from tests.clock import Clock
from tests.emulator.fakes import RecordingHandler
from webpubsub_emulator.upstream.abuse_protection import AbuseProtection, Handshake
from webpubsub_emulator.upstream.failures import Failure


@pytest.fixture
def clock() -> Clock:
    return Clock(0)


async def asked_after(handler: RecordingHandler, clock: Clock, waits: list[float]) -> list[int]:
    """How often the handler was asked in all, after each wait."""
    asked = []
    async with aiohttp.ClientSession() as session:
        protection = AbuseProtection(session, "localhost", clock=clock)
        for wait in waits:
            clock.now += wait
            await protection.problem(f"{handler.url}/validate")
            asked.append(len(handler.received))
    return asked


async def test_a_consent_is_renewed_after_a_minute(handler: RecordingHandler, clock: Clock) -> None:
    assert await asked_after(handler, clock, [0, 59, 1, 59, 1]) == [1, 1, 2, 2, 3]


async def test_a_refusal_is_remembered_twice_as_long_each_time(handler: RecordingHandler, clock: Clock) -> None:
    handler.consent = {}
    assert await asked_after(handler, clock, [0, 0.9, 0.1, 1.9, 0.1, 3.9, 0.1]) == [1, 1, 2, 2, 3, 3, 4]


async def test_a_refusal_is_remembered_a_minute_at_most(handler: RecordingHandler, clock: Clock) -> None:
    handler.consent = {}
    assert (await asked_after(handler, clock, [60] * 9))[-1] == 9


async def test_a_handler_that_gives_way_is_asked_again_with_patience_restored(
    handler: RecordingHandler, clock: Clock
) -> None:
    async with aiohttp.ClientSession() as session:
        protection = AbuseProtection(session, "localhost", clock=clock)
        handler.consent = {}
        assert await protection.problem(f"{handler.url}/validate") == "status 200 with WebHook-Allowed-Origin: (none)"
        clock.now = 1
        handler.consent = {"WebHook-Allowed-Origin": "localhost"}
        assert await protection.problem(f"{handler.url}/validate") is None
        clock.now, handler.consent = 100, {}
        assert await protection.problem(f"{handler.url}/validate") is not None
        clock.now, handler.consent = 101, {"WebHook-Allowed-Origin": "*"}
        assert await protection.problem(f"{handler.url}/validate") is None


@pytest.mark.parametrize(
    ("handshake", "fix"),
    [
        (Handshake("localhost", failure=Failure("no answer", "start the handler")), "start the handler"),
        (Handshake("localhost", 301), "follows no redirect"),
        (Handshake("localhost", 400), "Endpoint must be localhost"),
        (Handshake("localhost", 401), "?code="),
        (Handshake("localhost", 403), "allow the origin localhost"),
        (Handshake("localhost", 404), "{event} is validate"),
        (Handshake("localhost", 405), "OPTIONS"),
        (Handshake("localhost", 418), "what the handler says"),
        (Handshake("localhost", 500), "handler's log"),
        (Handshake("localhost", 200), "header WebHook-Allowed-Origin: localhost"),
        (Handshake("localhost", 200, ["elsewhere"]), "--public-endpoint"),
    ],
)
def test_every_refusal_has_its_fix(handshake: Handshake, fix: str) -> None:
    assert handshake.problem is not None
    assert fix in handshake.fix


async def test_a_handler_that_was_forgotten_is_asked_again(handler: RecordingHandler, clock: Clock) -> None:
    async with aiohttp.ClientSession() as session:
        protection = AbuseProtection(session, "localhost", clock=clock)
        await protection.problem(f"{handler.url}/validate")
        protection.forget()
        await protection.problem(f"{handler.url}/validate")
    assert len(handler.received) == 2
