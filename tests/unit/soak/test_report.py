"""The table of a soak says which promise was broken, and by which messages."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from tests.soak.load.plots import plot
from tests.soak.report import Report, as_json, as_table
from tests.soak.system.front import is_ours
from tests.soak.system.processes import Usage
from tests.soak.verdict import Figure

KEPT = Figure("acknowledged and not stored", 0, 0)
BROKEN = Figure("two rows for one key or one event", 1, 0, ("7 by ana",))
KNOWN = Figure("messages sent", 1234)
DONE = Figure("removals", 2, least=1)
NEVER = Figure("removals", 0, least=1)


def report(*figures: Figure) -> Report:
    usage = {"host0": (Usage(60, 20, 10), Usage(61.6, 21, 11)), "azurite": (Usage(1, 2, None), Usage(3, 4, None))}
    return Report(11, 5, figures, {"all lines are cut": 2}, usage)


def test_a_run_is_kept_when_every_promise_is() -> None:
    assert [report(KNOWN, KEPT, DONE).is_kept, report(KNOWN, BROKEN).is_kept] == [True, False]


def test_a_run_in_which_something_never_happened_is_not_kept() -> None:
    assert not report(KNOWN, KEPT, NEVER).is_kept
    assert "| removals | 0 | at least 1 **broken** |" in as_table(report(NEVER))
    assert "| removals | 2 | at least 1 |" in as_table(report(DONE))


def test_the_table_shows_figures_promises_usage_and_examples() -> None:
    table = as_table(report(KNOWN, KEPT, BROKEN))
    assert "5 minutes, seed 11, 2 faults: **a promise was broken**." in table
    assert "| messages sent | 1,234 |  |" in table
    assert "| two rows for one key or one event | 1 | 0 **broken** |" in table
    assert "\n- 7 by ana\n" in table
    assert "| host0 | 60 → 62 MiB | 20 → 21 | 10 → 11 |" in table
    assert "| azurite | 1 → 3 MiB | 2 → 4 | – |" in table


def test_the_table_is_json_too() -> None:
    fields = json.loads(as_json(report(KNOWN, BROKEN)))
    assert (fields["seed"], fields["isKept"]) == (11, False)
    assert [figure["value"] for figure in fields["figures"]] == [1234, 1]
    assert fields["usage"]["host0"]["after"] == {"memory": 61.6, "files": 21, "tasks": 11}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (503, b"Try again.", True),
        (503, b'{"type":"error","code":"unavailable","message":"Try again."}', True),
        (503, b'{"status":"unhealthy","storage":"unavailable"}', True),
        (503, b"", False),
        (503, b"Traceback", False),
        (503, b'["unavailable"]', False),
        (500, b"Try again.", False),
        (500, b"The event handler failed (error 1).", False),
    ],
)
def test_only_503_in_the_app_s_own_words_is_ours(status: int, body: bytes, expected: bool) -> None:
    assert is_ours(status, body) is expected


def test_a_plot_is_svg_with_each_line_and_round_numbers() -> None:
    root = ET.fromstring(plot("A <title>", "seconds", {"sent": [(0, 0), (81, 4706)], "back": [(0, 1)]}))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"A <title>", "seconds", "sent", "back", "100", "6,000", "0"} <= set(texts)
    assert sum(element.tag.endswith("polyline") for element in root.iter()) == 2
