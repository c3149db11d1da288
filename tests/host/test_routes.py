"""Which function a request reaches, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
import pytest

from local.functions_host import FunctionsHost
from local.functions_host.routes import Route, RouteError
from local.functions_host.settings import HostSettings
from tests.host.raw_http import ask

GUID = "7d5e0b1c-9a64-4a4f-8f0e-2a6a7f3b1c55"
EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def telling(name: str) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(json.dumps([name, dict(req.route_params)]))

    return handler


def app_of(*functions: tuple[str, str | None] | tuple[str, str | None, list[str]]) -> func.FunctionApp:
    """Make an app of (name, route) or (name, route, methods), each function telling who it is and its parameters."""
    app = func.FunctionApp()
    for name, route, *methods in functions:
        app.function_name(name)(app.route(route, methods=methods[0] if methods else None)(telling(name)))
    return app


async def reached(app: func.FunctionApp, target: str, method: str = "GET", prefix: str = "api") -> Any:
    """Return the function and its route parameters, or the status of an answer that no function gave."""
    async with FunctionsHost(app, settings=HostSettings(route_prefix=prefix)) as host:
        answer = await ask(host, method, target)
    return json.loads(answer.body) if answer.status == 200 else answer.status


@pytest.mark.parametrize(
    ("functions", "first"),
    [
        ([("beta", "x/{id}"), ("alpha", "x/{name}")], "alpha"),
        ([("Beta", "x/{id}"), ("alpha", "x/{name}")], "alpha"),
        ([("a_any", "x/{id}"), ("b_literal", "x/1")], "a_any"),
        ([("a_all", "{*rest}"), ("b_literal", "x/1")], "a_all"),
        ([("b_literal", "x/1"), ("zz_all", "{*rest}")], "b_literal"),
    ],
)
async def test_the_first_match_in_function_name_order_wins(functions: list[tuple[str, str]], first: str) -> None:
    assert (await reached(app_of(*functions), "/api/x/1"))[0] == first


async def test_a_match_of_another_method_does_not_hide_the_next_function() -> None:
    assert (await reached(app_of(("a", "x/{id}", ["POST"]), ("b", "x/1", ["GET"])), "/api/x/1"))[0] == "b"


@pytest.mark.parametrize(
    ("route", "target", "parameters"),
    [
        ("Echo/Me", "/API/eCHO/mE", {}),
        (None, "/api/SELF", {}),
        ("x/{Id}", "/api/x/MiXed", {"Id": "MiXed"}),
        ("x/{a}/y/{b}", "/api/x/1/y/2", {"a": "1", "b": "2"}),
        ("x/{a}-{b}.txt", "/api/x/1-2.txt", {"a": "1", "b": "2"}),
        ("x/{a?}", "/api/x/1", {"a": "1"}),
        ("x/{a?}", "/api/x", {}),
        ("x/{a?}", "/api/x/", {}),
        ("x/{a}/{b?}", "/api/x/1", {"a": "1"}),
        ("{*all}", "/api/1/2/3", {"all": "1/2/3"}),
        ("{*all}", "/api", {}),
        ("x/{*all}", "/api/x/", {}),
        ("x/{**all}", "/api/x/1/2", {"all": "1/2"}),
        ("x", "/api/x/", {}),
        ("x/{a}", "/api/x/a%20b%C3%A9", {"a": "a bé"}),
        ("x/{a}", "/api/x/a+b", {"a": "a+b"}),
        ("x/{a}", "/api/x/a%2Fb", {"a": "a%2Fb"}),
        ("x/{a}", "/api/x/a%2fb", {"a": "a%2Fb"}),
        ("x/{a}", "/api/x/a%252Fb", {"a": "a%2Fb"}),
        ("a.b", "/api/a.b", {}),
        ("x/{a:int}", "/api/x/-12", {"a": "-12"}),
        ("x/{a:int?}", "/api/x", {}),
        ("x/{a:long}", "/api/x/123456789012", {"a": "123456789012"}),
        ("x/{a:alpha}", "/api/x/abC", {"a": "abC"}),
        ("x/{a:bool}", "/api/x/True", {"a": "True"}),
        ("x/{a:guid}", f"/api/x/{GUID}", {"a": GUID}),
        ("x", "/api/x?y=/z", {}),
    ],
)
async def test_a_route_matches_and_gives_its_parameters(
    route: str | None, target: str, parameters: dict[str, str]
) -> None:
    assert await reached(app_of(("self", route)), target) == ["self", parameters]


@pytest.mark.parametrize(
    ("route", "target"),
    [
        ("x/{a}", "/api/x"),
        ("x/{a}", "/api/x/"),
        ("x/{a}", "/api/x/1/2"),
        ("x", "/x"),
        ("x", "/api/xy"),
        ("x", "/api/x/y"),
        ("x", "/api//x"),
        ("a.b", "/api/aXb"),
        ("x/{*all}", "/api/xy"),
        ("x/{a:int}", "/api/x/one"),
        ("x/{a:int}", "/api/x/1.5"),
        ("x/{a:alpha}", "/api/x/a1"),
        ("x/{a:bool}", "/api/x/yes"),
        ("x/{a:guid}", "/api/x/123"),
        ("x/y", "/api/x%2Fy"),
    ],
)
async def test_a_route_does_not_match(route: str, target: str) -> None:
    assert await reached(app_of(("f", route)), target) == 404


async def test_an_empty_prefix_puts_routes_at_the_root() -> None:
    assert await reached(app_of(("f", "x")), "/x", prefix="") == ["f", {}]


async def test_a_prefix_may_have_several_segments() -> None:
    assert await reached(app_of(("f", "x")), "/one/two/x", prefix="one/two") == ["f", {}]


async def test_a_catch_all_at_the_root_replaces_the_home_page() -> None:
    assert await reached(app_of(("f", "{*all}")), "/", prefix="") == ["f", {}]


async def test_a_catch_all_at_the_root_does_not_hide_admin() -> None:
    async with FunctionsHost(app_of(("f", "{*all}")), settings=HostSettings(route_prefix="")) as host:
        answer = await ask(host, "GET", "/admin/host/status")
    assert json.loads(answer.body)["state"] == "Running"


@pytest.mark.parametrize("method", [method for method in EVERY_METHOD if method != "POST"])
async def test_a_wrong_method_is_404_with_nothing_else(method: str) -> None:
    async with FunctionsHost(app_of(("f", "x", ["POST"]))) as host:
        answer = await ask(host, method, "/api/x")
    assert (answer.status, answer.body, answer.every("Allow")) == (404, b"", [])


@pytest.mark.parametrize("method", [method for method in EVERY_METHOD if method != "HEAD"])
async def test_a_function_without_methods_takes_every_method(method: str) -> None:
    assert await reached(app_of(("f", "x")), "/api/x", method) == ["f", {}]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_head_and_options_reach_a_function_that_lists_them(method: str) -> None:
    async with FunctionsHost(app_of(("f", "x", ["GET", method]))) as host:
        assert (await ask(host, method, "/api/x")).status == 200


async def test_an_answer_to_head_has_no_body() -> None:
    async with FunctionsHost(app_of(("f", "x"))) as host:
        answer = await ask(host, "HEAD", "/api/x")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("x/{a:regex(^a$)}", "it knows int"),
        ("x/{a:int:min(1)}", "it knows int"),
        ("x/{a", "not a parameter"),
        ("x/{a=5}", "not a parameter"),
        ("x/{a}/{A}", "twice"),
    ],
)
def test_a_template_that_the_stand_in_does_not_know_is_refused(template: str, problem: str) -> None:
    with pytest.raises(RouteError, match=problem):
        Route.compile(template)
