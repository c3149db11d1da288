"""HTTP that is broken on purpose, to the Functions host and to the emulator: it is refused, and they go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from local.functions_host import FunctionsHost
from tests.host.apps import Recorder
from tests.host.raw_http import Listening, ask
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator, EmulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVERS = ["host", "emulator"]
PATHS = {"host": "/api/x", "emulator": "/api/hubs/chat/:send"}
HEAD = b"POST /api/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "no request line": b"nonsense\r\n\r\n",
    "the beginning of TLS": bytes.fromhex("16030100f8010000f40303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown version": b"GET /api/x HTTP/9.9\r\nHost: h\r\n\r\n",
    "a method in small letters": b"get /api/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a method that is not a word": b"G@T /api/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "lines without returns": b"GET /api/x HTTP/1.1\nHost: h\n\n",
    "no host": b"GET /api/x HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /api/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a path that is not UTF-8": b"GET /api/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
    "a path beyond ASCII": "GET /api/é HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
    "a path without a slash": b"GET api/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "an address that is none": b"GET http://[::1/api/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "a huge header": HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "a header without a name": HEAD + b": x\r\n\r\n",
    "a header name with a space": HEAD + b"A b: x\r\n\r\n",
    "a folded header": HEAD + b"A: x\r\n folded\r\n\r\n",
    "a header with a null": HEAD + b"A: x\0y\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a signed length": HEAD + b"Content-Length: +1\r\n\r\nx",
    "a length of other digits": HEAD + "Content-Length: ٣\r\n\r\nxxx".encode(),
    "a length of many digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx",
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another transfer encoding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "an endless chunk": CHUNKED + b"f" * 60 + b"\r\nabc\r\n",
    "a chunk longer than its size": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "a huge trailer": CHUNKED + b"0\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
}
REQUESTS = st.builds(
    lambda start, host, lines, rest: b"".join([start, host, *lines, b"\r\n", *rest]),
    st.sampled_from([b"GET /client/hubs/chat HTTP/1.1\r\n", b"POST /api/x HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n"])
    | st.binary(max_size=5).map(lambda query: b"POST /api/hubs/chat/:send?%b HTTP/1.1\r\n" % query),
    st.sampled_from([b"Host: localhost\r\n", b"Host: [::1\r\n", b"Host: a:b:c/d\r\n", b"Host: \xff\r\n"]),
    st.lists(
        st.sampled_from(
            [
                *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n"),
                *(b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Sec-WebSocket-Version: 13\r\n"),
                *(b"Sec-WebSocket-Key: \xff\r\n", b"Authorization: Bearer \xff.y.z\r\n", b"Connection: close\r\n"),
                *(b"Expect: 100-continue\r\n", b"Content-Type: text/plain; \xff\r\n", b"Origin: http://[\r\n"),
                b"X: \xff\x80\r\n",
            ]
        ),
        max_size=6,
        unique=True,
    ),
    st.lists(
        st.sampled_from([b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]) | st.binary(), max_size=3
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers() -> AsyncIterator[dict[str, Listening]]:
    async with FunctionsHost(Recorder().app) as host, Emulator(EmulatorSettings(port=0)) as emulator:
        yield {"host": host, "emulator": emulator}


async def first_line(server: Listening, sent: bytes) -> bytes:
    """Return the first line of the answer to bytes that are sent on a line which stays open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
    finally:
        writer.close()


async def answers(name: str, server: Listening, sent: bytes) -> bytes:
    """Return what bytes are answered until a request that comes after them is: they may be the beginning of one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
    try:
        writer.write(sent)
        await asyncio.wait_for(answers_as_ever(name, server), PATIENCE_SECONDS)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def answers_as_ever(name: str, server: Listening) -> None:
    answer = await ask(server, "POST", PATHS[name], body=b"x")
    assert answer.status == {"host": 200, "emulator": 401}[name]


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("what", REFUSED)
async def test_broken_http_is_400(
    servers: dict[str, Listening], name: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await first_line(servers[name], REFUSED[what])).split()[1] == b"400"
    assert "Traceback" not in caplog.text
    assert "defect" not in caplog.text


@pytest.mark.parametrize("name", SERVERS)
@settings(max_examples=100)
@given(sent=REQUESTS | st.binary())
async def test_no_bytes_are_answered_with_a_failure_and_others_are_answered_as_ever(
    servers: dict[str, Listening], name: str, sent: bytes
) -> None:
    received = await answers(name, servers[name], sent)
    assert not re.search(rb"^HTTP/1\.[01] 5", received, re.MULTILINE)
