"""A minimal WebSocket client (RFC 6455): just enough for Web PubSub."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from infra.hooks.web import ANSWER_SECONDS, MAX_BYTES

__all__ = ["UpgradeError", "WebSocket"]

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT: Final = 1
_CLOSE: Final = 8
_PING: Final = 9
_PONG: Final = 10


class UpgradeError(Exception):
    """Raised when there is no WebSocket; ``status`` is the HTTP status, 0 without an answer."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class WebSocket:
    """One connection for text messages."""

    def __init__(self, url: str, protocol: str) -> None:
        """Connect.

        Raises:
            UpgradeError: The answer is not 101.
        """
        key = base64.b64encode(os.urandom(16)).decode()
        parts = urlsplit(url)
        self._connection = _connect(parts.scheme, parts.hostname or "", parts.port)
        try:
            headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Protocol": protocol}
            headers |= {"Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
            self._connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
            response = self._connection.getresponse()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise UpgradeError(0, f"no answer: {error}") from error
        accept = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()  # noqa: S324 - RFC 6455 4.2.2
        if response.status != 101 or response.headers.get("Sec-WebSocket-Accept") != accept:
            self._connection.close()
            raise UpgradeError(response.status, f"status {response.status}")
        self._stream = response.fp

    def send(self, text: str) -> None:
        """Send a text.

        Raises:
            OSError: The connection is gone.
        """
        self._send(_TEXT, text.encode())

    def receive(self) -> str:
        """Return the next text.

        Raises:
            OSError: The connection is gone, or nothing comes for ten seconds.
        """
        while True:
            first, second = self._read(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._read(8))
            if size > MAX_BYTES:
                raise OSError(f"a frame of {size} bytes came")
            payload = self._read(size)
            match first & 0x0F:
                case 1:
                    return payload.decode()
                case 8:
                    raise OSError(f"the connection was closed: {payload[2:].decode(errors='replace') or 'no reason'}")
                case 9:
                    self._send(_PONG, payload)

    def close(self) -> None:
        """Send a close frame and close the connection."""
        with suppress(OSError):  # it may be gone already
            self._send(_CLOSE, struct.pack(">H", 1000))
        self._connection.close()

    def _send(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack(">H", size)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        if self._connection.sock is None:
            raise OSError("the connection is closed")
        self._connection.sock.sendall(bytes([0x80 | kind]) + length + mask + masked)

    def _read(self, size: int) -> bytes:
        found = self._stream.read(size)
        if len(found) < size:
            raise OSError("the connection ended")
        return found


def _connect(scheme: str, host: str, port: int | None) -> HTTPConnection:
    kind = HTTPSConnection if scheme in {"https", "wss"} else HTTPConnection
    proxy = urlsplit(getproxies().get("https" if kind is HTTPSConnection else "http", ""))
    if not proxy.hostname or proxy_bypass(host):
        return kind(host, port, timeout=ANSWER_SECONDS)
    connection = kind(proxy.hostname, proxy.port, timeout=ANSWER_SECONDS)
    connection.set_tunnel(host, port, _proxy_headers(proxy))
    return connection


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    known = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(known.encode()).decode()}"}
