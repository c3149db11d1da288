"""The functions of a v2 model app, checked as the host checks them."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import azure.functions as func

from local.functions_host.routes import Route
from local.functions_host.timers import Schedule, ScheduleError, TimerFunction

__all__ = ["AppError", "AppFunctions", "HttpFunction", "app_functions", "import_app"]

_FUNCTION_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_BINDING_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,127}")
_RESERVED: Final = ("admin", "runtime")


class AppError(Exception):
    """Raised when the host would not start the app's functions; the text says why and what to change."""


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """A function with an HTTP trigger; no methods mean every method."""

    name: str
    route: Route
    methods: frozenset[str]
    call: Callable[..., Any]
    request_name: str
    wants_context: bool

    def answers(self, method: str) -> bool:
        """Return whether the method is among the listed ones; HEAD is not implied by GET."""
        return not self.methods or method in self.methods


@dataclass(frozen=True, slots=True)
class AppFunctions:
    """What the stand-in can run of an app: its HTTP functions in the order in which they are tried, and its timers."""

    http: list[HttpFunction]
    timers: list[TimerFunction]


def import_app(folder: Path) -> func.FunctionRegister:
    """Import ``function_app.py`` of a folder and return its one app.

    Raises:
        AppError: There is none, or more than one.
    """
    if not (folder / "function_app.py").is_file():
        raise AppError(f"there is no function_app.py in {folder}")
    sys.path.insert(0, str(folder))
    module = importlib.import_module("function_app")
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len({id(app) for app in apps}) != 1:
        raise AppError(f"function_app.py must have exactly one FunctionApp at module level, not {len(apps)}")
    return apps[0]


def app_functions(app: func.FunctionRegister, prefix: str) -> AppFunctions:
    """Return an app's functions; the host tries those with HTTP by name, without case.

    Raises:
        AppError: The host would refuse one of them.
    """
    # An app can be asked for its functions once only.
    functions = app.get_functions()
    http = [_http_function(function, prefix) for function in functions]
    timers = [_timer_function(function) for function in functions]
    found = sorted((function for function in http if function), key=lambda function: function.name.lower())
    for first, second in combinations(found, 2):
        same_route = first.route.template.lower() == second.route.template.lower()
        if same_route and (not first.methods or not second.methods or first.methods & second.methods):
            raise AppError(f"the functions {first.name} and {second.name} have the same route and method")
    return AppFunctions(found, [function for function in timers if function])


def _timer_function(function: Any) -> TimerFunction | None:
    name: str = function.get_function_name()
    bindings: list[Mapping[str, Any]] = function.get_dict_repr()["bindings"]
    trigger = next((binding for binding in bindings if binding["type"].lower() == "timertrigger"), None)
    if trigger is None:
        return None
    call = function.get_user_function()
    parameters = set(inspect.signature(call).parameters)
    if parameters - {"context"} != {trigger["name"]}:
        raise AppError(f"{name}: its arguments must be {trigger['name']!r} and, if wanted, 'context'")
    try:
        schedule = Schedule.parse(trigger["schedule"])
    except ScheduleError as error:
        raise AppError(f"{name}: {error}") from None
    return TimerFunction(
        name, schedule, bool(trigger.get("runOnStartup")), call, trigger["name"], "context" in parameters
    )


def _http_function(function: Any, prefix: str) -> HttpFunction | None:
    name: str = function.get_function_name()
    if not _FUNCTION_NAME.fullmatch(name) or name.lower() == "host":
        raise AppError(f"{name!r} cannot name a function: a letter, then letters, digits, - or _")
    bindings: list[Mapping[str, Any]] = function.get_dict_repr()["bindings"]
    trigger = next((binding for binding in bindings if binding["type"].lower() == "httptrigger"), None)
    if trigger is None:
        return None
    for binding in bindings:
        if binding["name"] != "$return" and not _BINDING_NAME.fullmatch(binding["name"]):
            raise AppError(f"{name}: the host takes letters and digits only in the binding name {binding['name']!r}")
    template = (trigger.get("route") or name).strip("/")
    if template.partition("/")[0].lower().startswith(_RESERVED):
        raise AppError(f"{name}: a route must not begin with admin or runtime")
    call = function.get_user_function()
    wanted = set(inspect.signature(call).parameters) - {"context"}
    if wanted != {trigger["name"]}:
        raise AppError(
            f"{name}: its arguments must be {trigger['name']!r} and, if wanted, 'context'; "
            "route parameters are in req.route_params"
        )
    return HttpFunction(
        name,
        Route.compile("/".join(part for part in (prefix, template) if part)),
        frozenset(str(getattr(method, "value", method)).upper() for method in trigger.get("methods") or ()),
        call,
        trigger["name"],
        "context" in inspect.signature(call).parameters,
    )
