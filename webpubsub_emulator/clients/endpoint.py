"""The client endpoint: who may connect to ``/client/hubs/{hub}``, as whom, with which subprotocol.

Statuses before the upgrade are those of Microsoft's emulator: 400, 401, the connect handler's own 4xx or 5xx, else 500.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import HttpVersion11, web

from webpubsub_emulator.clients.limits import ClientLimits
from webpubsub_emulator.clients.session import NOT_RECOVERED, ClientSession
from webpubsub_emulator.clients.socket import CLOSE_TIMEOUT_SECONDS, GOING_AWAY, MAX_READ_BYTES, ClientSocket, SocketEnd
from webpubsub_emulator.core import names
from webpubsub_emulator.core.client_protocol import ClientProtocol
from webpubsub_emulator.core.connection import Connection, ConnectionContext
from webpubsub_emulator.core.hub import Delivery, Hubs
from webpubsub_emulator.core.query import Query, last_value, parse_query
from webpubsub_emulator.core.recovery import Recovery
from webpubsub_emulator.core.tokens import ServiceIdentity, TokenError, bearer_token, verify_token
from webpubsub_emulator.subprotocols import registry
from webpubsub_emulator.subprotocols.registry import SubprotocolError, known_subprotocol
from webpubsub_emulator.subprotocols.simple import SimpleModeError, simple_protocol
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.cloud_events import CONNECT_ANSWER_KEYS
from webpubsub_emulator.upstream.dispatcher import EventFailedError, Upstream

__all__ = ["ClientEndpoint", "new_connection_id"]

_USER_ID_CLAIM: Final = "sub"
_ROLE_CLAIM: Final = "role"
_GROUP_CLAIM: Final = "webpubsub.group"
_SUBPROTOCOL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONNECTION_ID: Final = "awps_connection_id"
_RECONNECTION_TOKEN: Final = "awps_reconnection_token"  # noqa: S105 - the parameter's name
_SHUTDOWN: Final = (GOING_AWAY, "The service is shutting down.")
logger = logging.getLogger("webpubsub_emulator")


def new_connection_id() -> str:
    """Return an id like the service's: opaque, unguessable, safe in URLs and headers."""
    return secrets.token_urlsafe(16) + secrets.token_hex(5)


