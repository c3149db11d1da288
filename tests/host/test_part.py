"""A part of the stack is heard to its end, whatever it prints."""

from __future__ import annotations

import asyncio
import sys

import pytest

from local.part import Part

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
