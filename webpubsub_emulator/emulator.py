"""The emulator itself: clients, REST calls and the traffic view behind one port."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from aiohttp import web

from webpubsub_emulator.clients.endpoint import ClientEndpoint, new_connection_id
from webpubsub_emulator.clients.limits import ClientLimits
from webpubsub_emulator.console.server import Console, ConsoleLinks
from webpubsub_emulator.core.exceptions import PortTakenError, SettingsError
from webpubsub_emulator.core.hub import Hubs
from webpubsub_emulator.core.tokens import ServiceIdentity
from webpubsub_emulator.listeners import listen
from webpubsub_emulator.rest.api import RestApi
from webpubsub_emulator.server import BoundedServer
from webpubsub_emulator.settings import EmulatorSettings
from webpubsub_emulator.subprotocols.registry import MQTT_REFUSAL
from webpubsub_emulator.upstream.dispatcher import Upstream
from webpubsub_emulator.upstream.event_handlers import HubSettings
from webpubsub_emulator.upstream.faults import Fault, FaultKind, Faults
from webpubsub_emulator.upstream.sender import MAX_HEADER_BYTES, EventSender
from webpubsub_emulator.upstream.traffic import Traffic, TrafficLog

__all__ = ["Emulator"]

_SHUTDOWN_SECONDS: Final = 1.0
logger = logging.getLogger("webpubsub_emulator")
http_logger = logging.getLogger("webpubsub_emulator.http")


class _WithoutTraceback(logging.Filter):
    """What aiohttp cannot parse is its sender's mistake, not ours; and its text may hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record pass, but bare; none about a body that its sender has been told of."""
        is_told = record.exc_info is not None and isinstance(record.exc_info[1], web.RequestPayloadError)
        record.exc_info = None
        return not is_told


http_logger.addFilter(_WithoutTraceback())


class _Parts:
    """What exists while the emulator runs: each part knows those that were made before it, and no other."""

    def __init__(
        self,
        settings: EmulatorSettings,
        endpoint: str,
        clock: Callable[[], datetime],
        connection_ids: Callable[[], str],
        console_url: str | None,
    ) -> None:
        identity = ServiceIdentity(endpoint, settings.known_endpoints, settings.access_keys)
        limits = ClientLimits(
            ack_delay=settings.ack_delay,
            recovery_timeout=settings.recovery_timeout,
            ping_interval=settings.ping_interval,
            outgoing_buffer_bytes=settings.outgoing_buffer_bytes,
        )
        self.endpoint = endpoint
        self.traffic = Traffic(clock)
        self.traffic_log = TrafficLog(self.traffic)
        self.faults = Faults()
        self.hub_settings = HubSettings(settings.event_handlers, settings.anonymous_hubs)
        self.sender = EventSender(
            urlsplit(endpoint).hostname or "localhost",
            settings.access_keys,
            self.faults,
            retry_delays=settings.retry_delays,
            timeout=settings.upstream_timeout,
        )
        self.upstream = Upstream(self.hub_settings, self.sender, self.traffic)
        self.hubs = Hubs(self.upstream.notify_group)
        self.clients = ClientEndpoint(
            identity, limits, self.hubs, self.upstream, self.traffic.delivered, connection_ids
        )
        self.rest = RestApi(
            identity,
            self.hubs,
            self.faults,
            self.traffic.delivered,
            allow_unvalidated_entra_tokens=settings.allow_unvalidated_entra_tokens,
        )
        self.console = Console(
            ConsoleLinks(console_url, endpoint, settings.app_url),
            self.hubs,
            self.hub_settings,
            self.faults,
            self.traffic,
            self.inject,
        )

    def inject(self, fault: Fault) -> int:
        """Arm a fault, or cut connections at once; return how many connections it concerns now."""
        concerned = [connection for hub in self.hubs for connection in hub if fault.concerns(connection.context)]
        logger.warning("FAULT %s is injected: %s.", fault.kind, fault)
        if fault.kind is FaultKind.CUT_CONNECTIONS:
            for connection in concerned:
                logger.warning("FAULT cut_connections: connection %s is lost.", connection.id)
                connection.outbox.cut()
        else:
            self.faults.arm(fault)
        return len(concerned)


