"""`python -m local.webpubsub`: the emulator as a program."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from local.webpubsub.emulator import Emulator, PortTakenError
from local.webpubsub.event_handlers import EventHandler, EventHandlerError
from local.webpubsub.settings import (
    DEFAULT_ACCESS_KEY,
    EmulatorSettings,
    SettingsError,
    access_keys_from_env,
    event_handlers_from_env,
)

_EPILOG = """\
Environment (as Microsoft's emulator reads it; {n} counts from 0):
  WebPubSub__AccessKey, WebPubSub__SecondaryAccessKey
  WebPubSub__Hubs__{hub}__EventHandlers__{n}__UrlTemplate
  WebPubSub__Hubs__{hub}__EventHandlers__{n}__SystemEvents__{n}   connect, connected or disconnected
  WebPubSub__Hubs__{hub}__EventHandlers__{n}__EventPattern        *, one event or events between commas
Handlers of the command line come before those of the environment; the first that matches gets an event.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl+C or SIGTERM; the result is the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr)
    try:
        settings = _settings(_parser().parse_args(arguments))
        asyncio.run(_serve(settings))
    except (SettingsError, PortTakenError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.webpubsub",
        description="An emulator of Azure Web PubSub for development and tests on one machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8080, help="port to listen on, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--public-endpoint",
        metavar="URL",
        help="what clients and event handlers call the service, if not http://localhost:PORT; "
        "its host is the origin that event handlers are asked to allow",
    )
    parser.add_argument(
        "--known-endpoint",
        metavar="URL",
        action="append",
        default=[],
        help="another URL that callers know the service by, as behind a reverse proxy that changes the Host header; "
        "tokens made for it are accepted; may be repeated",
    )
    parser.add_argument(
        "--allow-unvalidated-entra-tokens",
        action="store_true",
        help="accept tokens of Microsoft Entra ID on REST calls without checking who made them, "
        "only their audience and times; anyone can make one",
    )
    parser.add_argument(
        "--access-key", metavar="KEY", help="instead of WebPubSub__AccessKey; default: the public emulator key"
    )
    parser.add_argument("--secondary-access-key", metavar="KEY", help="a second key, as while rotating; default: none")
    parser.add_argument(
        "--event-handler",
        metavar="HUB=URL_TEMPLATE",
        action="append",
        default=[],
        help="send all system and user events of HUB to this URL; {hub} and {event} are filled in; may be repeated",
    )
    return parser


def _settings(options: argparse.Namespace) -> EmulatorSettings:
    access_key, secondary_access_key = access_keys_from_env(os.environ)
    handlers: dict[str, list[EventHandler]] = {}
    for text in options.event_handler:
        hub, equals, url_template = text.partition("=")
        if not equals:
            raise SettingsError(f"--event-handler {text!r} must be HUB=URL_TEMPLATE.")
        try:
            handlers.setdefault(hub.lower(), []).append(EventHandler(url_template))
        except EventHandlerError as error:
            raise SettingsError(f"--event-handler {hub}: {error}") from None
    for hub, of_hub in event_handlers_from_env(os.environ).items():
        handlers.setdefault(hub, []).extend(of_hub)
    return EmulatorSettings(
        host=options.host,
        port=options.port,
        public_endpoint=options.public_endpoint,
        known_endpoints=tuple(options.known_endpoint),
        allow_unvalidated_entra_tokens=options.allow_unvalidated_entra_tokens,
        access_key=access_key if options.access_key is None else options.access_key,
        secondary_access_key=secondary_access_key
        if options.secondary_access_key is None
        else options.secondary_access_key,
        event_handlers=handlers,
    )


async def _serve(settings: EmulatorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(signal_number, stop.set)
        except NotImplementedError:
            # Windows event loops have no signal handlers; Ctrl+C interrupts the run there.
            signal.signal(signal_number, lambda *_: loop.call_soon_threadsafe(stop.set))
    async with Emulator(settings) as emulator:
        key = DEFAULT_ACCESS_KEY if settings.access_key == DEFAULT_ACCESS_KEY else "<your access key>"
        print(f"Web PubSub emulator is ready: Endpoint={emulator.url};AccessKey={key};Version=1.0;", flush=True)
        for hub, handlers in settings.event_handlers.items():
            for handler in handlers:
                print(f"  hub {hub}: events go to {handler.url_template.partition('?')[0]}", flush=True)
        if settings.allow_unvalidated_entra_tokens:
            print("  Any token for https://webpubsub.azure.com is accepted: keep this port to yourself.", flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
