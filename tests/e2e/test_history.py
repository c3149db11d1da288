"""Pages of history: every message once, newest first, with borders that hold."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import ACCESS_KEY, StartSystem, System
from webpubsub_handler import sign


async def fill(system: System, room: str, seconds: range) -> None:
    for number in seconds:
        time = f"2026-11-24T{10 + number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
        status, _ = await system.post_event(f"{number}".encode(), room=room, event_id=str(number), ce_time=time)
        assert status == 204


@pytest.mark.parametrize("limit", [1, 2, 5, 10, 11, 200])
async def test_following_next_gives_every_message_once(system: System, limit: int) -> None:
    room = f"h1-{limit}"
    await fill(system, room, range(10))
    seen: list[str] = []
    query: dict[str, object] = {"limit": limit}
    for _ in range(11):
        status, page = await system.get("messages", room=room, **query)
        assert status == 200
        assert len(page["messages"]) <= limit
        seen += [message["data"] for message in page["messages"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen == [str(number) for number in reversed(range(10))]


async def test_a_full_last_page_has_no_next(system: System) -> None:
    await fill(system, "h2", range(4))
    _, page = await system.get("messages", room="h2", limit=4)
    assert len(page["messages"]) == 4
    assert page["next"] is None


async def test_after_gives_what_is_newer_and_the_redelivery_window(system: System) -> None:
    await fill(system, "h3", range(0, 600, 60))
    messages = await system.history("h3", limit=200)
    last_seen = next(message for message in messages if message["data"] == "300")
    newer = await system.history("h3", after=last_seen["id"], limit=200)
    assert [message["data"] for message in newer] == ["540", "480", "420", "360", "300", "240", "180"]


async def test_after_can_be_paged_with_before(system: System) -> None:
    await fill(system, "h4", range(0, 600, 60))
    anchor = (await system.history("h4", limit=200))[-1]["id"]
    _, page = await system.get("messages", room="h4", after=anchor, limit=6)
    rest = await system.history("h4", after=anchor, before=page["next"], limit=6)
    assert [message["data"] for message in page["messages"] + rest] == [str(n) for n in range(540, -1, -60)]


async def test_large_messages_make_shorter_pages_and_lose_nothing(start_system: StartSystem) -> None:
    system = await start_system(MAX_MESSAGE_BYTES="716800")
    for number in range(9):
        await system.post_event(b"%d" % number * 700_000, room="h5", event_id=str(number))
    sizes: list[int] = []
    query: dict[str, object] = {}
    while True:
        _, page = await system.get("messages", room="h5", limit=200, **query)
        sizes.append(len(page["messages"]))
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    assert sum(sizes) == 9
    assert len(sizes) > 1


@pytest.mark.parametrize("limit", [1, 4, 5, 12, 13])
async def test_page_borders_within_one_second_are_exact_in_both_directions(system: System, limit: int) -> None:
    room = f"h6-{limit}"
    for number in range(12):
        connection = f"c{number % 5}"
        status, _ = await system.post_event(
            b"%d" % number,
            room=room,
            event_id=str(number),
            connection_id=connection,
            ce_signature=sign(ACCESS_KEY, connection),
            ce_time="2026-11-24T09:30:00Z",
        )
        assert status == 204
    everything = [message["id"] for message in await system.history(room, limit=200)]
    assert len(everything) == 12
    seen: list[str] = []
    query: dict[str, object] = {"limit": limit, "after": everything[-1]}
    while True:
        _, page = await system.get("messages", room=room, **query)
        seen += [message["id"] for message in page["messages"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen == everything
    for index, cursor in enumerate(everything):
        assert [message["id"] for message in await system.history(room, before=cursor)] == everything[index + 1 :]
