"""``webpubsub-emulator check URL``: whether a handler's URL passes the handshake, and if not, why."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

import aiohttp

from webpubsub_emulator.command_line import program_name
from webpubsub_emulator.core.exceptions import EventHandlerError
from webpubsub_emulator.upstream.abuse_protection import Handshake, shake_hands
from webpubsub_emulator.upstream.event_handlers import EventHandler

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Shake hands once; the result is the exit code: 0 when the URL consents, 1 when not."""
    options = _parser().parse_args(arguments)
    try:
        url = EventHandler(options.url).url(options.hub.lower(), "validate")
    except EventHandlerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    origin = options.origin.lower()
    handshake = asyncio.run(_check(url, origin))
    shown = url.partition("?")[0]
    if handshake.problem is None:
        print(f"OK: {shown} consents to events from {origin}.")
        return 0
    print(
        f"REFUSED: {shown} does not consent to events from {origin}.\n"
        f"  sent:      OPTIONS with WebHook-Request-Origin: {origin} and ce-awpsversion: 1.0\n"
        f"  came back: {handshake.problem}\n"
        f"  fix:       {handshake.fix}"
    )
    return 1


async def _check(url: str, origin: str) -> Handshake:
    async with aiohttp.ClientSession() as session:
        return await shake_hands(session, url, origin)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{program_name()} check",
        description="Ask an event handler, as the service does, whether it takes events; say why, and the fix, if not.",
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
