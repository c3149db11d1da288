"""What is written about figures is what was measured, and what is planned with it."""

from __future__ import annotations

import asyncio
import json
import os
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


def test_a_figure_that_may_neither_grow_nor_shrink_has_both_bounds() -> None:
    steady = replace(SLOW, at_least=0.95, at_most=1.05)
    assert [replace(steady, value=value).is_met for value in (0.94, 0.95, 1.05, 1.06)] == [False, True, True, False]
    assert steady.bound == "0.95 to 1.05 ×"


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


def test_the_plot_cuts_off_no_name() -> None:
    for element in ET.parse(DOCS / "benchmarks.svg").iter("{http://www.w3.org/2000/svg}text"):
        if element.get("text-anchor") == "end":
            assert 6 * len(element.text or "") <= float(element.get("x", "0")), element.text


def test_the_page_in_the_docs_is_made_from_the_figures_beside_it() -> None:
    runs = read(DOCS / "benchmarks.json")
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    assert page == document(runs.values(), descriptions(), "benchmarks.svg")
    assert (DOCS / "benchmarks.svg").read_text("utf-8") == plot(runs.values())
    assert set(runs) <= set(NAMES)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the files that the command writes."""
    for name in ("_DATA", "_PAGE", "_PLOT"):
        monkeypatch.setattr(command, name, tmp_path / name)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path


def measuring(monkeypatch: pytest.MonkeyPatch, *figures: Figure) -> list[str]:
    """Let each benchmark return these figures, or fail without any; return the names of those that ran."""
    names: list[str] = []

    def run(name: str) -> Run:
        names.append(name)
        if not figures:
            raise NotMeasuredError("an event was answered 500")
        return Run(name, "a machine", list(figures))

    monkeypatch.setattr(command, "run", run)
    return names


def test_what_was_measured_is_written_before_the_next_benchmark_begins(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(name: str) -> Run:
        if name != "start":
            raise KeyboardInterrupt
        return RUNS[0]

    monkeypatch.setattr(command, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["start", "messages"])
    assert list(read(page / "_DATA")) == ["start"]
    assert "a &lt;slow&gt; thing" in (page / "_PLOT").read_text("utf-8")


def test_a_write_that_breaks_off_leaves_the_page_as_it_was(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measuring(monkeypatch, FAST)
    assert main(["start"]) == 0
    before = (page / "_PAGE").read_text("utf-8")
    write_text = Path.write_text

    def half(path: Path, text: str, encoding: str) -> int:
        write_text(path, text[:100], encoding)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(KeyboardInterrupt):
        main(["messages"])
    assert (page / "_PAGE").read_text("utf-8") == before
    assert list(read(page / "_DATA")) == ["start"]


@pytest.mark.parametrize("rubbish", ["", "<<<<<<< HEAD\n[]", "{}", '[{"name": "start"}]', '[{"figures": [{"x": 1}]}]'])
def test_figures_that_cannot_be_read_are_told_before_anything_is_measured(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rubbish: str
) -> None:
    names = measuring(monkeypatch, FAST)
    (page / "_DATA").write_text(rubbish, "utf-8")
    with pytest.raises(SystemExit):
        main(["start"])
    assert "_DATA" in capsys.readouterr().err
    assert (names, (page / "_DATA").read_text("utf-8")) == ([], rubbish)


def test_a_bound_that_is_missed_is_told_and_fails_the_command(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measuring(monkeypatch, FAST, SLOW)
    assert main(["start"]) == 1
    assert "**no**" in (page / "_PAGE").read_text("utf-8")


def test_where_nothing_was_measured_nothing_is_said_to_be_written(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measuring(monkeypatch)
    assert main(["start"]) == 1
    assert "Wrote" not in capsys.readouterr().out
    assert list(page.iterdir()) == []


@pytest.mark.parametrize(("load", "is_told"), [((0.5, 9.0, 9.0), False), ((9.0, 0.5, 0.5), True)])
def test_a_busy_machine_is_told_before_it_is_measured(
    page: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    load: tuple[float, float, float],
    is_told: bool,
) -> None:
    measuring(monkeypatch, FAST)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: load, raising=False)
    main(["start"])
    assert ("busy" in capsys.readouterr().out) == is_told


def test_a_benchmark_that_hangs_is_not_waited_for(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_MAX_SECONDS", 0.01)

    async def hang() -> list[Figure]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("benchmarks.handler.measure", hang)
    assert main(["handler"]) == 1
    assert list(page.iterdir()) == []


def test_what_cannot_be_measured_does_not_keep_the_others_from_it(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(name: str) -> Run:
        if name == "start":
            raise NotMeasuredError("an event was answered 500")
        return Run(name, "a machine", [FAST])

    monkeypatch.setattr(command, "run", failing)
    assert main(["start", "messages"]) == 1
    assert list(read(page / "_DATA")) == ["messages"]


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
        (Load(100, 1, 100_000), "messages to clients", 60),
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


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--connections 0", "--connections"),
        ("--connections 1000 --messages-a-minute nan", "--messages-a-minute"),
        ("--connections 1000 --messages-a-minute inf", "--messages-a-minute"),
        (f"--connections {10**400}", "--connections"),
        ("--connections 1000 --busy-hours 25", "--busy-hours"),
        ("--connections 20 --room 21", "--room"),
        ("--room 21", "--connections"),
    ],
)
def test_a_load_that_cannot_be_is_refused_by_name(capsys: pytest.CaptureFixture[str], options: str, named: str) -> None:
    with pytest.raises(SystemExit):
        capacity(options.split())
    assert named in capsys.readouterr().err.splitlines()[-1]


def test_no_more_than_are_connected_read_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity(["--connections", "20"]) == 0
    assert "| 20 | 0.5 | 20 |" in capsys.readouterr().out


def test_a_message_with_a_key_takes_two_rows_of_its_room() -> None:
    assert plan(Load(1_000, 60, 1_000)).room_share == 1.0
