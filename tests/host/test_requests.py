"""What of a request reaches a function."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from urllib.parse import urlsplit

import azure.functions as func
import pytest

from local.functions_host import FunctionsHost
from tests.body_read import BodyRead
from tests.host.apps import Recorder, seen
from tests.host.raw_http import ask, exchange, parse
from tests.patience import PATIENCE_SECONDS

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&b=2&a=3", {"a": "1,3", "b": "2"}),
        ("a=&b=2", {"b": "2"}),
        ("a&b=2", {"b": "2"}),
        ("a=1+2&b=%2B%20%26", {"a": "1 2", "b": "+ &"}),
        ("a=%C3%A9&%C3%A9=1", {"a": "é", "é": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=/?", {"a": "/?"}),
    ],
)
async def test_the_query_as_a_function_sees_it(query: str, parameters: Mapping[str, str]) -> None:
    assert dict((await seen("GET", f"/api/x?{query}")).params) == parameters


async def test_header_names_are_lower_case_and_look_ups_have_no_case() -> None:
    request = await seen("GET", "/api/x", headers=[("X-MiXed", "Value")])
    assert "x-mixed" in list(request.headers)
    assert request.headers["X-MIXED"] == "Value"


async def test_repeated_headers_are_joined_with_a_bare_comma() -> None:
    request = await seen("GET", "/api/x", headers=[("X-A", "1"), ("x-a", "2"), ("X-A", "3, 4")])
    assert request.headers["x-a"] == "1,2,3, 4"


async def test_an_empty_header_is_kept() -> None:
    assert (await seen("GET", "/api/x", headers=[("X-A", "")])).headers["x-a"] == ""


async def test_header_values_are_utf_8() -> None:
    assert (await seen("GET", "/api/x", headers=[("X-A", "é")])).headers["x-a"] == "é"


async def test_a_header_that_is_not_utf_8_is_a_bad_request() -> None:
    recorder = Recorder()
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, "GET", "/api/x", [("X-A", b"caf\xe9")])).status == 400
    assert not recorder.requests


async def test_a_path_beyond_ascii_is_a_bad_request() -> None:
    recorder = Recorder()
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, "GET", "/api/x?a=é")).status == 400
    assert not recorder.requests


async def test_the_url_is_the_whole_one_with_its_query() -> None:
    assert (await seen("GET", "/api/x?code=1&a=%20")).url == "http://localhost:7071/api/x?code=1&a=%20"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream"])
async def test_a_body_is_bytes_whatever_its_type(content_type: str) -> None:
    request = await seen("POST", "/api/x", headers=[("Content-Type", content_type)], body=b'{"a": 1}')
    assert request.get_body() == b'{"a": 1}'
    assert request.get_json() == {"a": 1}


async def test_a_request_without_a_body_has_empty_bytes() -> None:
    assert (await seen("POST", "/api/x")).get_body() == b""


async def test_a_body_beyond_a_mebibyte_arrives_whole() -> None:
    body = bytes(range(256)) * (5 * MIB // 256)
    assert (await seen("POST", "/api/x", body=body)).get_body() == body


async def test_a_compressed_body_stays_compressed() -> None:
    body = gzip.compress(b"text")
    assert (await seen("POST", "/api/x", headers=[("Content-Encoding", "gzip")], body=body)).get_body() == body


async def test_the_body_of_a_chunked_request_is_empty() -> None:
    recorder = Recorder()
    head = b"POST /api/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with FunctionsHost(recorder.app) as host:
        received = await exchange(host, head + b"5\r\nhello\r\n0\r\n\r\n")
    assert parse("POST", received).status == 200
    assert recorder.request.get_body() == b""


async def test_a_body_beyond_the_limit_is_413_before_it_is_read() -> None:
    recorder = Recorder()
    head = f"POST /api/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {100 * MIB + 1}\r\n\r\n"
    async with FunctionsHost(recorder.app) as host, asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(host.url).port)
        writer.write(head.encode())
        answer = parse("POST", await reader.readuntil(b"\r\n\r\n"))
        writer.close()
    assert (answer.status, answer["Content-Length"]) == (413, "0")
    assert not recorder.requests


async def test_a_client_that_goes_away_within_its_body_is_not_a_failure_of_the_host(
    caplog: pytest.LogCaptureFixture, body_read: BodyRead
) -> None:
    recorder = Recorder()
    async with FunctionsHost(recorder.app) as host, asyncio.timeout(PATIENCE_SECONDS):
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(host.url).port)
        writer.write(b"POST /api/x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
        await body_read.begun.wait()
        writer.transport.abort()
        await body_read.ended.wait()
        assert (await ask(host, "GET", "/api/x")).status == 200
    assert recorder.request.method == "GET"
    assert "Error" not in caplog.text


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    recorder = Recorder()
    head = b"POST /api/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with FunctionsHost(recorder.app) as host, asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(host.url).port)
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert parse("POST", await reader.read()).status == 200
        writer.close()
    assert recorder.request.get_body() == b"hello"


@pytest.mark.parametrize("level", [func.AuthLevel.FUNCTION, func.AuthLevel.ADMIN])
async def test_keys_are_not_asked_for(level: func.AuthLevel) -> None:
    recorder = Recorder(level)
    async with FunctionsHost(recorder.app) as host:
        assert (await ask(host, "GET", "/api/x")).status == 200
        assert (await ask(host, "GET", "/api/x?code=wrong", [("x-functions-key", "wrong")])).status == 200
