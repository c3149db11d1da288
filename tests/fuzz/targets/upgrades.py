"""Bytes as a client that connects, and as what the event handler answers: the client is in, or hears why not.

The input begins like HTTP: a line with the target, a line for each header field, an empty line. The claims of the token
follow as JSON, then another empty line and the body of the answer to ``connect``. The headers of an upgrade and the
token are added where the input names none.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast
from urllib.parse import unquote

from aiohttp import web

from tests.emulator.fakes import PRIMARY_KEY, FakeUpstream, limits, sign
from tests.fuzz.wire import exchange, read
from webpubsub_emulator.clients.endpoint import ClientEndpoint
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.hub import Hubs
from webpubsub_emulator.core.tokens import ServiceIdentity
from webpubsub_emulator.upstream.cloud_events import AnswerError, ConnectAnswer, Event, connect_answer
from webpubsub_emulator.upstream.dispatcher import EventFailedError, Upstream

__all__ = ["fuzz_one"]

ANSWERS: Final = {101, 400, 401, 500}
ENDPOINT: Final = "http://localhost"
UPGRADE: Final = {
    b"host": b"localhost",
    b"connection": b"Upgrade",
    b"upgrade": b"websocket",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


class Answering(FakeUpstream):
    """An event handler that answers ``connect`` with a body, and lets everybody ask."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    def allows_anonymous(self, hub: str) -> bool:
        """Return whether the hub is the one that needs no token."""
        return hub.lower() == "open"

    async def connect(self, _: ConnectionContext, event: Event) -> ConnectAnswer:
        """Read the event as a handler would, and answer."""
        json.loads(event.body)
        try:
            return connect_answer(self._body)
        except AnswerError as error:
            raise EventFailedError("answer not valid", str(error)) from None


def to_request(data: bytes) -> tuple[bytes, bytes]:
    """Read the input; return the request and the body of the handler's answer."""
    head, _, rest = data.partition(b"\n\n")
    claims, _, answer = rest.partition(b"\n\n")
    target, *lines = head.split(b"\n")
    given = {line.partition(b":")[0].strip().lower() for line in lines}
    lines += [b"%b: %b" % header for header in UPGRADE.items() if header[0] not in given]
    token = _token(target.partition(b"?")[0].decode("latin-1"), claims)
    if token is not None and b"authorization" not in given:
        lines.append(b"Authorization: Bearer " + token.encode())
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, *lines]) + b"\r\n\r\n", answer


def _token(path: str, claims: bytes) -> str | None:
    try:
        read_claims: Any = json.loads(claims)
        return sign({"aud": ENDPOINT + unquote(path), **read_claims})
    except (ValueError, TypeError, RecursionError):
        # What cannot be signed is nobody's token.
        return None


async def fuzz_one(data: bytes) -> None:
    """Let one client connect, and go again."""
    sent, answer = to_request(data)
    identity = ServiceIdentity(ENDPOINT, (), [PRIMARY_KEY])
    endpoint = ClientEndpoint(
        identity, limits(), Hubs(), cast(Upstream, Answering(answer)), lambda _: None, lambda: "conn-1"
    )

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0].split("/")
        return await endpoint.handle(request, unquote(path[3]) if len(path) > 3 else None)

    received = await exchange(web.Server(handle, access_log=None), sent)
    await endpoint.close()
    if received and read("GET", received).status not in ANSWERS:
        raise AssertionError(f"answered {received!r}")
    if b"Server got itself in trouble" in received:
        raise AssertionError("the endpoint failed")
