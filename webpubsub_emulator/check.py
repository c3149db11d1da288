"""``webpubsub-emulator check URL``: what is wrong with an event handler, on this machine or deployed, and the fix."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

import aiohttp

from webpubsub_emulator.command_line import program_name
from webpubsub_emulator.core.exceptions import EventHandlerError
from webpubsub_emulator.doctor.checks import findings
from webpubsub_emulator.doctor.findings import Verdict
from webpubsub_emulator.settings import DEFAULT_ACCESS_KEY
from webpubsub_emulator.upstream.event_handlers import EventHandler

__all__ = ["main"]

_KEY_VARIABLE: Final = "WebPubSub__AccessKey"
_EPILOG: Final = """\
The checks, in this order: TLS, the handshake, whether an event without a proof is refused, the clock, a signed event,
and the same sent in chunks. The events are connect events of a user "check", of a connection that does not exist.

The exit status is 0 if nothing that was checked is wrong, 1 if something is, and 2 for arguments that are not valid.
A check that cannot be made (skipped) says what it needs; the last line is OK only if none was skipped.
"""


def main(arguments: Sequence[str]) -> int:
    """Check one URL and print what was found; the exit code is 0 when nothing is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        handler = EventHandler(options.url)
    except EventHandlerError as error:
        parser.error(str(error))
    return asyncio.run(_check(handler, options.hub.lower(), options.origin.lower(), _access_key(options)))


async def _check(handler: EventHandler, hub: str, origin: str, access_key: str | None) -> int:
    verdicts = []
    # Cookies would make the second event differ from the first.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        async for finding in findings(session, handler, hub, origin, access_key):
            print(finding, flush=True)
            verdicts.append(finding.verdict)
    failed, skipped = verdicts.count(Verdict.FAILED), verdicts.count(Verdict.SKIPPED)
    if failed:
        print(f"\nNOT OK: {handler.shown}: {failed} of {len(verdicts)} checks failed.")
        return 1
    if skipped:
        print(f"\nNOT FULLY CHECKED: {handler.shown}: nothing is wrong in what was checked ({skipped} skipped).")
        return 0
    print(f"\nOK: {handler.shown} takes events from {origin}.")
    return 0


def _access_key(options: argparse.Namespace) -> str | None:
    given: str | None = options.access_key or os.environ.get(_KEY_VARIABLE)
    return given or (DEFAULT_ACCESS_KEY if _is_emulator(options.origin) else None)


def _is_emulator(origin: str) -> bool:
    try:
        return ip_address(origin).is_loopback
    except ValueError:
        return origin.lower() == "localhost"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{program_name()} check",
        description="Find out what is wrong with an event handler: ask it what the service asks, send it an event, and "
        "print the fix of whatever fails.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="the event handler's URL template; {hub} and {event} are filled in")
    parser.add_argument(
        "--origin",
        metavar="HOST",
        default="localhost",
        help="the service's host, such as NAME.webpubsub.azure.com (default: %(default)s, as this emulator)",
    )
    parser.add_argument("--hub", default="chat", help="the hub of the events (default: %(default)s)")
    parser.add_argument(
        "--access-key",
        metavar="KEY",
        help=f"the access key of that service, better in {_KEY_VARIABLE} than here, where other users of this machine "
        "can see it (default: the emulator's for localhost, else none)",
    )
    return parser
