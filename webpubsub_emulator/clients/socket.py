"""One client's WebSocket: sends frames without waiting for the client, reads frames one by one, and closes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from aiohttp import WebSocketError, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

from webpubsub_emulator.core.connection import SLOW_CLIENT
from webpubsub_emulator.core.frames import Frame, close_frame
from webpubsub_emulator.core.messages import MAX_MESSAGE_BYTES

__all__ = ["CLOSE_TIMEOUT_SECONDS", "GOING_AWAY", "MAX_READ_BYTES", "ClientSocket", "SocketEnd"]

CLOSE_TIMEOUT_SECONDS: Final = 2.0
GOING_AWAY: Final = 1001
# aiohttp closes the TCP connection on a message that it finds too large. A client that is still sending can then see a
# reset and no close code. So messages up to this size are read, and refused here.
MAX_READ_BYTES: Final = 4 * MAX_MESSAGE_BYTES
_CONNECTION_LOST: Final = "The connection was lost."
_PING_TIMEOUT: Final = "PingTimeout"
_NO_STATUS: Final = 0
_NORMAL_CLOSURES: Final = frozenset({_NO_STATUS, 1000})
logger = logging.getLogger("webpubsub_emulator")


class SocketEnd(NamedTuple):
    """How a socket ended: why, if that is known, and whether the connection ends with it."""

    reason: str | None
    is_final: bool


class ClientSocket:
    """The ``Outbox`` of a WebSocket that is read at the same time.

    Frames go to the transport immediately while the client keeps up. Otherwise they wait here, because a transport
    walks its whole buffer at each write. If too much waits, the connection is closed.
    """

    __slots__ = (
        "_close_code", "_close_reason", "_drainer", "_label", "_limit", "_protocol", "_socket", "_timer", "_transport",
        "_waiting", "_waiting_bytes", "_writer",
    )  # fmt: skip

    def __init__(
        self,
        request: web.BaseRequest,
        socket: web.WebSocketResponse,
        writer: AbstractStreamWriter,
        limit_bytes: int,
        label: str,
    ) -> None:
        """``limit_bytes`` limits what may wait for the client; ``label`` names the connection in the log.

        Raises:
            ConnectionError: when the client has gone.
        """
        if request.transport is None:
            raise ConnectionResetError("The client has gone.")
        self._transport = request.transport
        self._protocol = request.protocol
        self._socket = socket
        self._writer = writer
        self._limit = limit_bytes
        self._label = label
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._drainer: asyncio.Task[None] | None = None
        self._close_code: int | None = None
        self._close_reason: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_closing(self) -> bool:
        """Return whether ``close`` was called."""
        return self._close_code is not None

    def send(self, frame: Frame) -> None:
        """Send a frame; a client that is too slow loses the connection."""
        if self._close_code is not None or self._socket.closed or self._transport.is_closing():
            return
        self._write(frame.wire)
        if self._waiting_bytes > self._limit:
            self._forget_waiting()
            self.close(1008, SLOW_CLIENT)

    def close(self, code: int, reason: str) -> None:
        """Close after the earlier frames; the first reason counts.

        The client has two seconds to answer. If the connection were closed immediately, a client that is still sending
        could see a reset, and no close code. Only a service that shuts down does not wait.
        """
        if self._close_code is None:
            self._close_code, self._close_reason = code, reason
            if not self._socket.closed and not self._transport.is_closing():
                self._say_goodbye(code, reason)
        if code == GOING_AWAY:
            self._transport.close()

    def cut(self) -> None:
        """Abort the connection; the reader sees a lost connection."""
        self._transport.abort()

    async def read(self, receive: Callable[[str | bytes], Awaitable[None]]) -> SocketEnd:
        """Hand every message to ``receive`` until the socket is closed."""
        try:
            end = await self._read(receive)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if self._drainer is not None:
                self._drainer.cancel()
            # aiohttp would write a close frame of its own.
            self._transport.close()
        return end if self._close_code is None else SocketEnd(self._close_reason, is_final=True)

    async def _read(self, receive: Callable[[str | bytes], Awaitable[None]]) -> SocketEnd:
        while True:
            message = await self._socket.receive()
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    if self._close_code is None:
                        await self._take(message.data, receive)
                case WSMsgType.CLOSE:
                    return self._closed_by_client(message.data, message.extra)
                case WSMsgType.ERROR:
                    return self._failed(message.data)
                case _:
                    return self._failed(self._socket.exception())

    def _say_goodbye(self, code: int, reason: str) -> None:
        level = logging.INFO if code in {1000, GOING_AWAY} else logging.WARNING
        logger.log(level, "CLOSING %s with %d: %r", self._label, code, reason)
        if code == GOING_AWAY:
            self._forget_waiting()
        # If the application closes, the reason is in the `disconnected` frame, and the close frame has none.
        self._write(close_frame(code, "" if code == 1000 else reason))
        self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_SECONDS, self._transport.abort)

    def _write(self, wire: bytes) -> None:
        if self._drainer is None and not self._protocol.writing_paused:
            self._transport.write(wire)
            return
        self._waiting.append(wire)
        self._waiting_bytes += len(wire)
        if self._drainer is None:
            self._drainer = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._writer.drain()
                # The queue may have been cleared in the meantime.
                if self._waiting:
                    wire = self._waiting.popleft()
                    self._waiting_bytes -= len(wire)
                    self._transport.write(wire)
        except ConnectionError:
            # The reader sees the error, too.
            self._forget_waiting()
        finally:
            self._drainer = None

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    async def _take(self, data: str | bytes, receive: Callable[[str | bytes], Awaitable[None]]) -> None:
        size = len(data.encode()) if isinstance(data, str) else len(data)
        if size > MAX_MESSAGE_BYTES:
            self.close(1009, f"A message must not have more than {MAX_MESSAGE_BYTES} bytes.")
        else:
            await receive(data)

    def _closed_by_client(self, code: int, text: str | None) -> SocketEnd:
        if self._close_code is None and not self._transport.is_closing():
            self._transport.write(close_frame(1000 if code == _NO_STATUS else code, ""))
        return SocketEnd(text or None, code in _NORMAL_CLOSURES)

    def _failed(self, error: BaseException | None) -> SocketEnd:
        if isinstance(error, WebSocketError):
            if self._close_code is None:
                logger.warning("CLOSED %s with %d: %s", self._label, error.code, error)
            return SocketEnd(str(error), is_final=True)
        # Unread data of a client that is gone would keep the transport open forever.
        self._transport.abort()
        if isinstance(error, TimeoutError):
            logger.warning("CLOSED %s: it did not answer a ping.", self._label)
            return SocketEnd(_PING_TIMEOUT, is_final=False)
        return SocketEnd(_CONNECTION_LOST, is_final=False)
