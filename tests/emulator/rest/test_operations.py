"""The REST data plane: statuses, error bodies and headers, over raw HTTP."""

from __future__ import annotations

import asyncio
import gzip
import logging
from typing import Any

import pytest
from yarl import URL

from tests.body_read import BodyRead
from tests.emulator.conftest import Service
from tests.emulator.fakes import sign
from tests.patience import PATIENCE_SECONDS

JSON = "application/json"


async def test_health_needs_no_token(service: Service) -> None:
    async with service.session.head(f"{service.url}/api/health") as response:
        assert response.status == 200
    async with service.session.get(f"{service.url}/api/health") as response:
        assert response.status == 404


async def test_answers_name_the_supported_versions(service: Service) -> None:
    _, headers, _ = await service.rest("HEAD", "/users/nobody")
    assert headers["api-supported-versions"] == "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"


@pytest.mark.parametrize(
    ("body", "content_type", "frame"),
    [
        (b'{"a":1}', JSON, '{"type":"message","from":"server","dataType":"json","data":{"a":1}}'),
        ("ü".encode(), "text/plain", '{"type":"message","from":"server","dataType":"text","data":"ü"}'),
        (b"\xfc", "text/plain; charset=iso-8859-1", '{"type":"message","from":"server","dataType":"text","data":"ü"}'),
        (
            b"\x01\x02",
            "application/octet-stream",
            '{"type":"message","from":"server","dataType":"binary","data":"AQI="}',
        ),
        (b"\x01\x02", None, '{"type":"message","from":"server","dataType":"binary","data":"AQI="}'),
    ],
)
async def test_a_message_arrives_as_its_content_type_says(
    service: Service, body: bytes, content_type: str | None, frame: str
) -> None:
    socket = await service.connect()
    assert (await service.rest("POST", "/:send", body=body, content_type=content_type))[0] == 202
    assert await socket.text() == frame


async def test_a_simple_client_gets_the_bare_body(service: Service) -> None:
    socket = await service.simple()
    await service.rest("POST", "/:send", body=b'{"a":1}', content_type=JSON)
    await service.rest("POST", "/:send", body=b"\x01", content_type="application/octet-stream")
    assert await socket.text() == '{"a":1}'
    assert await socket.binary() == b"\x01"


async def test_metadata_headers_become_metadata(service: Service) -> None:
    socket = await service.connect()
    await service.rest("POST", "/:send", body=b"x", headers={"X-WebPubSub-Metadata-Trace": "1, 2"})
    assert (await socket.frame())["metadata"] == {"trace": "2"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-WebPubSub-Metadata-" + "k" * 256: "v"}, 202),
        ({"X-WebPubSub-Metadata-" + "k" * 257: "v"}, 400),
        ({"X-WebPubSub-Metadata-": "v"}, 400),
        ({"X-WebPubSub-Metadata-k": ""}, 202),
        ({"X-WebPubSub-Metadata-k": "v" * 1024}, 202),
        ({"X-WebPubSub-Metadata-k": "v" * 1025}, 400),
        ({"X-WebPubSub-Metadata-k": "ü"}, 400),
        ({f"X-WebPubSub-Metadata-{number}": "v" * 1023 for number in range(8)}, 202),
        ({f"X-WebPubSub-Metadata-{number}": "v" * 1023 for number in range(9)}, 400),
    ],
)
async def test_metadata_is_bounded(service: Service, headers: dict[str, str], status: int) -> None:
    assert (await service.rest("POST", "/:send", body=b"x", headers=headers))[0] == status


async def test_excluded_connections_get_nothing(service: Service) -> None:
    first, second, third = await service.connect(), await service.connect(), await service.connect()
    await service.rest("POST", "/:send?excluded=conn-1&excluded=conn-3", body=b"x")
    assert (await second.frame())["data"] == "x"
    await first.assert_alive()
    await third.assert_alive()


