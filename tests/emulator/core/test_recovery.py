"""What a reliable connection keeps for its client, without sockets."""

from __future__ import annotations

import pytest

from webpubsub_emulator.core.client_protocol import OutgoingMessage
from webpubsub_emulator.core.messages import MAX_MESSAGE_BYTES, DataType, Payload
from webpubsub_emulator.core.recovery import MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_MESSAGES, Recovery
from webpubsub_emulator.subprotocols.json import JsonProtocol

HELLO = JsonProtocol().message(OutgoingMessage(Payload(DataType.TEXT, b"hello")))


def recovery_of(messages: int) -> Recovery:
    recovery = Recovery("token")
    for _ in range(messages):
        recovery.keep(HELLO)
    return recovery


def kept(recovery: Recovery) -> list[int]:
    return [int(frame.data.rpartition(b":")[2].rstrip(b"}")) for frame in recovery]


def test_messages_are_numbered_from_one() -> None:
    assert kept(recovery_of(3)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("sequence_id", "left"), [(0, [1, 2, 3]), (1, [2, 3]), (2, [3]), (3, []), (4, []), (2**64 - 1, [])]
)
def test_an_ack_is_for_all_messages_before_it_too(sequence_id: int, left: list[int]) -> None:
    recovery = recovery_of(3)
    recovery.acknowledge(sequence_id)
    assert kept(recovery) == left


def test_an_ack_that_comes_late_or_again_changes_nothing() -> None:
    recovery = recovery_of(3)
    for sequence_id in (2, 1, 2):
        recovery.acknowledge(sequence_id)
    assert kept(recovery) == [3]


def test_numbers_go_on_after_acks() -> None:
    recovery = recovery_of(3)
    recovery.acknowledge(3)
    recovery.keep(HELLO)
    assert kept(recovery) == [4]


def test_what_comes_again_is_what_was_sent() -> None:
    recovery = Recovery("token")
    sent = [recovery.keep(HELLO), recovery.keep(HELLO)]
    assert [frame.wire for frame in recovery] == [frame.wire for frame in sent if frame]


def test_a_thousand_messages_are_kept_and_no_more() -> None:
    recovery = recovery_of(MAX_UNACKNOWLEDGED_MESSAGES)
    assert recovery.keep(HELLO) is None
    recovery.acknowledge(1)
    assert recovery.keep(HELLO) is not None


def test_sixteen_megabytes_are_kept_and_no_more() -> None:
    large = JsonProtocol().message(OutgoingMessage(Payload(DataType.TEXT, b"x" * (MAX_MESSAGE_BYTES - 100))))
    recovery = Recovery("token")
    sizes = [len(frame.data) for _ in range(20) if (frame := recovery.keep(large)) is not None]
    assert MAX_UNACKNOWLEDGED_BYTES - max(sizes) < sum(sizes) <= MAX_UNACKNOWLEDGED_BYTES
    recovery.acknowledge(1)
    assert recovery.keep(large) is not None


@pytest.mark.parametrize(("token", "is_admitted"), [("token", True), ("", False), ("Token", False), ("\ud800", False)])
def test_only_its_own_token_admits(token: str, is_admitted: bool) -> None:
    assert Recovery("token").admits(token) is is_admitted
