"""A connection's life: what its client asks for is done in order and answered, and it ends once. No sockets.

A reliable connection outlives its socket: its messages are kept until a new socket takes it over or time is up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from webpubsub_emulator.clients.limits import ClientLimits
from webpubsub_emulator.core import hub
from webpubsub_emulator.core.client_protocol import (
    CancelInvocation,
    ClientProtocolError,
    ClientRequest,
    ErrorDetail,
    GroupStateRequest,
    Invoke,
    JoinGroup,
    LeaveGroup,
    OutgoingMessage,
    Ping,
    SendToGroup,
    SequenceAck,
    StreamFrame,
    UserEvent,
)
from webpubsub_emulator.core.connection import Connection, Outbox
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.hub import Delivery, Hubs
from webpubsub_emulator.core.messages import Payload
from webpubsub_emulator.core.permissions import Permission
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.dispatcher import EventFailedError, Upstream

__all__ = ["NOT_RECOVERED", "ClientSession"]

NOT_RECOVERED: Final = "The connection could not be recovered."
# Requests of a client that wait for the one before; more stay in its socket, so a client is as fast as its handler.
_MAX_WAITING_REQUESTS: Final = 64
_TAKEN_OVER: Final = "The connection was recovered on another socket."
_NEVER_RECOVERED: Final = "The connection recovery timeout expired."
_FAILED: Final = ErrorDetail("InternalServerError", "Internal server error")
_NO_GROUP_STATE: Final = ErrorDetail("BadRequest", "Group state is not implemented by this emulator.")
_STILL_INVOKED: Final = ErrorDetail("BadRequest", "An invocation of this id is not finished.")
_NO_STREAMS: Final = ErrorDetail("BadRequest", "Streams are not implemented by this emulator.")
logger = logging.getLogger("webpubsub_emulator")


class _NoSocket:
    """The outbox of a connection whose client is away: what concerns the socket is lost, a close ends all."""

    is_closing: Final = False

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    def send(self, frame: Frame) -> None:
        """Drop it: a client that comes back gets its messages from the connection, and asks again."""

    def close(self, code: int, reason: str) -> None:
        """There is no socket to wait for."""
        logger.info("CLOSING connection %s without a socket with %d: %r", self._session.connection.id, code, reason)
        self._session.end(reason)

    def cut(self) -> None:
        """There is no connection to lose."""


class ClientSession:
    """Serves one connection, from its first socket to its end."""

    def __init__(
        self,
        connection: Connection,
        hubs: Hubs,
        upstream: Upstream,
        limits: ClientLimits,
        delivered: Callable[[Delivery], None],
    ) -> None:
        """``delivered`` is told what this client has sent to others."""
        self.connection: Final = connection
        self._hubs = hubs
        self._upstream = upstream
        self._limits = limits
        self._delivered = delivered
        self._loop = asyncio.get_running_loop()
        self._requests: asyncio.Queue[ClientRequest | Invoke | None] = asyncio.Queue()
        self._free_places = asyncio.Semaphore(_MAX_WAITING_REQUESTS)
        self._invocations: set[str] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self._is_ended = False
        self._end_reason: str | None = None
        self.worker: Final = asyncio.create_task(self._work())

    def start(self, groups: tuple[str, ...]) -> None:
        """Greet the client and take it into its hub; ``groups`` are those it starts in."""
        self._greet()
        # First connected, then the groups that it joins: notifications go in the order of these calls.
        self._upstream.notify(self.connection.context, cloud_events.connected_event())
        self._hubs.add(self.connection, groups)

    def recover(self, token: str, outbox: Outbox) -> bool:
        """Let a client that proves itself with ``token`` go on with a new socket; the old one, if any, is closed."""
        recovery = self.connection.recovery
        if recovery is None or self._is_ended or self.connection.outbox.is_closing or not recovery.admits(token):
            return False
        previous, self.connection.outbox = self.connection.outbox, outbox
        if self._expiry is None:
            previous.close(1008, _TAKEN_OVER)
        else:
            self._expiry.cancel()
            self._expiry = None
        # A greeting comes again: the JavaScript client resumes what it has paused only when it sees one.
        self._greet()
        for frame in recovery:
            outbox.send(frame)
        return True

    def leave(self, outbox: Outbox, reason: str | None, *, is_final: bool) -> None:
        """End a socket. The connection ends with it when that is final, or when nobody could come back."""
        if self.connection.outbox is not outbox:
            return
        if is_final or self.connection.recovery is None:
            self.end(reason)
            return
        logger.info("LOST the socket of connection %s: %s", self.connection.id, reason)
        self.connection.outbox = _NoSocket(self)
        self._expiry = self._loop.call_later(self._limits.recovery_timeout, self.end, _NEVER_RECOVERED)

    def end(self, reason: str | None) -> None:
        """Take the connection out of its hub; the disconnected event follows after all that the client had sent."""
        if self._is_ended:
            return
        self._is_ended = True
        self._end_reason = reason
        if self._expiry is not None:
            self._expiry.cancel()
        context = self.connection.context
        self._hubs.remove(self.connection)
        logger.info("DISCONNECTED connection %s of hub %s, reason: %r", context.connection_id, context.hub, reason)
        self._requests.put_nowait(None)

    async def receive(self, data: str | bytes) -> None:
        """Take a frame of the client; waits while too many requests do."""
        connection = self.connection
        try:
            frame = connection.protocol.decode(data)
        except ClientProtocolError as error:
            connection.outbox.close(error.close_code, str(error))
            return
        match frame:
            case Ping():
                connection.send(connection.protocol.pong())
            case SequenceAck(sequence_id):
                if connection.recovery is not None:
                    connection.recovery.acknowledge(sequence_id)
            case CancelInvocation(invocation_id):
                self._invocations.discard(invocation_id)
            case StreamFrame(stream_id):
                connection.send(connection.protocol.stream_closed(stream_id, _NO_STREAMS))
            case Invoke(invocation_id) if invocation_id in self._invocations:
                connection.send(connection.protocol.invoke_response(invocation_id, _STILL_INVOKED))
            case _:
                if isinstance(frame, Invoke):
                    self._invocations.add(frame.invocation_id)
                await self._free_places.acquire()
                self._requests.put_nowait(frame)

    def _greet(self) -> None:
        connection = self.connection
        token = connection.recovery.token if connection.recovery else None
        connection.send(connection.protocol.connected(connection.id, connection.user_id, token))

    async def _work(self) -> None:
        try:
            while (request := await self._requests.get()) is not None:
                self._free_places.release()
                try:
                    await (self._invoke(request) if isinstance(request, Invoke) else self._serve(request))
                    await self._upstream.keep_pace(self.connection.context)
                except Exception:
                    logger.exception(
                        "A defect of the emulator, please report it; connection %s is closed.", self.connection.id
                    )
                    self.connection.outbox.close(1011, "Internal server error")
        finally:
            self._upstream.notify(self.connection.context, cloud_events.disconnected_event(self._end_reason))

    async def _serve(self, request: ClientRequest) -> None:
        connection, ack_id = self.connection, request.ack_id
        if ack_id is not None and ack_id in connection.acks:
            error: ErrorDetail | None = ErrorDetail("Duplicate", f"Message with ack-id: {ack_id} has been processed")
        else:
            error = await self._perform(request)
            if error is None and ack_id is not None:
                connection.acks.add(ack_id)
        if error is not None and connection.protocol.closes_on_failure:
            connection.outbox.close(1008 if error.name == "Forbidden" else 1011, error.message)
        elif ack_id is not None and (ack := connection.protocol.ack(ack_id, error)) is not None:
            # The synchronous client of the Python SDK sends and only then waits: an ack that comes first is missed,
            # and the call blocks for its whole ack_timeout of 30 seconds.
            self._loop.call_later(self._limits.ack_delay, connection.send, ack)

    async def _perform(self, request: ClientRequest) -> ErrorDetail | None:
        match request:
            case UserEvent():
                reply = await self._send_upstream(request.event, request.payload)
                if isinstance(reply, ErrorDetail):
                    return reply
                if reply is not None:
                    self.connection.deliver(self.connection.protocol.message(OutgoingMessage(reply)))
            case SendToGroup(group):
                if not self.connection.rights[Permission.SEND_TO_GROUP].allows(group):
                    return self._forbid(Permission.SEND_TO_GROUP, group)
                message = OutgoingMessage(request.payload, group, self.connection.user_id)
                own_hub = self._hubs.find(self.connection.context.hub)
                members = own_hub.group(group) if own_hub is not None else ()
                excluded = () if request.is_echoed else (self.connection.id,)
                receivers = hub.deliver(message, members, excluded)
                context = self.connection.context
                self._delivered(Delivery(context.hub, f"group {group}", request.payload, receivers, context))
            case JoinGroup(group):
                if not self.connection.rights[Permission.JOIN_LEAVE_GROUP].allows(group):
                    return self._forbid(Permission.JOIN_LEAVE_GROUP, group)
                self._hubs.join(self.connection, group)
            case LeaveGroup(group):
                if not self.connection.rights[Permission.JOIN_LEAVE_GROUP].allows(group):
                    return self._forbid(Permission.JOIN_LEAVE_GROUP, group)
                self._hubs.leave(self.connection, group)
            case GroupStateRequest():
                return _NO_GROUP_STATE
        return None

    async def _invoke(self, request: Invoke) -> None:
        """Answer an invocation, unless the client cancels it first: before its turn it is not even sent."""
        invocation_id = request.invocation_id
        if invocation_id not in self._invocations:
            return
        result = await self._send_upstream(request.event, request.payload)
        if invocation_id in self._invocations:
            self._invocations.discard(invocation_id)
            self.connection.send(self.connection.protocol.invoke_response(invocation_id, result))

    async def _send_upstream(self, name: str, payload: Payload) -> Payload | ErrorDetail | None:
        event = cloud_events.user_event(name, payload)
        try:
            return await self._upstream.user_event(self.connection.context, event)
        except EventFailedError:
            return _FAILED

    def _forbid(self, permission: Permission, group: str) -> ErrorDetail:
        logger.warning(
            "FORBIDDEN: connection %s may not %s %r: give its token the role webpubsub.%s.%s, or grant it by REST.",
            self.connection.id, permission, group, permission, group,
        )  # fmt: skip
        return ErrorDetail("Forbidden", f"The client does not have the permission {permission} for this group.")
