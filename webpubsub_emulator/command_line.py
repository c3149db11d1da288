"""The program's flags, and the settings that they make together with environment and file."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from webpubsub_emulator import __version__
from webpubsub_emulator.configuration import KEYS, ROOT, read_configuration
from webpubsub_emulator.core.exceptions import EventHandlerError, FaultError, SettingsError
from webpubsub_emulator.settings import DEFAULT_ACCESS_KEY, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import SYSTEM_EVENTS, EventHandler
from webpubsub_emulator.upstream.faults import Fault

__all__ = ["parser", "program_name", "settings"]

_COMMAND: Final = "webpubsub-emulator"
_MAX_SECONDS: Final = 3600
_EPILOG: Final = """\
Environment (the names of Microsoft's emulator; {{n}} counts from 0):
{keys}
The file of --settings holds the same keys as JSON. The environment takes precedence over the file, key by
key. Handlers of the command line come before those of both; the first that matches gets an event.

`{program} check URL` finds out what is wrong with an event handler, and prints the fix.
"""


def program_name() -> str:
    """Return how this program was called: by its command, or as a module."""
    return _COMMAND if Path(sys.argv[0]).stem == _COMMAND else "python -m webpubsub_emulator"


def parser() -> argparse.ArgumentParser:
    """Return the flags of the command ``webpubsub-emulator``."""
    result = argparse.ArgumentParser(
        prog=program_name(),
        description="An emulator of Azure Web PubSub for development and tests on one machine.",
        epilog=_EPILOG.format(
            program=program_name(),
            keys="\n".join(f"  {ROOT}__{key.replace(':', '__')}\n      {text}" for key, text in KEYS.items()),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add(
        "--host",
        default="localhost",
        help="address to listen on (default: %(default)s, which means both 127.0.0.1 and ::1)",
    )
    add("--port", type=int, default=8080, help="port to listen on, 0 for a free one (default: %(default)s)")
    add(
        "--public-endpoint",
        metavar="URL",
        help="what clients and event handlers call the service, if not http://localhost:PORT; "
        "its host is the origin that event handlers are asked to allow",
    )
    add(
        "--known-endpoint",
        metavar="URL",
        action="append",
        default=[],
        help="another URL that callers know the service by, as behind a reverse proxy that changes the Host header; "
        "tokens made for it are accepted; may be repeated",
    )
    add(
        "--allow-unvalidated-entra-tokens",
        action="store_true",
        help="accept tokens of Microsoft Entra ID on REST calls without checking who made them, "
        "only their audience and times; anyone can make one",
    )
    add(
        "--settings",
        metavar="FILE",
        type=Path,
        help="a JSON file such as the appsettings.json of Microsoft's emulator; event handlers and anonymous policies "
        "are taken again whenever it changes",
    )
    add("--access-key", metavar="KEY", help="instead of WebPubSub__AccessKey; default: the public emulator key")
    add("--secondary-access-key", metavar="KEY", help="a second key, for example while you rotate keys; default: none")
    add(
        "--event-handler",
        metavar=("HUB=URL_TEMPLATE", "WORD=VALUE"),
        nargs="+",
        action="append",
        default=[],
        help="send events of HUB to this URL; {hub} and {event} are filled in. All system and user events, unless "
        "words choose: system-event=connect|connected|disconnected|none, event-pattern=PATTERN, "
        "group-event=joined|left, group-filter=GROUP. May be repeated, the words too",
    )
    add(
        "--anonymous-hub",
        metavar="HUB",
        action="append",
        default=[],
        help="let clients connect to HUB without a token; may be repeated",
    )
    add(
        "--retry-delays",
        metavar="SECONDS",
        type=_delays,
        default=(1, 3, 5),
        help='pauses before an event is sent again, between commas; "" for no retry (default: 1,3,5)',
    )
    add(
        "--upstream-timeout",
        metavar="SECONDS",
        type=_seconds,
        default=100,
        help="how long an event handler may take to answer (default: %(default)s)",
    )
    add(
        "--fault",
        metavar="JSON",
        action="append",
        default=[],
        help='make something fail from the start, for example {"fault":"drop_answer","event":"message","count":3}; '
        "may be repeated; the same as POST /emulator/faults",
    )
    add("--app-url", metavar="URL", help="the page of your app, for a link in the traffic view; default: none")
    add("--version", action="version", version=f"{_COMMAND} {__version__}", help="show the version and end")
    return result


def settings(options: argparse.Namespace, environ: Mapping[str, str]) -> EmulatorSettings:
    """Return the settings that flags, environment and file make together.

    Raises:
        SettingsError: when one is not valid; the message names it and the fix.
    """
    configuration = read_configuration(environ, options.settings)
    handlers: dict[str, list[EventHandler]] = {}
    for words in options.event_handler:
        hub, handler = _event_handler(words)
        handlers.setdefault(hub.lower(), []).append(handler)
    for hub, its_handlers in configuration.event_handlers.items():
        handlers.setdefault(hub, []).extend(its_handlers)
    access_key, secondary = options.access_key, options.secondary_access_key
    if access_key is None:
        access_key = DEFAULT_ACCESS_KEY if configuration.access_key is None else configuration.access_key
    return EmulatorSettings(
        host=options.host,
        port=options.port,
        public_endpoint=options.public_endpoint,
        known_endpoints=tuple(options.known_endpoint),
        access_key=access_key,
        secondary_access_key=configuration.secondary_access_key if secondary is None else secondary,
        event_handlers=handlers,
        anonymous_hubs={*configuration.anonymous_hubs, *options.anonymous_hub},
        allow_unvalidated_entra_tokens=options.allow_unvalidated_entra_tokens
        or configuration.allow_unvalidated_entra_tokens,
        faults=tuple(_fault(text) for text in options.fault),
        app_url=options.app_url,
        retry_delays=options.retry_delays,
        upstream_timeout=options.upstream_timeout,
    )


def _event_handler(words: Sequence[str]) -> tuple[str, EventHandler]:
    """Return the hub and the handler that the words after one --event-handler describe."""
    hub, equals, url_template = words[0].partition("=")
    if not equals:
        raise SettingsError(f"--event-handler {words[0]!r} must be HUB=URL_TEMPLATE.")
    lists: dict[str, list[str]] = {"system-event": [], "event-pattern": [], "group-event": [], "group-filter": []}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if name not in lists or not equals:
            raise SettingsError(f"--event-handler {hub}: {word!r} must be WORD=VALUE with {', '.join(lists)}.")
        lists[name].append(value)
    system_events = frozenset(lists["system-event"]) - {"none"} if lists["system-event"] else SYSTEM_EVENTS
    try:
        return hub, EventHandler(
            url_template,
            system_events,
            ",".join(lists["event-pattern"]) if lists["event-pattern"] else "*",
            frozenset(lists["group-event"]),
            tuple(lists["group-filter"]),
        )
    except EventHandlerError as error:
        raise SettingsError(f"--event-handler {hub}: {error}") from None


def _fault(text: str) -> Fault:
    try:
        return Fault.from_json(json.loads(text))
    except ValueError as error:
        reason = str(error) if isinstance(error, FaultError) else "it is not valid JSON."
        raise SettingsError(f"--fault {text}: {reason}") from None


def _delays(text: str) -> tuple[float, ...]:
    return tuple(_seconds(part) for part in text.split(",") if part.strip())


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} must be 0 to {_MAX_SECONDS} seconds")
    return seconds
