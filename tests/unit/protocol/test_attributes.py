from __future__ import annotations

from datetime import UTC, datetime

import pytest

from webpubsub_handler.protocol.attributes import decode_text, parse_time


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("ana", "ana"),
        ("", ""),
        ("%E5%BC%A0%20x", "张 x"),
        ("%22a%22", '"a"'),
        ("%2541", "%41"),
        ("a+b", "a+b"),
        ("100%", "100%"),
        ("50% off", "50% off"),
        ("%zz", "%zz"),
    ],
)
def test_one_round_of_percent_decoding_is_undone(value: str, meaning: str) -> None:
    assert decode_text(value) == meaning


def test_raw_utf_8_that_a_server_read_as_latin_1_is_mended() -> None:
    assert decode_text("张".encode().decode("latin-1")) == "张"


@pytest.mark.parametrize("value", ["caf\xe9", "%ff%fe", "%ED%A0%80"])
def test_bytes_that_are_not_utf_8_stay_as_they_came(value: str) -> None:
    assert decode_text(value) == value


def test_text_that_a_server_has_decoded_stays() -> None:
    assert decode_text("张 %41") == "张 %41"


@pytest.mark.parametrize("value", ["\udcff", "a\ud800b", "张\udfff"])
def test_no_lone_surrogate_comes_out(value: str) -> None:
    decode_text(value).encode()


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-24T09:30:00Z",
        "2026-11-24T09:30:00",
        "2026-11-24T10:30:00+01:00",
        "Tue, 24 Nov 2026 09:30:00 GMT",
        "Tue, 24 Nov 2026 10:30:00 +0100",
    ],
)
def test_a_time_is_read_as_utc_in_either_format(value: str) -> None:
    time = parse_time(value)

    assert time == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    assert time.tzinfo is UTC


@pytest.mark.parametrize("value", ["", "now", "1764000000", "2026-13-45T99:99:99Z", "\x00", "\udcff", "9" * 1000])
def test_what_is_not_a_time_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        parse_time(value)


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "Mon, 1 Jan 2020 00:00:00 +99999999999999999999",
        f"Mon, 1 Jan {'9' * 50} 00:00:00 +0000",
    ],
)
def test_a_time_out_of_range_is_refused_like_any_other_text(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        parse_time(value)
