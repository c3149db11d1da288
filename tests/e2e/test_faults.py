"""Back ends that answer late, wrongly or never: each event ends, is told the truth, and may be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from local.azurite import Azurite, table_connection_string
from tests.e2e.conftest import ACCESS_KEY, System, running_system
from tests.gate import Gate
from webpubsub_handler import sign

TIME = "2026-11-24T09:30:00Z"
# A body that breaks off: azure-core does not wrap what aiohttp raises for it.
BROKEN_OFF = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
GARBAGE = b"SSH-2.0-OpenSSH_9.6\r\n"


class GatedStorage(Azurite):
    """A storage behind a gate, for ``running_system``."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    @property
    def connection_string(self) -> str:
        return table_connection_string(self._gate.port)


@pytest_asyncio.fixture
async def storage_gate(azurite: Azurite) -> AsyncIterator[Gate]:
    async with Gate(azurite.port) as opened:
        yield opened


@pytest_asyncio.fixture
async def gated(storage_gate: Gate, gate: Gate) -> AsyncIterator[System]:
    """The system, with a gate before each back end."""
    async with running_system(GatedStorage(storage_gate), gate=gate) as system:
        yield system


async def test_400_events_against_a_storage_that_never_answers_are_all_told_to_come_again(
    gated: System, storage_gate: Gate
) -> None:
    await gated.history("f1")
    storage_gate.is_silent = True
    (history, _), *answers = await asyncio.gather(
        gated.get("messages", room="f1"),
        *(
            gated.post_event(room="f1", connection_id=f"c{number}", ce_signature=sign(ACCESS_KEY, f"c{number}"))
            for number in range(400)
        ),
    )
    assert {status for status, _ in answers} == {503}
    assert history == 503
    storage_gate.open()
    async with asyncio.timeout(20):
        # As the service does it: again and again.
        while (await gated.post_event(b"late", room="f1", ce_time=TIME))[0] != 204:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    assert [message["data"] for message in await gated.history("f1")] == ["late"]


async def test_an_event_that_is_not_stored_is_one_line_of_the_log_whatever_its_id_holds(
    gated: System, storage_gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    storage_gate.answer = b""
    assert (await gated.post_event(room="f6", event_id="7\u2028ERROR forged"))[0] == 503
    told = [record.getMessage() for record in caplog.records if "the message was not stored" in record.getMessage()]
    assert [len(text.splitlines()) for text in told] == [1]


async def test_a_service_that_never_answers_keeps_no_sender_waiting_for_it_to_come_back(
    gated: System, gate: Gate
) -> None:
    gate.is_silent = True
    assert await gated.post_event(b"kept", room="f2", ce_time=TIME) == (204, b"")
    assert [message["data"] for message in await gated.history("f2")] == ["kept"]


@pytest.mark.parametrize("kind", ["message", "send"])
async def test_a_proxy_that_resets_idle_connections_costs_no_redelivery(
    gated: System, storage_gate: Gate, gate: Gate, kind: str
) -> None:
    room = f"f3-{kind}"
    ben = await gated.connect(room, "ben")
    for number in range(4):
        body, event = b"%d" % number, {"event_id": str(number), "ce_time": TIME}
        if kind == "send":
            body = b'{"key":"k%d","dataType":"text","data":"%d"}' % (number, number)
            event |= {"ce_type": "azure.webpubsub.user.send", "ce_eventName": "send"}
            event |= {"Content_Type": "application/json"}
        status, _ = await gated.post_event(body, room=room, **event)
        assert status == 204
        storage_gate.reset_idle()
        gate.reset_idle()
    assert [(await ben.message())["data"] for _ in range(4)] == ["0", "1", "2", "3"]
    assert len(await gated.history(room)) == 4
    assert storage_gate.resets > 0
    assert gate.resets > 0
    assert (await gated.get("health"))[1]["outbox"]["waiting"] == 0


@pytest.mark.parametrize("answer", [BROKEN_OFF, GARBAGE, b""], ids=["broken off", "not HTTP", "closed"])
async def test_a_storage_that_answers_nonsense_is_503_and_never_500(
    gated: System, storage_gate: Gate, answer: bytes
) -> None:
    storage_gate.answer = answer
    for number in range(6):
        assert await gated.post_event(room="f4", event_id=str(number)) == (503, b"Try again.")
    assert (await gated.get("messages", room="f4"))[0] == 503
    status, body = await gated.get("health")
    assert (status, body["storage"], body["webpubsub"], body["outbox"]) == (503, "unavailable", "ok", None)


@pytest.mark.parametrize("answer", [BROKEN_OFF, GARBAGE, b""], ids=["broken off", "not HTTP", "closed"])
async def test_a_service_that_answers_nonsense_is_success_and_the_message_is_heard_later(
    gated: System, gate: Gate, answer: bytes
) -> None:
    room = f"f5-{len(answer)}"
    ben = await gated.connect(room, "ben")
    gate.answer = answer
    assert await gated.post_event(b"kept", room=room, ce_time=TIME) == (204, b"")
    assert (await gated.get("presence", room=room))[0] == 503
    gate.open()
    assert (await ben.message())["data"] == "kept"
