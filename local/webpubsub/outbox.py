"""The way out to one socket: a bounded queue that one task empties, so a slow client holds nobody else back."""

import asyncio
import logging
from collections import deque
from typing import Final

from aiohttp import WSMsgType, web

from local.webpubsub.client_protocol import Frame

SLOW_CLIENT: Final = "SlowClient"
CLOSE_TIMEOUT_SECONDS: Final = 2.0
_FRAME_OVERHEAD_BYTES: Final = 64
_MAX_CLOSE_TEXT_BYTES: Final = 120
_log = logging.getLogger(__name__)


class SocketOutbox:
    """The `Outbox` of a WebSocket; `run` must be running for frames to leave."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport, limit_bytes: int, label: str
    ) -> None:
        """`limit_bytes` bounds what may wait for the client; `label` names the connection in the log."""
        self._socket = socket
        self._transport = transport
        self._limit = limit_bytes
        self._label = label
        self._frames: deque[Frame] = deque()
        self._waiting_bytes = 0
        self._wakeup = asyncio.Event()
        self._close_code: int | None = None
        self.close_reason: str | None = None

    @property
    def is_closing(self) -> bool:
        """Whether the server has decided to close."""
        return self._close_code is not None

    def send(self, frame: Frame) -> None:
        """Queue a frame; a client too slow for its queue loses the connection."""
        if self._close_code is not None:
            return
        self._frames.append(frame)
        self._waiting_bytes += len(frame.data) + _FRAME_OVERHEAD_BYTES
        if self._waiting_bytes > self._limit:
            self._frames.clear()
            self.close(1008, SLOW_CLIENT)
            # The writer is stuck behind what the client does not read; a close frame could not get past it either.
            self._transport.abort()
        self._wakeup.set()

    def close(self, code: int, reason: str) -> None:
        """Close after the frames before; the first reason stays."""
        if self._close_code is None:
            self._close_code = code
            self.close_reason = reason
            if not self._socket.closed:
                level = logging.INFO if code in {1000, 1001} else logging.WARNING
                _log.log(level, "CLOSING %s with %d: %r", self._label, code, reason)
            self._wakeup.set()

    def cut(self) -> None:
        """Abort the connection below the socket; the session sees a lost line."""
        self._transport.abort()

    async def run(self) -> None:
        """Write until the socket closes."""
        try:
            while self._close_code is None or self._frames:
                await self._wakeup.wait()
                self._wakeup.clear()
                while self._frames:
                    frame = self._frames.popleft()
                    await self._socket.send_frame(frame.data, WSMsgType.TEXT if frame.is_text else WSMsgType.BINARY)
                    self._waiting_bytes -= len(frame.data) + _FRAME_OVERHEAD_BYTES
            # A close that the application asked for says why in its `disconnected` frame; the close frame stays bare.
            text = "" if self._close_code == 1000 else self.close_reason or ""
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self._socket.close(code=self._close_code or 1000, message=_close_text(text))
        except (ConnectionError, TimeoutError):
            self._transport.abort()


def _close_text(text: str) -> bytes:
    """As much of `text` as a close frame can hold, without half a character."""
    return text.encode(errors="replace")[:_MAX_CLOSE_TEXT_BYTES].decode(errors="ignore").encode()
