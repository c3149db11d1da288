"""Bytes as a call of the emulator's REST API, over HTTP without a socket: an answer of a known status.

The input reads like HTTP: a line with method and target, a line for each header field, an empty line, the body. Host,
length and a valid access token are added where the input names none.
"""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from tests.emulator.fakes import PRIMARY_KEY, FakeOutbox, sign
from tests.emulator.serving import add_listeners, assert_readable
from tests.fuzz.wire import exchange, read
from webpubsub_emulator.core.hub import Hubs
from webpubsub_emulator.core.tokens import ServiceIdentity
from webpubsub_emulator.rest.api import RestApi
from webpubsub_emulator.upstream.faults import Faults

__all__ = ["fuzz_one"]

ANSWERS: Final = {200, 202, 204, 400, 401, 404, 409, 415}
ENDPOINT: Final = "http://localhost"


def to_wire(data: bytes) -> tuple[str, bytes]:
    """Read the input as a request; return its method, and all of it as bytes."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = first.partition(b" ")
    given = {line.partition(b":")[0].strip().lower() for line in lines}
    added = [b"Connection: close"]
    if b"host" not in given:
        added.append(b"Host: localhost")
    if not given & {b"content-length", b"transfer-encoding"}:
        added.append(b"Content-Length: %d" % len(body))
    if b"authorization" not in given:
        audience = ENDPOINT + target.partition(b"?")[0].removesuffix(b"/").decode("latin-1")
        added.append(b"Authorization: Bearer " + sign({"aud": audience}).encode())
    lines_sent = [b"%b %b HTTP/1.1" % (method, target), *lines, *added]
    # The server skips returns before a request.
    return method.lstrip(b"\r").decode("latin-1"), b"\r\n".join(lines_sent) + b"\r\n\r\n" + body


async def fuzz_one(data: bytes) -> None:
    """Let the API answer one request, and read its answer and what clients got."""
    method, sent = to_wire(data)
    hubs = Hubs()
    listeners = add_listeners(hubs)
    identity = ServiceIdentity(ENDPOINT, (), [PRIMARY_KEY])
    api = RestApi(identity, hubs, Faults(), lambda _: None)
    answer = await exchange(web.Server(api.handle, access_log=None), sent)
    if answer:
        _check(method, answer)
    for listener in listeners:
        if not isinstance(listener.outbox, FakeOutbox):
            raise TypeError("a member has another outbox than it was given")
        for frame in [*listener.outbox.frames, *(listener.recovery or ())]:
            assert_readable(listener.protocol, frame)


def _check(method: str, received: bytes) -> None:
    answer = read(method, received)
    if answer.status not in ANSWERS:
        raise AssertionError(f"answered {answer.status}")
    if answer.every("x-ms-error-code") and answer.body:
        json.loads(answer.body)
