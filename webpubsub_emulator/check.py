"""``webpubsub-emulator check URL``: whether a handler's URL passes the handshake, and if not, why.

It also tells whether the handler lets in a client whose connect event lost its body on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import aiohttp
from yarl import URL

from webpubsub_emulator.command_line import program_name
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.exceptions import EventHandlerError
from webpubsub_emulator.settings import DEFAULT_ACCESS_KEY
from webpubsub_emulator.upstream.abuse_protection import Handshake, shake_hands
from webpubsub_emulator.upstream.cloud_events import connect_event, event_headers, sign
from webpubsub_emulator.upstream.event_handlers import EventHandler

__all__ = ["main"]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


def main(arguments: Sequence[str]) -> int:
    """Shake hands once, and send a connect event without its body; the exit code is 0 when both are answered well."""
    options = _parser().parse_args(arguments)
    hub = options.hub.lower()
    try:
        url = EventHandler(options.url).url(hub, "validate")
    except EventHandlerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    origin = options.origin.lower()
    handshake, status = asyncio.run(_check(url, EventHandler(options.url).url(hub, "connect"), hub, origin))
    shown = url.partition("?")[0]
    if handshake.problem is None and not 200 <= status < 300:
        print(f"OK: {shown} consents to events from {origin}.")
        return 0
    if handshake.problem is None:
        print(
            f"OPEN: {shown} consents to events from {origin}, but lets a client in whose connect event lost its body.\n"
            "  sent:      POST of a connect event with Transfer-Encoding: chunked and nothing in it\n"
            f"  came back: status {status}; no rule can have looked at the client's query or claims\n"
            "  fix:       refuse a connect event without a body (400): Azure Functions hands on no body that is sent\n"
            "             in chunks, so whatever is in front of the app must send a Content-Length"
        )
        return 1
    print(
        f"REFUSED: {shown} does not consent to events from {origin}.\n"
        f"  sent:      OPTIONS with WebHook-Request-Origin: {origin} and ce-awpsversion: 1.0\n"
        f"  came back: {handshake.problem}\n"
        f"  fix:       {handshake.fix}"
    )
    return 1


async def _check(url: str, connect_url: str, hub: str, origin: str) -> tuple[Handshake, int]:
    async with aiohttp.ClientSession() as session:
        handshake = await shake_hands(session, url, origin)
        # Nothing is sent to a handler that did not consent.
        status = 0 if handshake.problem else await _connect_without_a_body(session, connect_url, hub, origin)
        return handshake, status


async def _connect_without_a_body(session: aiohttp.ClientSession, url: str, hub: str, origin: str) -> int:
    """Return how a connect event in chunks, of which none arrives, is answered; 0 without an answer."""
    context = ConnectionContext(hub, "check")
    headers = event_headers(
        connect_event({}, {}, [], []),
        context,
        event_id=0,
        time=datetime.now(UTC),
        origin=origin,
        signature=sign(context.connection_id, [DEFAULT_ACCESS_KEY]),
    )
    try:
        async with session.post(
            URL(url, encoded=True), headers=headers, data=_nothing(), timeout=_TIMEOUT, allow_redirects=False
        ) as response:
            return response.status
    except (TimeoutError, aiohttp.ClientError, OSError):
        return 0


async def _nothing() -> AsyncIterator[bytes]:
    # A body whose length is not known is sent in chunks.
    yield b""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{program_name()} check",
        description="Ask an event handler, as the service does, whether it takes events, and whether it refuses a "
        "client whose connect event lost its body; say why, and the fix, if not.",
    )
    parser.add_argument("url", metavar="URL", help="the event handler's URL template; {hub} and {event} are filled in")
    parser.add_argument(
        "--origin",
        metavar="HOST",
        default="localhost",
        help="the service's host, such as NAME.webpubsub.azure.com (default: %(default)s, as this emulator)",
    )
    parser.add_argument("--hub", default="chat", help="what {hub} is (default: %(default)s)")
    return parser