class _RefusedError(Exception):
    """The upgrade is refused with ``status``; the text goes to the client and to the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Admission:
    """The identity of a client that connects."""

    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]


class ClientEndpoint:
    """Accepts clients and keeps their sessions."""

    def __init__(
        self,
        identity: ServiceIdentity,
        limits: ClientLimits,
        hubs: Hubs,
        upstream: Upstream,
        delivered: Callable[[Delivery], None],
        connection_ids: Callable[[], str],
    ) -> None:
        """``delivered`` is told what clients send to clients; ``connection_ids`` returns an id that is not in use."""
        self._identity = identity
        self._limits = limits
        self._hubs = hubs
        self._upstream = upstream
        self._delivered = delivered
        self._connection_ids = connection_ids
        self._sessions: dict[str, ClientSession] = {}
        self._is_closing = False

    async def handle(self, request: web.BaseRequest, hub: str | None) -> web.StreamResponse:
        """Answer an upgrade request to ``hub``; absent, the hub is in the query."""
        query = parse_query(request.rel_url.raw_query_string)
        hub_name = hub if hub is not None else last_value(query, "hub") or ""
        try:
            return await self._connect(request, hub_name, query)
        except _RefusedError as refusal:
            logger.warning("REFUSED a client of hub %r with %d: %s", hub_name[:128], refusal.status, refusal)
            return web.Response(status=refusal.status, text=str(refusal))

    async def close(self) -> None:
        """Close all clients with 1001 and let no more in."""
        self._is_closing = True
        workers = {session.worker for session in self._sessions.values()}
        for session in list(self._sessions.values()):
            session.connection.outbox.close(*_SHUTDOWN)
        if workers:
            _, late = await asyncio.wait(workers, timeout=CLOSE_TIMEOUT_SECONDS + 1)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connect(self, request: web.BaseRequest, hub: str, query: Query) -> web.StreamResponse:
        offered = _offered_subprotocols(request)
        if not _is_upgrade(request, offered):
            raise _RefusedError(400, "This address takes WebSocket upgrades only.")
        if not names.is_hub(hub):
            raise _RefusedError(
                400, "The hub's name is not valid: a letter first, then letters, digits and _ ` , . [ ]."
            )
        connection_id = last_value(query, _CONNECTION_ID)
        if connection_id:
            return await self._recover(request, hub, connection_id, last_value(query, _RECONNECTION_TOKEN), offered)
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
            raise _RefusedError(error.status, "The event handler refused the connection, or failed.") from None
        if answer.unknown_keys:
            logger.warning(
                "IGNORED in the answer to %s of connection %s: %s. The service reads %s.",
                event.type, context.connection_id, ", ".join(answer.unknown_keys), ", ".join(CONNECT_ANSWER_KEYS),
            )  # fmt: skip
        if answer.user_id is not None:
            context.user_id = answer.user_id or None
        admission = replace(
            admission,
            roles=admission.roles if answer.roles is None else answer.roles,
            groups=answer.groups or admission.groups,
        )
        try:
            context.subprotocol = registry.choose(offered, answer.subprotocol)
        except SubprotocolError as error:
            raise _RefusedError(400 if answer.subprotocol is None else 500, str(error)) from None
        return await self._serve(request, context, simple, admission)

    async def _serve(
        self, request: web.BaseRequest, context: ConnectionContext, simple: ClientProtocol, admission: _Admission
    ) -> web.StreamResponse:
        try:
            response, socket = await self._accept(request, context.subprotocol, context.connection_id)
        except ConnectionError:
            # The handler has let it in, so it must hear that it has gone.
            self._upstream.notify(context, cloud_events.disconnected_event("The connection was lost."))
            raise
        known = known_subprotocol(context.subprotocol)
        recovery = Recovery(secrets.token_urlsafe(32)) if known and known.is_reliable else None
        connection = Connection(context, known.protocol if known else simple, socket, admission.roles, recovery)
        logger.info(
            "CONNECTED connection %s to hub %s as user %r with subprotocol %s",
            connection.id, context.hub, connection.user_id, context.subprotocol or "(none)",
        )  # fmt: skip
        session = ClientSession(connection, self._hubs, self._upstream, self._limits, self._delivered)
        self._sessions[connection.id] = session
        session.worker.add_done_callback(lambda _: self._sessions.pop(connection.id))
        session.start(admission.groups)
        await self._read(socket, session)
        return response

    async def _recover(
        self, request: web.BaseRequest, hub: str, connection_id: str, token: str | None, offered: Sequence[str]
    ) -> web.StreamResponse:
        """Return a client its connection back, or close with 1008: after a refused upgrade SDKs would try again."""
        session = self._sessions.get(connection_id)
        subprotocol = None
        if session is not None:
            context = session.connection.context
            subprotocol = registry.offered_as(context.subprotocol or "", offered)
            if context.hub != hub.lower() or subprotocol is None:
                session = None
        if session is None:
            subprotocol = next((name for name in offered if known_subprotocol(name)), None)
        response, socket = await self._accept(request, subprotocol, connection_id if session else "(unknown)")
        if session is not None and token is not None and session.recover(token, socket):
            logger.info("RECOVERED connection %s of hub %s", connection_id, hub.lower())
            await self._read(socket, session)
        else:
            socket.close(1008, NOT_RECOVERED)
            await socket.read(_ignore)
        return response

    async def _read(self, socket: ClientSocket, session: ClientSession) -> None:
        if self._is_closing:
            socket.close(*_SHUTDOWN)
        end = SocketEnd("The connection was lost.", is_final=True)
        try:
            end = await socket.read(session.receive)
        finally:
            session.leave(socket, end.reason, is_final=end.is_final)

    async def _accept(
        self, request: web.BaseRequest, subprotocol: str | None, connection_id: str
    ) -> tuple[web.WebSocketResponse, ClientSocket]:
        """Upgrade.

        Raises:
            ConnectionError: when the client has gone.
        """
        response = web.WebSocketResponse(
            protocols=[subprotocol] if subprotocol else (),
            heartbeat=self._limits.ping_interval,
            max_msg_size=MAX_READ_BYTES,
            timeout=CLOSE_TIMEOUT_SECONDS,
            autoclose=False,
            compress=False,
        )
        if subprotocol:
            # A client may offer its subprotocols in several lines (RFC 6455 §11.3.4), and aiohttp reads the first.
            response.headers["Sec-WebSocket-Protocol"] = subprotocol
        # As with acks: the Python SDK's synchronous client starts its socket and only then waits for it to open.
        await asyncio.sleep(self._limits.ack_delay)
        writer = await response.prepare(request)
        limit = self._limits.outgoing_buffer_bytes
        return response, ClientSocket(request, response, writer, limit, f"connection {connection_id}")

    def _verify_token(self, request: web.BaseRequest, hub: str, query: Query) -> dict[str, Any]:
        token = bearer_token(request.headers) or last_value(query, "access_token")
        if not token and self._upstream.allows_anonymous(hub):
            return {}
        if not token:
            raise _RefusedError(
                401, "There is no token: put it in ?access_token= or in an Authorization: Bearer header."
            )
        audiences = [f"{origin}/client/hubs/{hub}" for origin in self._identity.origins(request.headers)]
        try:
            return verify_token(token, self._identity.access_keys, audiences)
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
    """Return a claim's values; ``null`` is an empty one, as .NET, and so the service, reads a token."""
    value = claims.get(name, [])
    values = ["" if item is None else item for item in (value if isinstance(value, list) else [value])]
    if not all(isinstance(item, str) for item in values):
        raise _RefusedError(400, f"The claim {name!r} must be a string or a list of strings.")
    return tuple(values)


def _is_upgrade(request: web.BaseRequest, offered: Sequence[str]) -> bool:
    """Return whether a request is one of RFC 6455 §4.1.

    aiohttp takes every method and version, and fails over header bytes that are no text.
    """
    if request.method != "GET" or request.version < HttpVersion11:
        return False
    try:
        return bool(web.WebSocketResponse(protocols=offered).can_prepare(request))
    except ValueError:
        return False


def _offered_subprotocols(request: web.BaseRequest) -> list[str]:
    lines = request.headers.getall("Sec-WebSocket-Protocol", [])
    names_offered = [name.strip() for line in lines for name in line.split(",")]
    return [name for name in names_offered if _SUBPROTOCOL.fullmatch(name)]


async def _ignore(_: str | bytes) -> None:
    """Answer a client that is not let back in has nothing to say."""
