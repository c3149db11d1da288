"""Apps that the real host would not start are refused, with a sentence that says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import azure.functions as func
import pytest

from local.functions_host import FunctionsHost
from local.functions_host.functions import AppError, import_app


async def fine(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method)


def app_of(*functions: tuple[str, str, list[str] | None]) -> func.FunctionApp:
    app = func.FunctionApp()
    for name, route, methods in functions:
        app.function_name(name)(app.route(route, methods=methods)(fine))
    return app


@pytest.mark.parametrize(
    "functions",
    [
        [("a", "x", ["GET"]), ("b", "X", ["GET"])],
        [("a", "x", ["GET", "POST"]), ("b", "x", ["POST"])],
        [("a", "x", None), ("b", "x", ["POST"])],
        [("a", "x", ["GET"]), ("b", "x", None)],
        [("a", "x", ["GET"]), ("b", "x", ["POST"]), ("c", "x", ["POST"])],
    ],
)
def test_the_same_route_and_method_in_two_functions_is_refused(
    functions: list[tuple[str, str, list[str] | None]],
) -> None:
    *_, other, last = (name for name, _, _ in functions)
    with pytest.raises(AppError, match=f"{other} and {last} have the same route"):
        FunctionsHost(app_of(*functions))


def test_the_same_route_with_other_methods_is_fine() -> None:
    host = FunctionsHost(app_of(("a", "x", ["GET"]), ("b", "x", ["POST"])))
    assert [function.name for function in host.functions] == ["a", "b"]


@pytest.mark.parametrize("route", ["admin", "Admin/x", "administration/x", "runtime", "runtimes/x"])
def test_a_route_that_begins_with_admin_or_runtime_is_refused(route: str) -> None:
    with pytest.raises(AppError, match="must not begin with admin or runtime"):
        FunctionsHost(app_of(("f", route, None)))


def test_admin_further_on_in_a_route_is_fine() -> None:
    assert FunctionsHost(app_of(("f", "x/admin", None))).functions


@pytest.mark.parametrize("name", ["host", "Host", "1st", "with space", "a.b", "a" * 129])
def test_a_name_that_the_host_refuses_is_refused(name: str) -> None:
    with pytest.raises(AppError, match="cannot name a function"):
        FunctionsHost(app_of((name, "x", None)))


def test_a_binding_name_with_an_underscore_is_refused() -> None:
    app = func.FunctionApp()

    @app.route("x", trigger_arg_name="http_req")
    async def f(http_req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(http_req.method)

    with pytest.raises(AppError, match="letters and digits only in the binding name 'http_req'"):
        FunctionsHost(app)


async def with_route_parameter(req: func.HttpRequest, room: str) -> func.HttpResponse:
    return func.HttpResponse(room + req.method)


async def without_request(context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(context.function_name)


@pytest.mark.parametrize("call", [with_route_parameter, without_request])
def test_arguments_other_than_the_request_and_the_context_are_refused(call: Callable[..., object]) -> None:
    app = func.FunctionApp()
    app.route("x/{room}")(call)
    with pytest.raises(AppError, match=r"arguments must be 'req'.*req\.route_params"):
        FunctionsHost(app)


def test_functions_without_an_http_trigger_are_omitted() -> None:
    app = func.FunctionApp()

    @app.timer_trigger("timer", "0 0 * * * *")
    def tick(timer: func.TimerRequest) -> None:
        raise AssertionError(timer)

    app.function_name("web")(app.route("x")(fine))
    assert [function.name for function in FunctionsHost(app).functions] == ["web"]


def test_a_folder_without_function_app_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AppError, match=f"no function_app.py in {tmp_path}"):
        import_app(tmp_path)
