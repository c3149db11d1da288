"""A part of the stack is heard to its end, whatever it prints."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import local.part
from local.exceptions import StackError
from local.part import TOLD, Part

SECONDS = 60


async def never(_: object) -> str | None:
    return "not asked"


@pytest.mark.parametrize("size", [10, 3 * 1024 * 1024])
async def test_a_part_that_prints_a_line_of_any_length_is_heard_to_its_end(
    size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"print('x' * {size}); print('the end')"
    part = Part("functions", 0, "--functions-port", [sys.executable, "-c", code], never)
    await part.start()
    async with asyncio.timeout(SECONDS):
        assert await part.stream() == 0
    assert part.last_lines[-1] == "the end"
    assert "functions | the end" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (3, "functions ended with exit status 3"),
        (-9, "functions was killed (SIGKILL)"),
        (-15, "functions was killed (SIGTERM)"),
        (-99, "functions was killed (signal 99)"),
    ],
)
def test_an_end_by_a_signal_goes_by_its_name(status: int, said: str) -> None:
    assert Part("functions", 0, "--functions-port", [], never).describe_end(status) == said


def problems(*texts: str | None) -> Callable[[Any], Awaitable[str | None]]:
    """Return a look at a part's health that finds these problems one after the other."""
    left = list(texts)

    async def look(_: object) -> str | None:
        return left.pop(0)

    return look


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every wait be a long one, and every pause short."""
    real_sleep = asyncio.sleep
    monkeypatch.setattr(local.part, "_PATIENCE_SECONDS", -1)
    monkeypatch.setattr(asyncio, "sleep", lambda _: real_sleep(0))


@pytest.mark.usefixtures("impatience")
async def test_each_problem_is_told_once_and_none_that_the_part_has_told(capsys: pytest.CaptureFixture[str]) -> None:
    look = problems("404 ", "404 ", TOLD, "503 tables", TOLD, "404 ", None)
    part = Part("functions", 0, "--functions-port", [], look, start_seconds=None)
    await part.until_healthy(None)  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [
        "functions | still waiting: 404 ",
        "functions | still waiting: 503 tables",
    ]


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize(("printed", "told"), [([], True), (["why it does not start"], False)])
async def test_no_answer_is_told_of_a_part_that_says_nothing_itself(
    capsys: pytest.CaptureFixture[str], printed: list[str], told: bool
) -> None:
    part = Part("functions", 0, "--functions-port", [], problems("no answer", None), start_seconds=None)
    part.last_lines.extend(printed)
    await part.until_healthy(None)  # type: ignore[arg-type]
    assert ("still waiting: no answer" in capsys.readouterr().out) is told


async def test_a_part_with_a_time_limit_ends_the_wait() -> None:
    part = Part("tables", 0, "--tables-port", [], problems("no answer"), start_seconds=-1)
    with pytest.raises(StackError, match=r"tables was not healthy .* no answer"):
        await part.until_healthy(None)  # type: ignore[arg-type]
