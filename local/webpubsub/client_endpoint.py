"""The client endpoint: who may connect to `/client/hubs/{hub}`, as whom, with which subprotocol.

Statuses before the upgrade are those of Microsoft's emulator: 400, 401, the connect handler's own 4xx or 5xx, else 500.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from local.webpubsub import cloud_events, names
from local.webpubsub.client_protocol import ClientProtocol
from local.webpubsub.client_session import ClientSession
from local.webpubsub.connection import Connection, ConnectionContext
from local.webpubsub.hub import Hubs
from local.webpubsub.json_protocol import JSON_SUBPROTOCOL, JsonProtocol
from local.webpubsub.messages import MAX_MESSAGE_BYTES
from local.webpubsub.outbox import CLOSE_TIMEOUT_SECONDS, SocketOutbox
from local.webpubsub.settings import EmulatorSettings
from local.webpubsub.simple_protocol import SimpleModeError, simple_protocol
from local.webpubsub.tokens import TokenError, bearer_token, origins, verify_token
from local.webpubsub.upstream import EventFailedError, Upstream

_USER_ID_CLAIM: Final = "sub"
_ROLE_CLAIM: Final = "role"
_GROUP_CLAIM: Final = "webpubsub.group"
_SUBPROTOCOL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NOT_YET_SUPPORTED: Final = frozenset(
    {"json.reliable.webpubsub.azure.v1", "protobuf.webpubsub.azure.v1", "protobuf.reliable.webpubsub.azure.v1", "mqtt"}
)
_SHUTDOWN: Final = (1001, "The service is shutting down.")
_Query = Mapping[str, Sequence[str]]
_log = logging.getLogger(__name__)


def new_connection_id() -> str:
    """An id like the service's: opaque, unguessable, safe in URLs and headers."""
    return secrets.token_urlsafe(16) + secrets.token_hex(5)


class _RefusedError(Exception):
    """The upgrade is refused with `status`; the text goes to the client and to the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Admission:
    """As whom a client comes in."""

    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]


class ClientEndpoint:
    """Accepts clients and keeps their sessions."""

    def __init__(
        self,
        settings: EmulatorSettings,
        endpoint: str,
        hubs: Hubs,
        upstream: Upstream,
        connection_ids: Callable[[], str],
    ) -> None:
        """`endpoint` is the service's public URL; `connection_ids` gives an id that is not in use."""
        self._settings = settings
        self._endpoint = endpoint
        self._hubs = hubs
        self._upstream = upstream
        self._connection_ids = connection_ids
        self._sessions: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    async def handle(self, request: web.BaseRequest, hub: str | None) -> web.StreamResponse:
        """Answer an upgrade request to `hub`; absent, the hub is in the query."""
        query = parse_qs(request.rel_url.raw_query_string, keep_blank_values=True)
        hub_name = hub if hub is not None else (query.get("hub") or [""])[-1]
        try:
            return await self._connect(request, hub_name, query)
        except _RefusedError as refusal:
            _log.warning("REFUSED a client of hub %r with %d: %s", hub_name[:128], refusal.status, refusal)
            return web.Response(status=refusal.status, text=str(refusal))

    async def close(self) -> None:
        """Close all clients with 1001 and let no more in."""
        self._is_closing = True
        for hub in self._hubs:
            for connection in hub:
                connection.outbox.close(*_SHUTDOWN)
        if self._sessions:
            _, late = await asyncio.wait(self._sessions, timeout=CLOSE_TIMEOUT_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connect(self, request: web.BaseRequest, hub: str, query: _Query) -> web.StreamResponse:
        offered = _offered_subprotocols(request)
        if not web.WebSocketResponse(protocols=offered).can_prepare(request):
            raise _RefusedError(400, "This address takes WebSocket upgrades only.")
        if not names.is_hub(hub):
            raise _RefusedError(
                400, "The hub's name is not valid: a letter first, then letters, digits and _ ` , . [ ]."
            )
        claims = self._verify_token(request, hub, query)
        admission = _admission(claims)
        context = ConnectionContext(hub.lower(), self._connection_ids(), admission.user_id)
        try:
            simple = simple_protocol(query)
        except SimpleModeError as error:
            raise _RefusedError(400, str(error)) from None
        event = cloud_events.connect_event(claims, query, request.headers.items(), offered)
        try:
            answer = await self._upstream.connect(context, event)
        except EventFailedError as error:
            _log.error("EVENT %s of connection %s failed: %s.", event.type, context.connection_id, error)
            raise _RefusedError(error.status, "The event handler refused the connection, or failed.") from None
        if answer.user_id is not None:
            context.user_id = answer.user_id or None
        admission = replace(
            admission,
            roles=admission.roles if answer.roles is None else answer.roles,
            groups=answer.groups or admission.groups,
        )
        context.subprotocol = _choose_subprotocol(offered, answer.subprotocol)
        protocol = JsonProtocol() if context.subprotocol == JSON_SUBPROTOCOL else simple
        return await self._serve(request, context, protocol, admission)

    async def _serve(
        self, request: web.BaseRequest, context: ConnectionContext, protocol: ClientProtocol, admission: _Admission
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            protocols=[context.subprotocol] if context.subprotocol else (),
            heartbeat=self._settings.ping_interval,
            max_msg_size=MAX_MESSAGE_BYTES,
            timeout=CLOSE_TIMEOUT_SECONDS,
            compress=False,
        )
        if (task := asyncio.current_task()) is not None:
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)
        try:
            await socket.prepare(request)
            transport = request.transport
            if transport is None:
                raise ConnectionResetError
        except ConnectionError:
            # The handler has let it in, so it must hear that it has gone.
            self._upstream.notify(context, cloud_events.disconnected_event("The connection was lost."))
            return socket
        outbox = SocketOutbox(
            socket, transport, self._settings.outgoing_buffer_bytes, f"connection {context.connection_id}"
        )
        connection = Connection(context, protocol, outbox, admission.roles)
        _log.info(
            "CONNECTED connection %s to hub %s as user %r with subprotocol %s",
            connection.id, context.hub, connection.user_id, context.subprotocol or "(none)",
        )  # fmt: skip
        session = ClientSession(
            connection, socket, outbox, self._hubs, self._upstream, ack_delay=self._settings.ack_delay
        )
        if self._is_closing:
            outbox.close(*_SHUTDOWN)
        await session.run(admission.groups)
        return socket

    def _verify_token(self, request: web.BaseRequest, hub: str, query: _Query) -> dict[str, Any]:
        token = bearer_token(request.headers) or next(
            (values[-1] for name, values in query.items() if name.lower() == "access_token"), None
        )
        if token is None and self._upstream.allows_anonymous(hub):
            return {}
        if token is None:
            raise _RefusedError(
                401, "There is no token: put it in ?access_token= or in an Authorization: Bearer header."
            )
        endpoints = (self._endpoint, *self._settings.known_endpoints)
        audiences = [f"{origin}/client/hubs/{hub}" for origin in origins(endpoints, request.headers)]
        try:
            return verify_token(token, self._settings.access_keys, audiences)
        except TokenError as error:
            raise _RefusedError(401, f"The token is not accepted: {error}.") from None


