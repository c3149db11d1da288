"""Small apps to serve: one that keeps its requests, one that returns what it is told, one that fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func

from local.functions_host import FunctionsHost
from local.functions_host.settings import HostSettings
from tests.host.raw_http import Answer, ask


class Recorder:
    """An app of one function ``x`` for every method, which keeps its requests and answers 200."""

    def __init__(self, auth_level: func.AuthLevel = func.AuthLevel.ANONYMOUS) -> None:
        self.requests: list[func.HttpRequest] = []
        self.app = func.FunctionApp(http_auth_level=auth_level)
        self.app.route("x")(self._make())

    def _make(self) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
        async def x(req: func.HttpRequest) -> func.HttpResponse:
            self.requests.append(req)
            return func.HttpResponse("seen")

        return x

    @property
    def request(self) -> func.HttpRequest:
        (request,) = self.requests
        return request


async def seen(method: str, target: str, **more: Any) -> func.HttpRequest:
    """Return what a function sees of a request."""
    recorder = Recorder()
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, method, target, **more)).status == 200
    return recorder.request


def returning(make: Callable[[], object]) -> func.FunctionApp:
    """Make an app whose function ``x`` gives whatever this gives."""
    app = func.FunctionApp()

    @app.route("x")
    async def x(req: func.HttpRequest) -> Any:
        assert req.method
        return make()

    return app


async def answered(make: Callable[[], object], **settings: Any) -> Answer:
    async with FunctionsHost(returning(make), settings=HostSettings(**settings)) as host:
        return await ask(host, "GET", "/api/x")


def failing() -> object:
    raise RuntimeError("inner text")


def with_a_header(name: str, value: str) -> Callable[[], func.HttpResponse]:
    def make() -> func.HttpResponse:
        response = func.HttpResponse("text")
        response.headers.add(name, value)
        return response

    return make