@pytest.mark.parametrize(
    ("path", "receivers"),
    [
        ("/:send", {1, 2, 3}),
        ("/groups/g/:send", {1, 3}),
        ("/users/ana/:send", {1, 2}),
        ("/connections/conn-2/:send", {2}),
        ("/groups/none/:send", set()),
        ("/users/nobody/:send", set()),
        ("/connections/none/:send", set()),
    ],
)
async def test_a_message_reaches_the_receivers_that_the_path_names(
    service: Service, path: str, receivers: set[int]
) -> None:
    sockets = [
        await service.connect(sub="ana", groups="g"),
        await service.connect(sub="ana"),
        await service.connect(sub="bob", groups="g"),
    ]
    assert (await service.rest("POST", path, body=b"x"))[0] == 202
    for number, socket in enumerate(sockets, 1):
        if number in receivers:
            assert (await socket.frame())["data"] == "x"
        await socket.assert_alive()


@pytest.mark.parametrize(
    ("method", "path", "closes"),
    [
        ("POST", "/:closeConnections?reason=spam", {1, 2}),
        ("POST", "/:closeConnections?reason=spam&excluded=conn-1", {2}),
        ("POST", "/groups/g/:closeConnections?reason=spam", {1}),
        ("POST", "/users/bob/:closeConnections?reason=spam", {2}),
        ("DELETE", "/connections/conn-2?reason=spam", {2}),
        ("DELETE", "/connections/none", set()),
    ],
)
async def test_closing_reaches_the_receivers_that_the_path_names(
    service: Service, method: str, path: str, closes: set[int]
) -> None:
    sockets = [await service.connect(sub="ana", groups="g"), await service.connect(sub="bob")]
    assert (await service.rest(method, path))[0] == 204
    for number, socket in enumerate(sockets, 1):
        if number in closes:
            assert (await socket.frame()) == {
                "type": "system",
                "event": "disconnected",
                "message": "Application server closed the connection. Reason: spam",
            }
            assert await socket.close_code() == (1000, "")
        else:
            await socket.assert_alive()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/connections/conn-1", 200, None),
        ("/connections/none", 404, "Warning.Connection.NotExisted"),
        ("/groups/g", 200, None),
        ("/groups/G", 404, "Warning.Group.NotExisted"),
        ("/users/ana", 200, None),
        ("/users/Ana", 404, "Warning.User.NotExisted"),
    ],
)
async def test_existence_is_a_status(service: Service, path: str, status: int, code: str | None) -> None:
    await service.connect(sub="ana", groups="g")
    got, headers, body = await service.rest("HEAD", path)
    assert (got, headers.get("x-ms-error-code"), body) == (status, code, None)


