"""The codec of simple clients, without sockets."""

from __future__ import annotations

import pytest

from webpubsub_emulator.core.client_protocol import OutgoingMessage, SendToGroup, UserEvent
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.subprotocols.simple import SimpleModeError, SimpleProtocol, simple_protocol


def test_a_text_frame_is_the_event_message() -> None:
    assert SimpleProtocol().decode("hi") == UserEvent("message", Payload(DataType.TEXT, b"hi"))


def test_a_binary_frame_is_the_event_message() -> None:
    assert SimpleProtocol().decode(b"\x00") == UserEvent("message", Payload(DataType.BINARY, b"\x00"))


def test_in_send_to_group_mode_a_frame_goes_to_the_group() -> None:
    protocol = simple_protocol({"webpubsub_mode": ["sendToGroup"], "group": ["a", "g"], "noEcho": ["true"]})
    assert protocol.decode("hi") == SendToGroup("g", Payload(DataType.TEXT, b"hi"), is_echoed=False)


@pytest.mark.parametrize(
    ("data_type", "is_text"), [("text", True), ("json", True), ("binary", False), ("protobuf", False)]
)
def test_a_message_is_written_bare(data_type: str, is_text: bool) -> None:
    frame = SimpleProtocol().message(OutgoingMessage(Payload(DataType(data_type), b"1"), "g", "ana")).frame
    assert (frame.data, frame.is_text) == (b"1", is_text)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"webpubsub_mode": [""]},
        {"webpubsub_mode": ["sendToGroup", ""], "group": ["g"]},
        {"webpubsub_mode": ["invalid", "SENDEVENT"], "group": [""], "noEcho": ["invalid"]},
    ],
)
def test_without_a_mode_or_with_an_empty_one_frames_are_events(query: dict[str, list[str]]) -> None:
    assert simple_protocol(query) == SimpleProtocol()


def test_the_parameters_of_a_mode_are_read_in_any_case() -> None:
    query = {"WebPubSub_Mode": ["sendtogroup"], "GROUP": ["g"], "noecho": ["TRUE"]}
    assert simple_protocol(query) == SimpleProtocol("g", is_echoed=False)


@pytest.mark.parametrize(
    "query",
    [
        {"webpubsub_mode": ["other"]},
        {"webpubsub_mode": ["sendToGroup"]},
        {"webpubsub_mode": ["sendToGroup"], "group": [" "]},
        {"webpubsub_mode": ["sendToGroup"], "group": ["g"], "noEcho": ["maybe"]},
    ],
)
def test_a_mode_that_does_not_exist_is_refused(query: dict[str, list[str]]) -> None:
    with pytest.raises(SimpleModeError):
        simple_protocol(query)
