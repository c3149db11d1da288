"""The addresses that a server on this machine listens on: one, or both that ``localhost`` means."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Final

from aiohttp import web

__all__ = ["ABSENT", "LOOPBACK_ADDRESSES", "bind", "listen"]

LOOPBACK_ADDRESSES: Final = ("127.0.0.1", "::1")
ABSENT: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
"""The errors of binding ``::1`` on a machine without IPv6."""
_MAX_ATTEMPTS: Final = 20


async def listen(runner: web.BaseRunner, host: str, port: int) -> None:
    """Serve at an address, or at both loopback addresses for ``localhost``; port 0 takes one that is free at both.

    A browser may try ``::1`` first for ``localhost``, and would reach another program that listens only there.

    Raises:
        OSError: An address cannot be used; ``filename`` says which.
    """
    if host != "localhost":
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            error.filename = host
            raise
        return
    for listener in _bind_loopback(port):
        await web.SockSite(runner, listener).start()


def bind(address: str, port: int) -> socket.socket:
    """Return a socket bound to a numeric address.

    Raises:
        OSError: The address cannot be used; ``filename`` names it as in URLs.
    """
    is_v6 = ":" in address
    try:
        bound = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET)
        try:
            if sys.platform != "win32":
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((address, port))
        except OSError:
            bound.close()
            raise
    except OSError as error:
        error.filename = f"[{address}]" if is_v6 else address
        raise
    return bound


def _bind_loopback(port: int) -> list[socket.socket]:
    v4, v6 = LOOPBACK_ADDRESSES
    for _ in range(1 if port else _MAX_ATTEMPTS):
        first = bind(v4, port)
        try:
            return [first, bind(v6, first.getsockname()[1])]
        except OSError as error:
            if error.errno in ABSENT:
                return [first]
            first.close()
            refusal = error
    raise refusal
