"""The emulator's own endpoints, for the machine it runs on only: the traffic view and the faults.

These endpoints can read events and inject faults, so web sites must not reach them. They are served on loopback
addresses only, for loopback names in Host (otherwise a site's name could resolve to 127.0.0.1) and to loopback origins,
and accept JSON only.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from webpubsub_emulator.core.exceptions import FaultError
from webpubsub_emulator.core.hub import Hubs
from webpubsub_emulator.core.messages import MessageBodyError, parse_json
from webpubsub_emulator.upstream.event_handlers import HubSettings
from webpubsub_emulator.upstream.faults import Fault, Faults
from webpubsub_emulator.upstream.traffic import MAX_ENTRIES, Entry, Traffic

__all__ = ["Console", "ConsoleLinks"]

_VIEW: Final = Path(__file__).parent / "page"
_CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FILES: Final = {file.name: file for file in _VIEW.iterdir() if file.suffix in _CONTENT_TYPES}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_CHUNK: Final = 500
_STATE_SECONDS: Final = 1.0
# Changes within this time are one message, so that a busy emulator does not overload its viewer.
_BATCH_SECONDS: Final = 0.1
# How soon a viewer tries again to reach an emulator that stopped.
_RETRY_MILLISECONDS: Final = 1000
_MAX_CONNECTIONS_SHOWN: Final = 1000
logger = logging.getLogger("webpubsub_emulator")


@dataclass(frozen=True, slots=True)
class ConsoleLinks:
    """The URLs of this console, the service's public endpoint, and the app's page, if that is known.

    ``console`` is ``None`` if the network could reach it: then it is not served.
    """

    console: str | None
    endpoint: str
    app: str | None = None


class Console:
    """Answers ``/`` and everything under ``/emulator``."""

    def __init__(
        self,
        links: ConsoleLinks,
        hubs: Hubs,
        hub_settings: HubSettings,
        faults: Faults,
        traffic: Traffic,
        inject: Callable[[Fault], int],
    ) -> None:
        """``inject`` injects a fault, and returns how many connections it concerns now."""
        self.links: Final = links
        self._hubs = hubs
        self._hub_settings = hub_settings
        self._faults = faults
        self._traffic = traffic
        self._inject_fault = inject

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        response = self._refusal(request) or await self._answer(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _refusal(self, request: web.BaseRequest) -> web.Response | None:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if self.links.console is None:
            return _text(404, "The traffic view and the faults are served only on a loopback address: "
                              "start the emulator with --host localhost.")  # fmt: skip
        if not _is_loopback_url(f"http://{host}"):
            return _text(403, f"The host {host[:100]!r} is not this machine: use localhost or 127.0.0.1.")
        if origin is not None and not _is_loopback_url(origin):
            return _text(403, f"The origin {origin[:100]!r} is not this machine: no web site may call this.")
        return None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.method, request.path.split("/")[1:]:
            case "GET" | "HEAD", [""]:
                return _file(_FILES["index.html"])
            case "GET" | "HEAD", ["emulator", "view", name] if name in _FILES:
                return _file(_FILES[name])
            case "GET", ["emulator", "traffic"]:
                return await self._stream(request)
            case "DELETE", ["emulator", "traffic"]:
                self._traffic.clear()
                return _json(200, {})
            case "GET", ["emulator", "traffic", number] if number.isdecimal():
                entry = self._traffic.find(int(number[:20]))
                return _json(200, entry.details()) if entry else _text(404, "This entry is no longer kept.")
            case method, ["emulator", "faults"]:
                response = await self._faults_answer(method, request)
                if (origin := request.headers.get("Origin")) is not None:
                    response.headers.update({"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
                return response
            case _:
                return _text(404, "There is the traffic view at /, and POST, GET and DELETE at /emulator/faults.")

    async def _faults_answer(self, method: str, request: web.BaseRequest) -> web.Response:
        match method:
            case "OPTIONS":
                headers = {"Access-Control-Allow-Methods": "GET, POST, DELETE"}
                headers |= {"Access-Control-Allow-Headers": "content-type", "Access-Control-Max-Age": "600"}
                return web.Response(status=204, headers=headers)
            case "GET":
                return _json(200, {"faults": self._faults.armed()})
            case "DELETE":
                return _json(200, {"cleared": self._faults.clear(request.query.get("connectionId"))})
            case "POST" if request.content_type != "application/json":
                return _text(415, "The Content-Type must be application/json.")
            case "POST":
                return await self._inject(request)
        response = _text(405, "Use POST with a fault, GET for those that wait, DELETE to clear them.")
        response.headers["Allow"] = "GET, POST, DELETE, OPTIONS"
        return response

    async def _inject(self, request: web.BaseRequest) -> web.Response:
        try:
            fault = Fault.from_json(parse_json(await request.read()))
        except web.HTTPRequestEntityTooLarge:
            return _text(413, "A fault is a small JSON object.")
        except (MessageBodyError, FaultError) as error:
            return _text(400, str(error))
        return _json(200, {**fault.to_json(), "affected": self._inject_fault(fault)})

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        """Server-Sent Events: ``entries`` (new and changed ones) and ``state`` (hubs, faults) until the viewer goes."""
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        with self._traffic.subscribe() as subscription, suppress(ConnectionError):
            await response.write(f"retry: {_RETRY_MILLISECONDS}\n\n".encode())
            state = await self._send_state(response, "")
            await _send(response, "start", {"limit": MAX_ENTRIES})
            entries = self._traffic.entries()
            for first in range(0, len(entries), _CHUNK):
                await _send_entries(response, entries[first : first + _CHUNK])
            while not subscription.is_over:
                await _send_entries(response, await subscription.changes(_STATE_SECONDS))
                state = await self._send_state(response, state)
                await asyncio.sleep(_BATCH_SECONDS)
        return response

    async def _send_state(self, response: web.StreamResponse, before: str) -> str:
        """Send the hubs and faults if they changed; otherwise a comment keeps the connection alive."""
        state = json.dumps(self._state())
        if state != before:
            await response.write(f"event: state\ndata: {state}\n\n".encode())
        else:
            await response.write(b":\n\n")
        return state

    def _state(self) -> dict[str, Any]:
        names = dict.fromkeys([*self._hub_settings.event_handlers, *(hub.name for hub in self._hubs)])
        return {
            "endpoint": self.links.endpoint,
            "appUrl": self.links.app,
            "faults": self._faults.armed(),
            "hubs": [self._hub(name) for name in names],
        }

    def _hub(self, name: str) -> dict[str, Any]:
        hub = self._hubs.find(name)
        return {
            "name": name,
            "count": 0 if hub is None else len(hub),
            "handlers": [handler.shown for handler in self._hub_settings.event_handlers.get(name, ())],
            "connections": [
                {
                    "id": connection.id,
                    "userId": connection.user_id,
                    "subprotocol": connection.context.subprotocol,
                    "groups": sorted(connection.groups),
                }
                for connection in islice(hub or (), _MAX_CONNECTIONS_SHOWN)
            ],
        }


async def _send_entries(response: web.StreamResponse, entries: list[Entry]) -> None:
    if entries:
        await _send(response, "entries", [entry.summary() for entry in entries])


async def _send(response: web.StreamResponse, event: str, data: object) -> None:
    await response.write(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())


def _is_loopback_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in {"http", "https"} and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def _file(file: Path) -> web.Response:
    return web.Response(body=file.read_bytes(), headers={"Content-Type": _CONTENT_TYPES[file.suffix]})


def _json(status: int, value: Mapping[str, Any]) -> web.Response:
    return web.json_response(value, status=status)


def _text(status: int, text: str) -> web.Response:
    if status >= 400:
        logger.info("CONSOLE answers %d: %s", status, text)
    return web.Response(status=status, text=text)
