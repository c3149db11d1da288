"""How old an event may be, and how far in the future."""

from __future__ import annotations

import pytest

from tests.wire import ACCESS_KEY, event
from webpubsub_handler import AccessKeyAuthenticator, ConfigurationError, WebPubSubEventHandler

SENT = 1795512600.0  # 2026-11-24T09:30:00Z, as the fixtures say


async def status(
    seconds: float, *, limit: float | None = 600, time: str = "2026-11-24T09:30:00Z", key: str = ACCESS_KEY
) -> int:
    """Answer an event this many seconds after it was sent."""
    handler = WebPubSubEventHandler(
        "chat",
        [AccessKeyAuthenticator([key])],
        allowed_origins=["*"],
        max_event_age=limit,
        clock=lambda: SENT + seconds,
    )
    return (await handler.handle(event("user_text", headers={"ce-time": time}))).status


@pytest.mark.parametrize("seconds", [-300, -1, 0, 10, 600])
async def test_a_fresh_event_passes(seconds: float) -> None:
    assert await status(seconds) == 204


@pytest.mark.parametrize("seconds", [-86_400, -301, 601, 86_400])
async def test_an_event_too_far_from_now_is_a_400_so_that_it_is_not_sent_again(seconds: float) -> None:
    assert await status(seconds) == 400


@pytest.mark.parametrize("limit", [None, 600, 86_400])
async def test_an_event_of_the_future_is_refused_whatever_the_limit(limit: float | None) -> None:
    assert await status(-300, limit=limit) == 204
    assert await status(-301, limit=limit) == 400


async def test_without_a_limit_an_event_of_any_age_passes() -> None:
    assert await status(10_000_000, limit=None) == 204


@pytest.mark.parametrize("time", ["", "yesterday", "10000-01-01T00:00:00Z"])
async def test_an_event_without_a_time_is_not_fresh(time: str) -> None:
    assert await status(0, time=time) == 400


async def test_a_time_in_another_zone_is_the_same_time() -> None:
    assert await status(0, time="2026-11-24T10:30:00+01:00") == 204


async def test_a_fresh_event_must_be_proven_all_the_same() -> None:
    assert await status(0, key="another key") == 401


async def test_an_unproven_event_is_not_told_that_it_is_stale() -> None:
    assert await status(601, key="another key") == 401


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(601, "ce-time is more than 600 seconds ago"), (-301, "ce-time is more than 300 seconds in the future")],
)
async def test_a_stale_event_is_told_in_the_log(caplog: pytest.LogCaptureFixture, seconds: float, reason: str) -> None:
    await status(seconds)

    assert reason in caplog.text


@pytest.mark.parametrize("limit", [-1, 0, 599, float("nan")])
def test_a_limit_without_room_for_redeliveries_is_an_error_at_start(limit: float) -> None:
    with pytest.raises(ConfigurationError, match="at least 600 seconds"):
        WebPubSubEventHandler(
            "chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"], max_event_age=limit
        )


def test_a_limit_of_age_is_not_a_proof() -> None:
    with pytest.raises(ConfigurationError, match="without an authenticator"):
        WebPubSubEventHandler("chat", [], allowed_origins=["*"], max_event_age=600)
