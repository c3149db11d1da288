"""Whatever an event handler calls a cookie: it is kept, or ignored, and what is sent is a header."""

from __future__ import annotations

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from tests.property.strategies import HEADER_VALUES
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.upstream.cookies import cookie_header, keep_cookies

URLS = st.sampled_from(
    ["http://localhost:7071/api/e", "http://127.0.0.1/", "https://a.example.com/x/y", "http://[::1]:1/"]
)
NAMES = st.sampled_from(["a", "b", "Path", "", "a b"]) | HEADER_VALUES
DATES = st.sampled_from(["Thu, 01 Jan 1970 00:00:00 GMT", "99999999999", "-", "0", "Mon, 31 Feb 9999 99:99:99 +9999"])
ATTRIBUTES = st.builds(
    "{}={}".format,
    st.sampled_from(["Path", "domain", "EXPIRES", "Max-Age", "Secure", "Other"]),
    DATES | HEADER_VALUES | st.integers().map(str) | URLS,
)
LINES = st.builds(
    lambda name, value, attributes: ";".join([f"{name}={value}", *attributes]),
    NAMES,
    HEADER_VALUES,
    st.lists(ATTRIBUTES, max_size=3),
)


@given(st.lists(LINES | HEADER_VALUES, min_size=1, max_size=4), URLS, URLS)
@example(
    ["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=" + "9" * 5000], "http://localhost/", "http://localhost/"
)
@example(["a=1; Expires=,"], "http://localhost/", "http://localhost/")
def test_no_set_cookie_line_breaks_an_event(lines: list[str], by: str, to: str) -> None:
    async def run() -> str:
        context = ConnectionContext("chat", "conn-1")
        keep_cookies(context, lines, URL(by))
        return cookie_header(context, URL(to))

    header = asyncio.run(run())
    assert header.encode().translate(None, b"\r\n\0") == header.encode()