async def test_memberships_of_a_connection(service: Service) -> None:
    await service.connect()
    assert (await service.rest("PUT", "/groups/g/connections/conn-1"))[0] == 200
    assert (await service.rest("HEAD", "/groups/g"))[0] == 200
    assert (await service.rest("DELETE", "/groups/g/connections/conn-1"))[0] == 204
    assert (await service.rest("DELETE", "/groups/g/connections/conn-1"))[0] == 204
    assert (await service.rest("HEAD", "/groups/g"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message", "target"),
    [
        (
            "PUT", "/groups/group/connections/xxxx", 404,
            "Error.Connection.NotExisted", "Connection `xxxx` is not found.", "Connection",
        ),
        (
            "PUT", "/users/some_user/groups/some_group", 404,
            "Warning.User.NotExisted", "User `some_user` is not found.", "User",
        ),
        (
            "PUT", "/permissions/joinLeaveGroup/connections/xxx?targetName=x", 404,
            "Info.Connection.NotExisted", "Connection `xxx` is not found.", "Connection",
        ),
        (
            "DELETE", "/permissions/joinLeaveGroup/connections/xxxx", 400,
            "Error.BadRequest",
            "Invalid group name. Valid group name should be in between 1 and 1024 characters long.",
            "Request",
        ),
    ],
)  # fmt: skip
async def test_errors_are_the_service_s_own_as_its_sdks_have_recorded_them(
    service: Service, method: str, path: str, status: int, code: str, message: str, target: str
) -> None:
    url = f"{service.url}/api/hubs/simplechat{path}"
    headers = {"Authorization": f"Bearer {sign({'aud': url})}"}
    async with service.session.request(method, url, headers=headers) as answer:
        assert answer.status == status
        assert await answer.text() == (
            f'{{"code":"{code}","message":"{message}","target":"{target}","details":null,"innererror":null}}'
        )
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["x-ms-error-code"] == code


async def test_memberships_of_a_user(service: Service) -> None:
    await service.connect(sub="ana")
    await service.connect(sub="ana")
    assert (await service.rest("PUT", "/users/ana/groups/g"))[0] == 200
    _, _, page = await service.rest("GET", "/groups/g/connections")
    assert len(page["value"]) == 2
    assert (await service.rest("DELETE", "/users/ana/groups/g"))[0] == 204
    assert (await service.rest("HEAD", "/groups/g"))[0] == 404
    assert (await service.rest("PUT", "/users/nobody/groups/g"))[0] == 404
    assert (await service.rest("DELETE", "/users/nobody/groups/g"))[0] == 204


@pytest.mark.parametrize("path", ["/connections/conn-1/groups", "/users/ana/groups"])
async def test_all_memberships_end_together(service: Service, path: str) -> None:
    await service.connect(sub="ana", groups=["g", "h"])
    assert (await service.rest("DELETE", path))[0] == 204
    assert (await service.rest("HEAD", "/groups/g"))[0] == 404
    assert (await service.rest("DELETE", path.replace("conn-1", "none").replace("ana", "nobody")))[0] == 204


@pytest.mark.parametrize(
    ("encoded", "name"),
    [("a%20b", "a b"), ("a+b", "a+b"), ("u%2Fser%20%25a", "u/ser %a"), ("%252F", "%2F"), ("%C3%BC", "ü")],
)
async def test_a_name_in_the_path_is_decoded_once(service: Service, encoded: str, name: str) -> None:
    await service.connect(sub=name)
    assert (await service.rest("HEAD", f"/users/{encoded}"))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status"),
    [
        ("/:send", b"{", JSON, 400),
        ("/:send", b"NaN", JSON, 400),
        ("/:send", b"[" * 100_000, JSON, 400),
        ("/:send", b"\xff", "text/plain", 400),
        ("/:send", b"x", "text/plain; charset=nonsense", 415),
        ("/:send", b"x", 'text/plain; charset="', 415),
        ("/:send", b"x", "text/plain; charset*=utf-8''%00", 415),
        ("/:send", b"ff", "text/plain; charset=hex", 415),
        ("/:send", b"+2AA-", "text/plain; charset=utf-7", 400),
        ("/:send", b"xn--a", "text/plain; charset=undefined", 400),
        ("/:send", b"x", "text/html", 415),
        ("/:send", b"x", "nonsense", 415),
        ("/:send", b"x" * (1024 * 1024), "text/plain", 202),
        ("/:send", b"x" * (1024 * 1024 + 1), "text/plain", 400),
        ("/:send?messageTtlSeconds=300", b"x", "text/plain", 202),
        ("/:send?messageTtlSeconds=301", b"x", "text/plain", 400),
        ("/:send?filter=", b"x", "text/plain", 202),
        ("/:send?messageTtlSeconds=-1", b"x", "text/plain", 400),
        ("/:send?messageTtlSeconds=x", b"x", "text/plain", 400),
        ("/:send?messageTtlSeconds=1&messageTtlSeconds=1", b"x", "text/plain", 400),
        ("/:send?filter=userId%20eq%20'a'", b"x", "text/plain", 202),
        ("/:send?filter=true&filter=true", b"x", "text/plain", 400),
        ("/groups/g/:send?filter=x%20y", b"x", "text/plain", 400),
        ("/users/u/:send?filter=x%20y", b"x", "text/plain", 400),
        # A message to one connection knows no filter; the service ignores what it does not know.
        ("/connections/c/:send?filter=x%20y", b"x", "text/plain", 202),
        ("/:send?api-version=2099-01-01", b"x", "text/plain", 400),
        ("/:send?api-version=2024-12-01&api-version=2024-12-01", b"x", "text/plain", 400),
        ("/:send?api-version=2021-10-01", b"x", "text/plain", 202),
        ("/groups/%20/:send", b"x", "text/plain", 400),
        ("/groups//:send", b"x", "text/plain", 400),
        ("/users//:send", b"x", "text/plain", 400),
        (f"/groups/{'g' * 1025}/:send", b"x", "text/plain", 400),
    ],
)
async def test_a_send_has_its_status(service: Service, path: str, body: bytes, content_type: str, status: int) -> None:
    got, headers, problem = await service.rest("POST", path, body=body, content_type=content_type)
    assert got == status
    if status >= 400:
        assert headers["x-ms-error-code"] == problem["code"]
        assert {"code", "message", "target"} < set(problem)


