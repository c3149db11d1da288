"""An app with wrong settings tells which, and does nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import function_app
from chat.settings import SettingsError
from local.functions_host import FunctionsHost

ROOT = Path(__file__).resolve().parents[2]
PROBLEM = "CLIENT_AUTH: use one of app_service, function_key, anonymous"


async def ask(method: str, path: str) -> tuple[int, Any]:
    app = function_app.refuse(SettingsError([PROBLEM]))
    async with (
        FunctionsHost(app) as host,
        aiohttp.ClientSession() as http,
        http.request(method, f"{host.url}/api/{path}") as answer,
    ):
        return answer.status, await answer.json()


async def test_health_names_the_setting_and_the_fix() -> None:
    assert await ask("GET", "health") == (503, {"status": "unhealthy", "settings": [PROBLEM]})


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "eventhandler/message"), ("GET", "negotiate"), ("GET", "messages"), ("GET", "demo/")]
)
async def test_every_other_route_is_503_and_tells_nothing(method: str, path: str) -> None:
    assert await ask(method, path) == (503, {"status": "unhealthy"})


def start(program: str = "import function_app", **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout + done.stderr


def test_the_console_names_every_problem_at_start() -> None:
    shown = start(CLIENT_AUTH="x")
    for name in ("CLIENT_AUTH", "WebPubSubConnectionString", "AzureWebJobsStorage"):
        assert f"- {name}:" in shown


GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "WebPubSubConnectionString": "Endpoint=http://localhost:8080;AccessKey=secret-key;",
}


def test_what_is_open_to_anyone_is_told_at_start() -> None:
    assert "CLIENT_AUTH is anonymous" in start(**GOOD, CLIENT_AUTH="anonymous")
    assert start(**GOOD) == ""


def test_no_secret_is_told_at_start() -> None:
    assert "secret-key" not in start(**GOOD, CLIENT_AUTH="x")


# As the worker does: it imports the app while its loop runs.
IN_A_LOOP = """
import asyncio

async def main():
    import function_app
    print([function.get_function_name() for function in function_app.app.get_functions()])

asyncio.run(main())
"""


def test_what_only_the_sdks_refuse_is_told_and_no_event_is_taken() -> None:
    environment = {
        "AzureWebJobsStorage__accountName": "acc",
        "WebPubSubConnectionString": GOOD["WebPubSubConnectionString"],
        "AZURE_TOKEN_CREDENTIALS": "nobody",
    }
    shown = start(IN_A_LOOP, **environment)
    assert "['refused']" in shown
    assert "AZURE_TOKEN_CREDENTIALS" in shown
    assert "secret-key" not in shown
