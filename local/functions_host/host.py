"""The host itself: HTTP in, one function called, HTTP out, with the quirks of the real one.

Each quirk is what Azure Functions host 4 does: first match in function-name order, 404 for a wrong method, repeated
headers joined, empty query values dropped, the body of a chunked request empty, 500 without a body for whatever
a function does wrong. One thing differs: ``/`` redirects to the demo page, if the app has one.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import time
import uuid
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import azure.functions as func
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage

from local.exceptions import AddressError, HostPortTakenError
from local.functions_host.cors import Cors
from local.functions_host.functions import HttpFunction, app_functions
from local.functions_host.messages import BadRequestError, read_request, write_response
from local.functions_host.routes import decode_path
from local.functions_host.settings import HostSettings
from local.functions_host.timers import TimerFunction, Timers
from webpubsub_emulator.listeners import listen
from webpubsub_emulator.server import BoundedServer

__all__ = ["FunctionsHost", "Invocation"]

_MAX_BODY_BYTES: Final = 104_857_600
_MAX_LINE_BYTES: Final = 8 * 1024
_MAX_HEADER_BYTES: Final = 32 * 1024
_THREADS: Final = 1000  # what the real host tells the workers that it starts
_ADMIN_FUNCTIONS: Final = "/admin/functions/"
_DEMO: Final = "/demo/{*file}"
_HOME_PAGE: Final = "<!doctype html><title>Functions</title><p>Your Functions app is up and running.</p>"
logger: Final = logging.getLogger("local.functions_host")
http_logger: Final = logging.getLogger("local.functions_host.http")


class _WithoutMalformedText(logging.Filter):
    """A request that cannot be parsed is its sender's mistake, and its text may hold a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record, but without the text of a malformed request."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.exc_info = None
        return True


http_logger.addFilter(_WithoutMalformedText())


class Invocation:
    """The ``func.Context`` of one call: its id and the function's name."""

    def __init__(self, function_name: str) -> None:
        self.invocation_id = str(uuid.uuid4())
        self.function_name = function_name
        self.function_directory = str(Path.cwd())


class FunctionsHost:
    """Serves the HTTP functions of an app. Use as an async context manager; port 0 takes a free one.

    ``localhost`` means both of its addresses. ``quiet`` names paths, without the prefix, whose calls are logged only
    when they fail.
    """

    def __init__(
        self,
        app: func.FunctionRegister,
        *,
        settings: HostSettings | None = None,
        address: str = "localhost",
        port: int = 0,
        quiet: Collection[str] = (),
    ) -> None:
        self._settings = settings or HostSettings()
        found = app_functions(app, self._settings.route_prefix)
        self.functions = found.http
        self.timers = Timers(found.timers, self._call, Invocation)
        self._address = address
        self._port = port
        prefix = f"/{self._settings.route_prefix}".rstrip("/")
        self._quiet = frozenset(f"{prefix}/{path}".lower() for path in quiet)
        has_demo = any(f"/{function.route.template}" == prefix + _DEMO for function in self.functions)
        self._home = f"{prefix}/demo/" if has_demo else None
        self._cors = Cors(self._settings.cors_origins, self._settings.cors_credentials)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="function")
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """The host's URL, without a path."""
        return f"http://localhost:{self._port}"

    async def __aenter__(self) -> Self:
        """Listen and serve.

        Raises:
            HostPortTakenError: The port is in use.
            AddressError: The address or the port cannot be used.
        """
        server = BoundedServer(
            self._handle,
            request_factory=_make_request,
            access_log=None,
            logger=http_logger,
            auto_decompress=False,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=2)
        await runner.setup()
        try:
            await listen(runner, self._address, self._port)
        except OSError as error:
            await runner.cleanup()
            address = error.filename or self._address
            if error.errno != errno.EADDRINUSE:
                raise AddressError(
                    f"port {self._port} on {address} cannot be used ({error.strerror}): choose another --host or --port"
                ) from None
            raise HostPortTakenError(
                f"port {self._port} is taken on {address}: stop the program there, or choose another one with --port"
            ) from None
        self._runner = runner
        self._port = runner.addresses[0][1]
        self.timers.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.timers.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if self._cors.is_preflight(request):
            response = web.Response(status=204, headers=self._cors.preflight(request))
        else:
            response = await self._answer(request)
        for name, value in {**self._cors.allowed(request), **self._settings.custom_headers}.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = "Kestrel"
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = decode_path(request.raw_path.partition("?")[0])
        if path.lower() == "/admin/host/status" and request.method == "GET":
            return web.json_response({"id": "local", "state": "Running", "version": "4 (stand-in)"})
        if path.lower().startswith(_ADMIN_FUNCTIONS) and request.method == "POST":
            return web.Response(status=202 if self.timers.trigger(path[len(_ADMIN_FUNCTIONS) :]) else 404)
        for function in self.functions:
            parameters = function.route.match(path)
            if parameters is not None and function.answers(request.method):
                level = logging.DEBUG if path.lower() in self._quiet else logging.INFO
                return await self._invoke(function, parameters, request, level)
        if path == "/" and request.method == "GET":
            if self._home:
                return web.Response(status=302, headers={"Location": self._home})
            return web.Response(text=_HOME_PAGE, content_type="text/html")
        return web.Response(status=404)

    async def _invoke(
        self, function: HttpFunction, parameters: Mapping[str, str], request: web.BaseRequest, level: int
    ) -> web.Response:
        if int(request.headers.get("Content-Length") or 0) > _MAX_BODY_BYTES:
            return web.Response(status=413)
        try:
            incoming = await read_request(request, parameters)
        except (BadRequestError, ConnectionError):
            # The caller disconnected within the body, so no function is called and the answer is not read.
            return web.Response(status=400)
        invocation = Invocation(function.name)
        arguments: dict[str, Any] = {function.request_name: incoming}
        if function.wants_context:
            arguments["context"] = invocation
        logger.debug("Executing 'Functions.%s' (Id=%s)", function.name, invocation.invocation_id)
        start = time.perf_counter()
        try:
            response = write_response(await self._call(function, arguments), request)
        except Exception:
            logger.exception("Executed 'Functions.%s' (Failed, Id=%s)", function.name, invocation.invocation_id)
            return web.Response(status=500)
        milliseconds = (time.perf_counter() - start) * 1000
        logger.log(
            level, "Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%.0fms, Status=%d)",
            function.name, invocation.invocation_id, milliseconds, response.status,
        )  # fmt: skip
        return response

    async def _call(self, function: HttpFunction | TimerFunction, arguments: Mapping[str, Any]) -> object:
        if inspect.iscoroutinefunction(function.call):
            return await function.call(**arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function.call, **arguments))


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY_BYTES)
