"""Frames as the socket carries them, RFC 6455."""

from __future__ import annotations

import pytest

from webpubsub_emulator.core.frames import Frame, close_frame


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_begins_with_its_length(length: int, header: bytes) -> None:
    frame = Frame(b"x" * length, is_text=True)
    assert frame.wire == header + b"x" * length
    assert frame.data == b"x" * length


def test_a_binary_frame_says_so() -> None:
    frame = Frame(b"", is_text=False)
    assert (frame.wire, frame.is_text) == (b"\x82\x00", False)


def test_a_close_frame_has_a_code_and_as_much_text_as_fits_whole() -> None:
    assert close_frame(1000, "") == b"\x88\x02\x03\xe8"
    assert close_frame(1008, "ü" * 100) == b"\x88\x7c\x03\xf0" + ("ü" * 61).encode()
