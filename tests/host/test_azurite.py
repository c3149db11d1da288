"""Azurite for the tests and the benchmarks: it is stopped, whoever ended it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import local.azurite
from local.azurite import Azurite

# Answers once, and is gone.
PROGRAM = """
import http.server, sys
with http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler) as server:
    server.handle_request()
"""


async def test_one_that_ended_with_its_terminal_is_stopped_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        local.azurite, "azurite_command", lambda _, port, __: [sys.executable, "-c", PROGRAM, str(port)]
    )
    async with Azurite(tmp_path) as azurite:
        assert azurite._process is not None
        assert await azurite._process.wait() == 0