def _admission(claims: Mapping[str, Any]) -> _Admission:
    user_id = claims.get(_USER_ID_CLAIM)
    if user_id is not None and not names.is_unicode(user_id):
        raise _RefusedError(400, "The user id in the token is not valid Unicode.")
    groups = _strings(claims, _GROUP_CLAIM)
    if not all(names.is_group(group) for group in groups):
        raise _RefusedError(400, "A group in the token is not valid: 1 to 1024 characters, not only white space.")
    return _Admission(user_id or None, _strings(claims, _ROLE_CLAIM), groups)


def _strings(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise _RefusedError(400, f"The claim {name!r} must be a string or a list of strings.")
    return tuple(values)


def _offered_subprotocols(request: web.BaseRequest) -> list[str]:
    lines = request.headers.getall("Sec-WebSocket-Protocol", [])
    names_offered = [name.strip() for line in lines for name in line.split(",")]
    return [name for name in names_offered if _SUBPROTOCOL.fullmatch(name)]


def _choose_subprotocol(offered: Sequence[str], chosen: str | None) -> str | None:
    """The handler's choice, else the first offered one that the service knows, else none: a simple client."""
    if chosen is not None and chosen not in offered:
        raise _RefusedError(
            500, f"The connect handler chose subprotocol {chosen[:100]!r}, which the client did not offer."
        )
    if chosen is None and JSON_SUBPROTOCOL in offered:
        return JSON_SUBPROTOCOL
    unsupported = [name for name in ([chosen] if chosen else offered) if name in _NOT_YET_SUPPORTED]
    if unsupported:
        raise _RefusedError(
            500 if chosen else 400,
            f"The subprotocol {unsupported[0]} is not supported by this emulator yet: "
            f"let the client use {JSON_SUBPROTOCOL} (in the client SDKs: protocol_type / protocol).",
        )
    return chosen
