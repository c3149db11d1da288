"""The list of supported features says what is true of the REST API's routes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import webpubsub_emulator
from webpubsub_emulator.rest.api import HEALTH, HUB, ROUTES

TEXT: Final = (Path(webpubsub_emulator.__file__).parent / "SUPPORTED_FEATURES.md").read_text("utf-8")
SECTION: Final = TEXT.partition("\n## REST\n")[2].partition("\n## ")[0]
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("| ") and not line.startswith(("| operation", "| across"))
]
STATES: Final = {"✅", "⚠️", "❌"}


def test_every_route_has_its_row_and_every_row_its_route() -> None:
    documented = [match[1] for row in ROWS if (match := re.fullmatch(r"`([A-Z]+ /api/\S+)`", row[0]))]
    served = [template.replace(" ", f" {HUB}", 1) for template in ROUTES]
    assert sorted(documented) == sorted([HEALTH, *served])
    assert len(documented) == 25


def test_every_row_about_data_has_a_state_and_says_how() -> None:
    section = TEXT.partition("\n## Data\n")[2].partition("\n## ")[0]
    tables = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| data ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in tables]
    assert len(rows) > 20
    assert [row for row in rows if len(row) != 3 or row[1] not in STATES or not row[2]] == []


def test_every_row_has_a_state() -> None:
    assert [row for row in ROWS if row[1] not in STATES] == []


def test_what_differs_says_how() -> None:
    assert [row[0] for row in ROWS if row[1] == "⚠️" and not row[2]] == []
