"""The cookies that event handlers set: kept for one connection, and sent as RFC 6265 says.

A value is sent as it was set, byte for byte. Secure cookies go to ``https`` only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from email.utils import parsedate_tz
from http.cookies import CookieError, Morsel
from typing import Final

from aiohttp import CookieJar
from yarl import URL

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.names import is_unicode

__all__ = ["cookie_header", "keep_cookies"]

_LONG_AGO: Final = "Thu, 01 Jan 1970 00:00:01 GMT"
logger = logging.getLogger("webpubsub_emulator")


def cookie_header(context: ConnectionContext, url: URL) -> str:
    """Return the value of the Cookie header of a request to ``url``; empty when no cookie belongs there."""
    if context.cookies is None:
        return ""
    cookies = context.cookies.filter_cookies(url).values()
    return "; ".join(f"{cookie.key}={cookie.value}" for cookie in cookies)


def keep_cookies(context: ConnectionContext, set_cookie_lines: Iterable[str], url: URL) -> None:
    """Keep, replace and delete cookies as the ``Set-Cookie`` lines in an answer from ``url`` say."""
    for line in set_cookie_lines:
        try:
            cookie = _parse(line)
        except CookieError as error:
            logger.warning(
                "IGNORED a cookie of the event handler for connection %s: %.300s.", context.connection_id, error
            )
            continue
        if context.cookies is None:
            # Made only if needed. Hosts may be IP addresses here, which aiohttp's jar calls unsafe.
            context.cookies = CookieJar(unsafe=True)
        context.cookies.update_cookies([(cookie.key, cookie)], url)


def _parse(line: str) -> Morsel[str]:
    """Return the cookie in a ``Set-Cookie`` line, RFC 6265 §5.2; unknown attributes are ignored.

    Raises:
        CookieError: when it has no name or no value, or one that no Cookie header could carry.
    """
    pair, *attributes = line.split(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    if not equals or not is_unicode(value):
        raise CookieError(f"{name[:100]!r} has no value that a header could carry")
    cookie: Morsel[str] = Morsel()
    cookie.set(name, value, value)
    for attribute in attributes:
        key, _, text = (part.strip() for part in attribute.partition("="))
        if key.lower() in {"domain", "max-age", "path"}:
            cookie[key] = text
        elif key.lower() == "expires":
            # aiohttp does not accept the Unix epoch as a date, but handlers delete cookies with it.
            is_zero = (parsedate_tz(text) or ())[:6] == (1970, 1, 1, 0, 0, 0)
            cookie[key] = _LONG_AGO if is_zero else text
        elif key.lower() == "secure":
            cookie[key] = "true"
    return cookie
