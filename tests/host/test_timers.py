"""Timer functions run when it is time, and when the admin endpoint is asked to start one."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import aiohttp
import azure.functions as func
import pytest

from local.functions_host import FunctionsHost
from local.functions_host.functions import AppError
from local.functions_host.timers import Schedule, ScheduleError

SECONDS = 20


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("0 */10 * * * *", "2026-11-26T15:00:00", "2026-11-26T15:10:00"),
        ("0 */10 * * * *", "2026-11-26T15:09:59.999", "2026-11-26T15:10:00"),
        ("0 */10 0-5 * * *", "2026-11-26T05:50:00", "2026-11-27T00:00:00"),
        ("*/5 * * * * *", "2026-11-26T23:59:56", "2026-11-27T00:00:00"),
        ("0 30 9 * * 1-5", "2026-11-27T10:00:00", "2026-11-30T09:30:00"),
        ("0 30 9 * * Mon,fri", "2026-11-26T10:00:00", "2026-11-27T09:30:00"),
        ("0 0 0 1 Jan *", "2026-11-26T10:00:00", "2027-01-01T00:00:00"),
        ("0 0 0 29 2 *", "2026-11-26T10:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 1-31/10 * *", "2026-11-12T00:00:00", "2026-11-21T00:00:00"),
        ("30 10/20 * * * *", "2026-11-26T15:10:30", "2026-11-26T15:30:30"),
        ("0 12 * * *", "2026-11-26T10:00:00", "2026-11-26T12:00:00"),
    ],
)
def test_a_schedule_names_the_next_time(expression: str, now: str, expected: str) -> None:
    assert Schedule.parse(expression).next_after(at(now)) == at(expected)


def test_a_schedule_may_be_in_a_setting() -> None:
    assert Schedule.parse("%WHEN%", {"WHEN": "0 0 3 * * *"}) == Schedule.parse("0 0 3 * * *")


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "*",
        "* * * *",
        "61 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "a * * * * *",
        "*/0 * * * * *",
        "5-1 * * * * *",
        "* * * * * 7",
        "* * * * * * *",
        "00:10:00",
        "%MISSING%",
        "-1 * * * * *",
        "1,, * * * * *",
        "٣ * * * * *",
    ],
)
def test_an_invalid_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule.parse(expression, {})


def test_a_day_that_never_comes_is_refused() -> None:
    with pytest.raises(ScheduleError):
        Schedule.parse("0 0 0 30 2 *").next_after(at("2026-11-26T10:00:00"))


def app_with_timer(schedule: str, runs: asyncio.Queue[func.TimerRequest], *, on_startup: bool) -> func.FunctionApp:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule=schedule, run_on_startup=on_startup)
    async def cleanup(timer: func.TimerRequest) -> None:
        runs.put_nowait(timer)

    @app.route("cleanup-http", methods=["GET"])
    def over_http(req: func.HttpRequest) -> str:
        return "ok"

    return app


async def start_over_http(host: FunctionsHost, path: str, method: str = "POST") -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{host.url}/admin/functions/{path}", json={"input": ""}) as answer,
    ):
        return answer.status


async def test_a_timer_runs_when_it_is_time() -> None:
    runs: asyncio.Queue[func.TimerRequest] = asyncio.Queue()
    async with FunctionsHost(app_with_timer("* * * * * *", runs, on_startup=False)), asyncio.timeout(SECONDS):
        timer = await runs.get()
        await runs.get()
    assert timer.past_due is False


async def test_a_timer_may_run_when_the_host_starts() -> None:
    runs: asyncio.Queue[func.TimerRequest] = asyncio.Queue()
    async with FunctionsHost(app_with_timer("0 0 0 1 1 *", runs, on_startup=True)), asyncio.timeout(SECONDS):
        await runs.get()


@pytest.mark.parametrize("name", ["cleanup", "Cleanup"])
async def test_the_admin_endpoint_starts_a_timer_function(name: str) -> None:
    runs: asyncio.Queue[func.TimerRequest] = asyncio.Queue()
    async with FunctionsHost(app_with_timer("0 0 0 1 1 *", runs, on_startup=False)) as host, asyncio.timeout(SECONDS):
        assert await start_over_http(host, name) == 202
        await runs.get()


@pytest.mark.parametrize(
    ("path", "method"), [("missing", "POST"), ("over_http", "POST"), ("cleanup", "GET"), ("", "POST")]
)
async def test_the_admin_endpoint_starts_nothing_else(path: str, method: str) -> None:
    runs: asyncio.Queue[func.TimerRequest] = asyncio.Queue()
    async with FunctionsHost(app_with_timer("0 0 0 1 1 *", runs, on_startup=False)) as host:
        assert await start_over_http(host, path, method) == 404
    assert runs.empty()


async def test_a_timer_that_fails_is_logged_and_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    app = func.FunctionApp()
    runs: asyncio.Queue[None] = asyncio.Queue()

    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    def broken(timer: func.TimerRequest, context: func.Context) -> None:
        loop.call_soon_threadsafe(runs.put_nowait, None)
        raise LookupError(context.function_name)

    loop = asyncio.get_running_loop()
    with caplog.at_level(logging.INFO):
        async with FunctionsHost(app), asyncio.timeout(SECONDS):
            await runs.get()
            await runs.get()
    assert "Executed 'Functions.broken' (Failed" in caplog.text
    assert "LookupError: broken" in caplog.text


def test_a_timer_with_a_broken_schedule_is_refused_by_name() -> None:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="every day")
    def nightly(timer: func.TimerRequest) -> None:
        pass

    with pytest.raises(AppError, match="nightly: 'every day' is not an NCRONTAB expression"):
        FunctionsHost(app)


def test_a_timer_whose_argument_has_another_name_is_refused() -> None:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    def nightly(clock: func.TimerRequest) -> None:
        pass

    with pytest.raises(AppError, match="nightly: its arguments must be 'timer'"):
        FunctionsHost(app)
