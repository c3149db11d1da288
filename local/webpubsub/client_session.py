"""One client's time on its socket: read, act in order, answer, and say upstream when it is over."""

import asyncio
import logging
from typing import Final

from aiohttp import WebSocketError, WSMsgType, web

from local.webpubsub import cloud_events, hub
from local.webpubsub.client_protocol import (
    AckError,
    ClientProtocolError,
    ClientRequest,
    JoinGroup,
    LeaveGroup,
    OutgoingMessage,
    Ping,
    SendToGroup,
    UserEvent,
)
from local.webpubsub.connection import Connection
from local.webpubsub.hub import Hubs
from local.webpubsub.outbox import SocketOutbox
from local.webpubsub.permissions import Permission
from local.webpubsub.upstream import EventFailedError, Upstream

# Requests of a client that wait for the one before; more stay in its socket, so a client is as fast as its handler.
_MAX_WAITING_REQUESTS: Final = 64
_CONNECTION_LOST: Final = "The connection was lost."
_PING_TIMEOUT: Final = "PingTimeout"
_log = logging.getLogger(__name__)


class ClientSession:
    """Serves one upgraded connection until its socket is closed."""

    def __init__(
        self,
        connection: Connection,
        socket: web.WebSocketResponse,
        outbox: SocketOutbox,
        hubs: Hubs,
        upstream: Upstream,
        *,
        ack_delay: float,
    ) -> None:
        """`outbox` is the connection's own; `ack_delay` is in seconds."""
        self._connection = connection
        self._socket = socket
        self._outbox = outbox
        self._hubs = hubs
        self._upstream = upstream
        self._ack_delay = ack_delay
        self._requests: asyncio.Queue[ClientRequest | None] = asyncio.Queue(_MAX_WAITING_REQUESTS)
        self._loop = asyncio.get_running_loop()

    async def run(self, groups: tuple[str, ...]) -> None:
        """Greet the client, take it into its hub and serve it; `groups` are those it starts in."""
        connection, context = self._connection, self._connection.context
        writer = asyncio.create_task(self._outbox.run())
        worker = asyncio.create_task(self._work())
        greeting = connection.protocol.connected(connection.id, connection.user_id)
        if greeting is not None:
            self._outbox.send(greeting)
        # First connected, then the groups that it joins: notifications go in the order of these calls.
        self._upstream.notify(context, cloud_events.connected_event())
        self._hubs.add(connection, groups)
        try:
            reason = await self._read()
            self._hubs.remove(connection)
            _log.info("DISCONNECTED connection %s of hub %s, reason: %r", connection.id, context.hub, reason)
            # What the client has sent before it went still counts.
            await self._requests.put(None)
            await worker
            self._upstream.notify(context, cloud_events.disconnected_event(reason))
            self._outbox.close(1000, reason or "")
            await writer
        finally:
            self._hubs.remove(connection)
            worker.cancel()
            writer.cancel()

    async def _read(self) -> str | None:
        """Take requests in until the socket closes; the result is the reason, `None` when the client gave none."""
        while True:
            message = await self._socket.receive()
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    if self._outbox.is_closing:
                        continue
                    try:
                        await self._take(message.data)
                    except ClientProtocolError as error:
                        self._outbox.close(error.close_code, str(error))
                case WSMsgType.CLOSE:
                    return self._outbox.close_reason or _close_reason(self._socket.close_code, message.extra)
                case WSMsgType.ERROR:
                    return self._outbox.close_reason or self._describe(message.data)
                case _:
                    return self._outbox.close_reason or self._describe(self._socket.exception())

    async def _take(self, data: str | bytes) -> None:
        frame = self._connection.protocol.decode(data)
        if not isinstance(frame, Ping):
            await self._requests.put(frame)
        elif (pong := self._connection.protocol.pong()) is not None:
            self._outbox.send(pong)

    async def _work(self) -> None:
        while (request := await self._requests.get()) is not None:
            try:
                await self._serve(request)
            except Exception:  # noqa: BLE001 - one client's trouble must not reach others
                _log.exception(
                    "A defect of the emulator, please report it; connection %s is closed.", self._connection.id
                )
                self._outbox.close(1011, "Internal server error")

    async def _serve(self, request: ClientRequest) -> None:
        connection, ack_id = self._connection, request.ack_id
        if ack_id is not None and ack_id in connection.acks:
            error: AckError | None = AckError("Duplicate", f"Message with ack-id: {ack_id} has been processed")
        else:
            error = await self._perform(request)
            if error is None and ack_id is not None:
                connection.acks.add(ack_id)
        if error is not None and connection.protocol.closes_on_failure:
            self._outbox.close(1008 if error.name == "Forbidden" else 1011, error.message)
        elif ack_id is not None and (ack := connection.protocol.ack(ack_id, error)) is not None:
            self._loop.call_later(self._ack_delay, self._outbox.send, ack)

    async def _perform(self, request: ClientRequest) -> AckError | None:
        own_hub = self._hubs[self._connection.context.hub]
        match request:
            case UserEvent():
                return await self._send_upstream(request)
            case SendToGroup(group):
                if not self._connection.rights[Permission.SEND_TO_GROUP].allows(group):
                    return self._forbid(Permission.SEND_TO_GROUP, group)
                message = OutgoingMessage(request.payload, group, self._connection.user_id)
                hub.deliver(message, own_hub.group(group), () if request.is_echoed else (self._connection.id,))
            case JoinGroup(group):
                if not self._connection.rights[Permission.JOIN_LEAVE_GROUP].allows(group):
                    return self._forbid(Permission.JOIN_LEAVE_GROUP, group)
                own_hub.join(self._connection, group)
            case LeaveGroup(group):
                if not self._connection.rights[Permission.JOIN_LEAVE_GROUP].allows(group):
                    return self._forbid(Permission.JOIN_LEAVE_GROUP, group)
                own_hub.leave(self._connection, group)
        return None

    async def _send_upstream(self, request: UserEvent) -> AckError | None:
        event = cloud_events.user_event(request.event, request.payload)
        try:
            reply = await self._upstream.user_event(self._connection.context, event)
        except EventFailedError as error:
            _log.error("EVENT %s of connection %s failed: %s.", event.type, self._connection.id, error)
            return AckError("InternalServerError", "Internal server error")
        if reply is not None:
            self._outbox.send(self._connection.protocol.message(OutgoingMessage(reply)))
        return None

    def _forbid(self, permission: Permission, group: str) -> AckError:
        _log.warning(
            "FORBIDDEN: connection %s may not %s %r: give its token the role webpubsub.%s.%s, or grant it by REST.",
            self._connection.id, permission, group, permission, group,
        )  # fmt: skip
        return AckError("Forbidden", f"The client does not have the permission {permission} for this group.")

    def _describe(self, error: BaseException | None) -> str:
        if isinstance(error, WebSocketError):
            _log.warning("CLOSED connection %s with %d: %s", self._connection.id, error.code, error)
            return str(error)
        if isinstance(error, TimeoutError):
            _log.warning("CLOSED connection %s: it did not answer a ping.", self._connection.id)
            return _PING_TIMEOUT
        return _CONNECTION_LOST


def _close_reason(code: int | None, text: str | None) -> str | None:
    return _CONNECTION_LOST if code == 1006 else text or None
