"""The list of supported features says what is true of the subprotocols and their frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import webpubsub_emulator
from webpubsub_emulator.subprotocols.json import FRAME_READERS as JSON_READERS
from webpubsub_emulator.subprotocols.protobuf import FRAME_READERS as PROTOBUF_READERS
from webpubsub_emulator.subprotocols.protobuf_messages import Downstream, Upstream
from webpubsub_emulator.subprotocols.registry import MQTT, SUBPROTOCOLS

TEXT: Final = (Path(webpubsub_emulator.__file__).parent / "SUPPORTED_FEATURES.md").read_text("utf-8")
SECTION: Final = TEXT.partition("\n## Client protocols\n")[2].partition("\n## ")[0]
STATES: Final = {"✅", "⚠️", "❌"}


def rows(head: str) -> list[list[str]]:
    """The cells of the table that begins with this cell."""
    table = SECTION.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def named(head: str) -> list[str]:
    return [match[1] for row in rows(head) if (match := re.fullmatch(r"`([\w.]+)`", row[0]))]


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def test_every_subprotocol_has_its_row_and_every_row_its_subprotocol() -> None:
    assert sorted(named("subprotocol")) == sorted([*SUBPROTOCOLS, MQTT])


def test_every_frame_that_is_read_has_its_row_and_every_row_its_frame() -> None:
    assert sorted(named("frame of a client")) == sorted(JSON_READERS)


def test_both_codecs_read_the_same_frames() -> None:
    assert sorted(map(camel_case, PROTOBUF_READERS)) == sorted(JSON_READERS)
    assert {field.name for field in Upstream.DESCRIPTOR.fields} == set(PROTOBUF_READERS)


def test_every_frame_that_is_written_has_its_row_and_every_row_its_frame() -> None:
    assert sorted(named("frame to a client")) == sorted(
        camel_case(field.name) for field in Downstream.DESCRIPTOR.fields
    )


def test_every_row_has_a_state_and_what_differs_says_how() -> None:
    heads = ("subprotocol", "frame of a client", "frame to a client", "behaviour")
    every = [row for head in heads for row in rows(head)]
    assert len(every) > 30
    assert [row for row in every if row[1] not in STATES] == []
    assert [row for row in every if row[1] != "✅" and not row[2]] == []
