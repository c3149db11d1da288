"""The host itself: HTTP in, one function called, HTTP out, with the quirks of the real one.

Each quirk is what Azure Functions host 4 does: first match in function-name order, 404 for a wrong method, repeated
headers joined, empty query values dropped, the body of a chunked request empty, 500 without a body for whatever
a function does wrong.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import json
import logging
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import azure.functions as func
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict

from local.functions_host.functions import HttpFunction, http_functions
from local.functions_host.routes import decode_path
from local.functions_host.settings import HostSettings

__all__ = ["FunctionsHost", "PortTakenError"]

_MAX_BODY_BYTES: Final = 104_857_600
_MAX_HEADER_BYTES: Final = 32 * 1024
_HOME_PAGE: Final = "<!doctype html><title>Functions</title><p>Your Functions app is up and running.</p>"
_LOG: Final = logging.getLogger("local.functions_host")


class PortTakenError(OSError):
    """Raised when another program listens on the port."""


class Invocation:
    """The ``func.Context`` of one call: its id and the function's name."""

    def __init__(self, function_name: str) -> None:
        self.invocation_id = str(uuid.uuid4())
        self.function_name = function_name
        self.function_directory = str(Path.cwd())


class FunctionsHost:
    """Serves the HTTP functions of an app. Use as an async context manager; port 0 takes a free one."""

    def __init__(
        self,
        app: func.FunctionRegister,
        *,
        settings: HostSettings | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._settings = settings or HostSettings()
        self.functions = http_functions(app, self._settings.route_prefix)
        self._address = address
        self._port = port
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """Where the host is, without a path."""
        return f"http://localhost:{self._port}"

    async def __aenter__(self) -> Self:
        """Listen and serve.

        Raises:
            PortTakenError: The port is in use.
        """
        server = web.Server(
            self._handle,
            request_factory=_make_request,
            access_log=None,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=2)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._address, self._port).start()
        except OSError as error:
            await runner.cleanup()
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTakenError(
                f"port {self._port} is taken: stop the program there, or choose another one with --port"
            ) from None
        self._runner = runner
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        origin = request.headers.get("Origin", "")
        if request.method == "OPTIONS" and origin and "Access-Control-Request-Method" in request.headers:
            response = web.Response(status=204, headers=self._preflight(request))
        else:
            response = await self._answer(request)
        for name, value in (self._allowed(origin) if origin else {}).items():
            response.headers.setdefault(name, value)
        for name, value in self._settings.custom_headers.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = "Kestrel"
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = decode_path(request.raw_path.partition("?")[0])
        for function in self.functions:
            parameters = function.route.match(path)
            if parameters is not None and function.answers(request.method):
                return await self._invoke(function, parameters, request)
        if path == "/" and request.method == "GET":
            return web.Response(text=_HOME_PAGE, content_type="text/html")
        if path == "/admin/host/status" and request.method == "GET":
            return web.json_response({"id": "local", "state": "Running", "version": "4 (stand-in)"})
        return web.Response(status=404)

    async def _invoke(
        self, function: HttpFunction, parameters: Mapping[str, str], request: web.BaseRequest
    ) -> web.Response:
        if int(request.headers.get("Content-Length") or 0) > _MAX_BODY_BYTES:
            return web.Response(status=413)
        try:
            incoming = await _read_request(request, parameters)
        except UnicodeEncodeError:
            return web.Response(status=400)
        invocation = Invocation(function.name)
        arguments: dict[str, Any] = {function.request_name: incoming}
        if function.wants_context:
            arguments["context"] = invocation
        _LOG.info("Executing 'Functions.%s' (Id=%s)", function.name, invocation.invocation_id)
        start = time.perf_counter()
        try:
            response = _write_response(await _call(function, arguments))
        except Exception:  # noqa: BLE001 - the host answers 500 with no text, whatever it was
            _LOG.exception("Executed 'Functions.%s' (Failed, Id=%s)", function.name, invocation.invocation_id)
            return web.Response(status=500)
        milliseconds = (time.perf_counter() - start) * 1000
        _LOG.info(
            "Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%.0fms, Status=%d)",
            function.name, invocation.invocation_id, milliseconds, response.status,
        )  # fmt: skip
        return response

    def _allowed(self, origin: str) -> dict[str, str]:
        origins = self._settings.cors_origins
        if self._settings.cors_credentials and origin in origins:
            return {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Credentials": "true",
                "Vary": "Origin",
            }
        if "*" in origins:
            return {"Access-Control-Allow-Origin": "*"}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin in origins else {}

    def _preflight(self, request: web.BaseRequest) -> dict[str, str]:
        if not self._allowed(request.headers["Origin"]):
            return {}
        wanted = request.headers.get("Access-Control-Request-Headers")
        headers = {"Access-Control-Allow-Methods": request.headers["Access-Control-Request-Method"]}
        return headers | ({"Access-Control-Allow-Headers": wanted} if wanted else {})


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY_BYTES)


async def _read_request(request: web.BaseRequest, parameters: Mapping[str, str]) -> func.HttpRequest:
    body = await request.read()
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        value.encode()  # bytes that are no UTF-8 are a bad request
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    query: dict[str, str] = {}
    for key, value in parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=False):
        query[key] = f"{query[key]},{value}" if key in query else value
    return func.HttpRequest(
        request.method,
        f"http://{request.host}{request.raw_path}",
        headers=headers,
        params=query,
        route_params=dict(parameters),
        # The host hands over nothing of a request that does not tell its length.
        body=body if "Content-Length" in request.headers else b"",
    )


async def _call(function: HttpFunction, arguments: Mapping[str, Any]) -> object:
    if inspect.iscoroutinefunction(function.call):
        return await function.call(**arguments)
    return await asyncio.to_thread(function.call, **arguments)


def _write_response(response: object) -> web.Response:
    if isinstance(response, str):
        _LOG.warning("A function returned str; the host sniffs JSON in it: return func.HttpResponse instead.")
        response = func.HttpResponse(_sniffed(response))
    if not isinstance(response, func.HttpResponse):
        raise TypeError(f"a function must return func.HttpResponse, not {type(response).__name__}")
    body = response.get_body()
    if body and response.status_code in (204, 304):
        raise ValueError(f"a response of status {response.status_code} cannot have a body")
    charset = f"; charset={response.charset}" if response.mimetype.startswith("text/") else ""
    headers = CIMultiDict({"Content-Type": f"{response.mimetype}{charset}"})
    for name, value in response.headers.items():
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the header {name} has characters beyond printable ASCII: encode its value")
        if name.lower() == "set-cookie":
            headers.add(name, value)
        else:
            headers[name] = value
    return web.Response(status=response.status_code, body=body, headers=headers)


def _sniffed(text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return text
    return json.dumps(document, indent=2) if isinstance(document, dict | list) else text
