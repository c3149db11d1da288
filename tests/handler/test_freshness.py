from __future__ import annotations

import pytest

from tests.wire import ACCESS_KEY, event
from webpubsub_handler import AccessKeyAuthenticator, Authenticator, ConfigurationError, WebPubSubEventHandler
from webpubsub_handler.freshness import EventFreshness

SENT = 1795512600.0  # 2026-11-24T09:30:00Z, as the fixtures say


async def status(
    seconds: float, *, limit: float = 120, time: str = "2026-11-24T09:30:00Z", key: str = ACCESS_KEY
) -> int:
    """Answer an event this many seconds after it was sent."""
    proofs: list[Authenticator] = [AccessKeyAuthenticator([key]), EventFreshness(limit, clock=lambda: SENT + seconds)]
    handler = WebPubSubEventHandler("chat", proofs, allowed_origins=["*"])
    return (await handler.handle(event("user_text", headers={"ce-time": time}))).status


@pytest.mark.parametrize("seconds", [-120, -1, 0, 10, 120])
async def test_a_fresh_event_passes(seconds: float) -> None:
    assert await status(seconds) == 204


@pytest.mark.parametrize("seconds", [-121, 121, 86_400])
async def test_an_event_too_far_from_now_is_a_400_so_that_it_is_not_sent_again(seconds: float) -> None:
    assert await status(seconds) == 400


@pytest.mark.parametrize("time", ["", "yesterday", "10000-01-01T00:00:00Z"])
async def test_an_event_without_a_time_is_not_fresh(time: str) -> None:
    assert await status(0, time=time) == 400


async def test_a_time_in_another_zone_is_the_same_time() -> None:
    assert await status(0, time="2026-11-24T10:30:00+01:00") == 204


async def test_a_fresh_event_must_be_proven_all_the_same() -> None:
    assert await status(0, key="another key") == 401


async def test_a_stale_event_is_told_in_the_log_and_in_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    await status(121)

    assert "ce-time is more than 120 seconds from now" in caplog.text


async def test_a_limit_of_thirty_seconds_leaves_room_for_redeliveries() -> None:
    assert await status(30, limit=30) == 204


@pytest.mark.parametrize("limit", [-1, 0, 29, float("nan")])
def test_a_limit_without_room_for_redeliveries_is_an_error_at_start(limit: float) -> None:
    with pytest.raises(ConfigurationError, match="at least 30 seconds"):
        EventFreshness(limit)
