"""What stands in front of the Functions hosts, as the platform does: they take turns."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

__all__ = ["Front", "is_ours"]

_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "transfer-encoding", "host", "keep-alive", "server"})
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, sock_connect=2)


class Front:
    """Hands every request to a host, and looks at what is answered.

    ``unknown_5xx`` counts the answers of hosts that are a failure in other words than the app's own.
    """

    def __init__(self, hosts: Sequence[str], port: int) -> None:
        self._turns = itertools.cycle(range(len(hosts)))
        self._hosts = hosts
        self._port = port
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None
        self.unknown_5xx: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://localhost:{self._port}"

    async def __aenter__(self) -> Self:
        """Listen."""
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "localhost", self._port).start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        assert self._runner is not None
        assert self._http is not None
        await self._runner.cleanup()
        await self._http.close()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() != "host")
        first = next(self._turns)
        for number in range(len(self._hosts)):
            host = self._hosts[(first + number) % len(self._hosts)]
            try:
                return await self._ask(host, request, headers, body)
            except aiohttp.ClientConnectorError:
                continue  # it had no effect, so another host may do it
            except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):
                break
        return web.Response(status=502, text="The platform has no host that answers.")

    async def _ask(self, host: str, request: web.BaseRequest, headers: CIMultiDict[str], body: bytes) -> web.Response:
        assert self._http is not None
        async with self._http.request(
            request.method, f"{host}{request.raw_path}", data=body or None, headers=headers, timeout=_TIMEOUT
        ) as answer:
            content = await answer.read()
            if answer.status >= 500 and not is_ours(answer.status, content):
                self.unknown_5xx[f"{request.path}: {answer.status} {content[:100]!r}"] += 1
            kept = CIMultiDict(
                (name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP
            )
            return web.Response(status=answer.status, body=content, headers=kept)


def is_ours(status: int, body: bytes) -> bool:
    """Return whether a failure is told in the words that the app has for it: only 503, and only these."""
    if status != 503:
        return False
    if body == b"Try again.":
        return True
    try:
        told = json.loads(body)
    except ValueError:
        return False
    return isinstance(told, dict) and (told.get("code") == "unavailable" or told.get("status") == "unhealthy")