class Emulator:
    """One emulated Web PubSub service. Use as an async context manager, or call ``start`` and ``stop``.

    async with Emulator(EmulatorSettings(port=0)) as emulator:
        client = WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat")
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        connection_ids: Callable[[], str] = new_connection_id,
    ) -> None:
        """``clock`` returns the time of events and ``connection_ids`` the ids of new connections."""
        self._settings = settings or EmulatorSettings()
        self._clock = clock
        self._connection_ids = connection_ids
        self._parts: _Parts | None = None
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """The public endpoint, known once the emulator has started."""
        return self._running().endpoint

    @property
    def connection_string(self) -> str:
        """The connection string for the service SDKs; it holds the primary access key."""
        return f"Endpoint={self.url};AccessKey={self._settings.access_key};Version=1.0;"

    @property
    def console_url(self) -> str | None:
        """Where the traffic view is; ``None`` when the network could reach it, as then it is not served."""
        return self._running().console.links.console

    @property
    def traffic(self) -> Traffic:
        """The last events, with what their handlers answered."""
        return self._running().traffic

    def inject(self, fault: Fault) -> int:
        """Let something go wrong on purpose; return how many connections it concerns now."""
        return self._running().inject(fault)

    @property
    def armed_faults(self) -> list[dict[str, Any]]:
        """The faults that wait, as JSON objects; ``count`` and ``seconds`` are what is left of them."""
        return self._running().faults.armed()

    def clear_faults(self) -> None:
        """Let all go well again."""
        self._running().faults.clear()

    async def reload(self, settings: EmulatorSettings) -> None:
        """Take event handlers and anonymous hubs of other settings, and ask each handler for its consent at once.

        What is under way ends with the settings before. All other settings are for the start only.
        """
        parts = self._running()
        parts.hub_settings.replace(settings.event_handlers, settings.anonymous_hubs)
        await parts.sender.validate_again(settings.event_handlers)

    async def start(self) -> None:
        """Listen and serve.

        Raises:
            PortTakenError: when the port is in use.
            SettingsError: when there is no such address on this machine, or it is not for this user.
        """
        settings = self._settings
        server = BoundedServer(
            self._handle,
            access_log=None,
            logger=http_logger,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await listen(runner, settings.host, settings.port)
        except OSError as error:
            await runner.cleanup()
            address = error.filename or settings.host
            if error.errno != errno.EADDRINUSE:
                raise SettingsError(
                    f"Port {settings.port} on {address} cannot be used: {error.strerror}; choose another --host "
                    "or --port."
                ) from None
            raise PortTakenError(
                f"Port {settings.port} on {address} is taken: stop the program there, or choose another port "
                "with --port (0 for any free one)."
            ) from None
        self._runner = runner
        port = runner.addresses[0][1]
        endpoint = (settings.public_endpoint or f"http://localhost:{port}").rstrip("/")
        is_local = all(ip_address(address[0]).is_loopback for address in runner.addresses)
        console_url = f"http://localhost:{port}/" if is_local else None
        parts = _Parts(settings, endpoint, self._clock, self._connection_ids, console_url)
        logger.addHandler(parts.traffic_log)
        self._parts = parts
        for fault in settings.faults:
            parts.inject(fault)

    async def stop(self) -> None:
        """Close all clients with 1001 and stop, if it is running; takes a few seconds at most."""
        parts, runner = self._parts, self._runner
        if parts is None or runner is None:
            return
        self._runner = None
        await parts.clients.close()
        # Event handlers that hear of it may call the service, which still answers them.
        await parts.upstream.drain(_SHUTDOWN_SECONDS)
        self._parts = None
        parts.traffic.close()
        await runner.cleanup()
        await parts.upstream.close()
        logger.removeHandler(parts.traffic_log)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def _running(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("The emulator is not running: use `async with Emulator(...)`, or call start() first.")
        return self._parts

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._route(request)
        except (ConnectionError, web.RequestPayloadError) as error:
            logger.info("A caller went away during %s %r: %s", request.method, request.path[:300], error)
            return web.Response(status=400)
        except Exception:
            logger.exception("A defect of the emulator, please report it: %s %r", request.method, request.path[:300])
            return web.Response(status=500, text="Internal server error")

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = self._parts
        if parts is None:
            return web.Response(status=503, text="The service is starting or shutting down.")
        match request.raw_path.partition("?")[0].split("/"):
            case ["", "api", *_]:
                return await parts.rest.handle(request)
            case ["", "client", "hubs", hub]:
                return await parts.clients.handle(request, unquote(hub))
            case ["", "client"] | ["", "client", ""]:
                return await parts.clients.handle(request, None)
            case ["", "" | "emulator", *_]:
                return await parts.console.handle(request)
            case ["", "clients", "mqtt", "hubs", _]:
                return web.Response(status=501, text=MQTT_REFUSAL)
            case _:
                return web.Response(status=404, text="Clients connect to /client/hubs/{hub}, REST calls to /api.")
