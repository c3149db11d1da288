"""What is written about figures is what was measured, and what is planned with it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.__main__ import NAMES, descriptions, main
from benchmarks.capacity import EXAMPLES, Load, plan, table
from benchmarks.capacity import main as capacity
from benchmarks.ordered_table import OrderedTable
from benchmarks.report import Figure, NotMeasuredError, Run, document, dump, plot, read

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SLOW = Figure(what="a <slow> thing", ours="3 ms", baseline="1 ms", value=3.0, at_most=2.0)
FAST = Figure(what="a fast thing", ours="9 /s", baseline="6 /s", value=1.5, at_least=1.2)
KNOWN = Figure(what="a thing to know", ours="7")
RUNS = [Run("start", "a machine", [SLOW, FAST, KNOWN])]


def test_a_figure_is_met_within_its_bound_and_without_one() -> None:
    assert [figure.is_met for figure in (SLOW, FAST, KNOWN)] == [False, True, True]
    assert [replace(SLOW, value=2.0).is_met, replace(FAST, value=1.19).is_met] == [True, False]


def test_runs_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    assert read(path) == {}
    path.write_text(dump(RUNS), "utf-8")
    assert read(path) == {"start": RUNS[0]}


def test_the_page_says_which_bounds_are_not_kept() -> None:
    page = document(RUNS, {"start": "What it is."}, "plot.svg")
    rows = [line for line in page.splitlines() if line.startswith("| a ")]
    assert [row.rsplit("|", 2)[1].strip() for row in rows] == ["**no**", "yes", ""]


def test_the_page_says_what_was_not_measured_yet() -> None:
    page = document(RUNS, {"start": "What it is.", "memory": "What is kept."}, "plot.svg")
    assert "Not measured yet: `memory`." in page


def test_the_plot_has_a_bar_for_each_figure_with_a_bound() -> None:
    bars = [element.get("fill") for element in ET.fromstring(plot(RUNS)).iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert len(bars) == 2
    assert bars[0] != bars[1]


def test_the_page_in_the_docs_is_made_from_the_figures_beside_it() -> None:
    runs = read(DOCS / "benchmarks.json")
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    assert page == document(runs.values(), descriptions(), "benchmarks.svg")
    assert (DOCS / "benchmarks.svg").read_text("utf-8") == plot(runs.values())
    assert set(runs) <= set(NAMES)


def test_what_was_measured_is_written_before_the_next_benchmark_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_DATA", "_PAGE", "_PLOT"):
        monkeypatch.setattr(command, name, tmp_path / name)

    def interrupted(name: str) -> Run:
        if name != "start":
            raise KeyboardInterrupt
        return RUNS[0]

    monkeypatch.setattr(command, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["start", "messages"])
    assert list(read(tmp_path / "_DATA")) == ["start"]
    assert "a &lt;slow&gt; thing" in (tmp_path / "_PLOT").read_text("utf-8")


def test_what_cannot_be_measured_does_not_keep_the_others_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_DATA", "_PAGE", "_PLOT"):
        monkeypatch.setattr(command, name, tmp_path / name)
    monkeypatch.setattr(command, "ROOT", tmp_path)

    def failing(name: str) -> Run:
        if name == "start":
            raise NotMeasuredError("an event was answered 500")
        return Run(name, "a machine", [FAST])

    monkeypatch.setattr(command, "run", failing)
    assert main(["start", "messages"]) == 1
    assert list(read(tmp_path / "_DATA")) == ["messages"]


def test_the_sorted_table_answers_a_range_of_one_partition_page_by_page() -> None:
    keys = [(partition, f"{row:02}") for partition in ("a", "b", "c") for row in reversed(range(20))]
    table = OrderedTable({"PartitionKey": partition, "RowKey": row} for partition, row in keys)
    text = "PartitionKey eq 'b' and RowKey lt '12' and RowKey gt '03'"
    first, following = table.query(text, 5, None)
    second, end = table.query(text, 5, following)
    rows = [(row["PartitionKey"], row["RowKey"]) for page in (first, second) for row in json.loads(page)["value"]]
    assert rows == [("b", f"{row:02}") for row in range(4, 12)]
    assert (following, end) == (("b", "09"), None)
    assert table.query("PartitionKey eq 'nobody'", 5, None) == ('{"value":[]}', None)


def test_a_name_that_is_not_a_benchmark_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert ", ".join(NAMES) in capsys.readouterr().err


def test_the_plans_in_the_docs_are_those_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity([]) == 0
    printed = capsys.readouterr().out
    assert printed == f"{table(EXAMPLES)}\n"
    assert f"<!-- python -m benchmarks.capacity -->\n{printed}<!-- end -->" in (DOCS / "scaling.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("load", "first", "units"),
    [
        (Load(800, 0.01, 2), "connections", 1),
        (Load(801, 0.01, 2), "connections", 2),
        (Load(100, 120, 2), "REST calls", 2),
        (Load(100, 1, 100_000), "messages to clients", 100),
    ],
)
def test_what_breaks_first_decides_the_units(load: Load, first: str, units: int) -> None:
    made = plan(load)
    assert (made.first, made.units) == (first, units)


def test_more_units_than_one_service_has_are_several_services() -> None:
    made = plan(Load(1_000_000))
    assert (made.services, made.units) == (13, 1300)


def test_more_calls_than_one_storage_account_takes_are_several_accounts() -> None:
    assert [plan(Load(1_000_000, each, 1)).accounts for each in (1.0, 1.3)] == [1, 2]


def test_a_load_of_nothing_is_refused() -> None:
    with pytest.raises(SystemExit):
        capacity(["--connections", "0"])


def test_the_oldest_versions_are_those_that_the_requirements_allow() -> None:
    allowed = re.findall(r"^([\w-]+)(?:\[\w+\])?>=([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    oldest = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests" / "oldest.txt").read_text(), re.MULTILINE))
    for name, version in allowed:
        assert f"{oldest[name]}.0".startswith(f"{version}.")