async def test_a_body_that_grows_over_the_limit_is_400(service: Service) -> None:
    body = gzip.compress(b"x" * (1024 * 1024 + 1))
    assert (await service.rest("POST", "/:send", body=body, headers={"Content-Encoding": "gzip"}))[0] == 400


async def test_a_caller_who_goes_away_within_a_body_disturbs_nobody(
    service: Service, caplog: pytest.LogCaptureFixture, body_read: BodyRead
) -> None:
    socket = await service.connect()
    url = URL(f"{service.url}/api/hubs/chat/:send")
    _, writer = await asyncio.open_connection("127.0.0.1", url.port)
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.authority}\r\nContent-Length: 9\r\n"
    writer.write(f"{head}Authorization: Bearer {sign({'aud': str(url)})}\r\n\r\nhalf".encode())
    await writer.drain()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await body_read.begun.wait()
        writer.transport.abort()
        await body_read.ended.wait()
    await socket.assert_alive()
    assert "defect" not in caplog.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"FOO /client/hubs/chat?access_token=secret HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/hubs/chat/:send?access_token=secret HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /api/hubs/chat/:send?access_token=secret HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_400_without_a_trace(
    service: Service, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(service.url).port)
    writer.write(request_bytes)
    assert (await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)).split()[1] == b"400"
    writer.close()
    assert "Traceback" not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_body_that_is_not_compressed_is_400_as_every_wrong_body_is(
    service: Service, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Content-Encoding": encoding}
    status, answered, problem = await service.rest("POST", "/:send", body=b"nonsense!", headers=headers)
    assert (status, answered["x-ms-error-code"]) == (400, "Error.BadRequest")
    assert problem["message"] == "The request body is not what its Content-Encoding says."
    assert "went away" not in caplog.text


async def test_a_compressed_body_that_is_not_compressed_is_not_an_error_of_the_emulator(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    url = URL(f"{service.url}/api/hubs/chat/:send")
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.authority}\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n"
    writer.write(f"{head}Authorization: Bearer {sign({'aud': str(url)})}\r\n\r\nnonsense!".encode())
    # What is logged is logged before the end of the connection.
    assert (await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_content_type_with_bytes_that_are_not_text_is_415(service: Service) -> None:
    url = URL(f"{service.url}/api/hubs/chat/:send")
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.authority}\r\nContent-Length: 1\r\n"
    writer.write(f"{head}Authorization: Bearer {sign({'aud': str(url)})}\r\nContent-Type: text/plain;".encode())
    writer.write("é".encode() + b" \xff; charset=\xff\r\n\r\nx")
    assert (await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)).split()[1] == b"415"
    writer.close()


async def test_a_body_without_length_is_400(service: Service) -> None:
    async def chunks() -> Any:
        yield b"x"

    status, _, problem = await service.rest("POST", "/:send", body=chunks())
    assert (status, problem["message"]) == (400, "Invalid Content-Length header.")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/:send"),
        ("POST", "/connections"),
        ("POST", "/unknown"),
        ("PUT", "/groups/g"),
        ("DELETE", "/groups/g/connections/c/more"),
        ("PATCH", "/users/u"),
        ("GET", ""),
        ("POST", "/"),
        ("OPTIONS", "/:send"),
        ("GET", "/groups/g"),
        ("POST", "/:Send"),
    ],
)
async def test_an_unknown_operation_is_404(service: Service, method: str, path: str) -> None:
    assert (await service.rest(method, path))[0] == 404


@pytest.mark.parametrize("hub", ["1x", "a-b", "%20", "h" * 129])
async def test_a_hub_that_cannot_be_is_400(service: Service, hub: str) -> None:
    url = f"{service.url}/api/hubs/{hub}/users/u"
    headers = {"Authorization": f"Bearer {sign({'aud': url})}"}
    async with service.session.head(URL(url, encoded=True), headers=headers) as response:
        assert response.status == 400
