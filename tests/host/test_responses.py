"""What becomes of what a function returns."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import azure.functions as func
import pytest

from local.functions_host import FunctionsHost
from local.functions_host.settings import HostSettings
from tests.host.apps import answered, failing, returning, with_a_header
from tests.host.raw_http import ask, exchange, parse


async def test_status_body_and_headers_are_the_functions() -> None:
    answer = await answered(lambda: func.HttpResponse(b"\x00\xff", status_code=418, headers={"X-CaSe": "Value"}))
    assert (answer.status, answer.body) == (418, b"\x00\xff")
    assert ("X-CaSe", "Value") in answer.headers


async def test_the_server_is_kestrel_and_the_date_is_told_once() -> None:
    answer = await answered(lambda: func.HttpResponse("text"))
    assert answer["Server"] == "Kestrel"
    assert answer["Date"].endswith("GMT")


@pytest.mark.parametrize(
    ("make", "content_type"),
    [
        (lambda: func.HttpResponse("text"), "text/plain; charset=utf-8"),
        (lambda: func.HttpResponse("text", mimetype="text/html"), "text/html; charset=utf-8"),
        (lambda: func.HttpResponse("{}", mimetype="application/json"), "application/json"),
        (lambda: func.HttpResponse("x", headers={"content-type": "image/png"}), "image/png"),
        (lambda: func.HttpResponse(status_code=204), "text/plain; charset=utf-8"),
    ],
)
async def test_the_content_type_is_the_sdks(make: Callable[[], func.HttpResponse], content_type: str) -> None:
    assert (await answered(make))["Content-Type"] == content_type


async def test_a_body_goes_out_in_chunks() -> None:
    answer = await answered(lambda: func.HttpResponse("text"))
    assert (answer["Transfer-Encoding"], answer.every("Content-Length")) == ("chunked", [])


async def test_a_function_may_tell_the_right_length_itself() -> None:
    answer = await answered(with_a_header("content-length", "4"))
    assert (answer["Content-Length"], answer.every("Transfer-Encoding"), answer.body) == ("4", [], b"text")


async def test_an_empty_body_has_a_length_of_zero() -> None:
    answer = await answered(lambda: func.HttpResponse(status_code=200))
    assert (answer["Content-Length"], answer.every("Transfer-Encoding")) == ("0", [])


async def test_a_client_of_http_1_0_gets_the_body_too() -> None:
    async with FunctionsHost(returning(lambda: func.HttpResponse("text"))) as host:
        answer = parse("GET", await exchange(host, b"GET /api/x HTTP/1.0\r\nHost: h\r\n\r\n"))
    assert (answer.status, answer.body) == (200, b"text")


async def test_of_a_repeated_header_the_last_value_wins() -> None:
    def make() -> func.HttpResponse:
        response = func.HttpResponse("text")
        response.headers.add("X-A", "first")
        response.headers.add("x-a", "last")
        return response

    assert (await answered(make)).every("X-A") == ["last"]


async def test_cookies_may_repeat() -> None:
    def make() -> func.HttpResponse:
        response = func.HttpResponse("text")
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    assert (await answered(make)).every("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "make",
    [
        failing,
        lambda: None,
        lambda: b"bytes",
        lambda: {"a": 1},
        lambda: func.HttpResponse("x", status_code=204),
        lambda: func.HttpResponse("x", status_code=304),
        with_a_header("X-A", "é"),
        with_a_header("X-A", "a\x01b"),
        with_a_header("X-A", "a\x7fb"),
        with_a_header("X A", "b"),
        with_a_header("X-é", "b"),
        with_a_header("", "b"),
        with_a_header("Set-Cookie", "a=é"),
        with_a_header("Content-Length", "5"),
        with_a_header("Transfer-Encoding", "chunked"),
    ],
)
async def test_what_the_host_cannot_send_is_500_with_an_empty_body(make: Callable[[], object]) -> None:
    answer = await answered(make)
    assert (answer.status, answer.body) == (500, b"")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_is_fine_without_one(status: int) -> None:
    answer = await answered(lambda: func.HttpResponse(status_code=status))
    assert (answer.status, answer.body) == (status, b"")


async def test_the_traceback_of_a_failed_function_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await answered(failing)
    assert re.search(r"Executed 'Functions\.x' \(Failed, Id=[0-9a-f-]{36}\)", caplog.text)
    assert "RuntimeError: inner text" in caplog.text


async def test_the_host_serves_on_after_a_failure() -> None:
    async with FunctionsHost(returning(failing)) as host:
        assert [(await ask(host, "GET", "/api/x")).status for _ in range(2)] == [500, 500]
        assert (await ask(host, "GET", "/")).status == 200


@pytest.mark.parametrize(
    ("text", "body"), [("text", b"text"), ('{"a":1}', b'{\n  "a": 1\n}'), ("[1", b"[1"), ("7", b"7")]
)
async def test_a_function_may_return_str_and_json_in_it_is_indented(text: str, body: bytes) -> None:
    answer = await answered(lambda: text)
    assert (answer.status, answer.body) == (200, body)


async def test_custom_headers_are_on_every_answer() -> None:
    async with FunctionsHost(returning(failing), settings=HostSettings(custom_headers={"X-C": "host"})) as host:
        answers = [await ask(host, "GET", target) for target in ("/api/x", "/api/nothing", "/")]
    assert [answer.every("X-C") for answer in answers] == [["host"]] * 3


async def test_the_functions_own_value_of_a_custom_header_wins() -> None:
    answer = await answered(with_a_header("x-c", "function"), custom_headers={"X-C": "host"})
    assert answer.every("X-C") == ["function"]
