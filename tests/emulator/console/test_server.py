"""The emulator's own endpoints: who may call them, and what they answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import Service, StartService

pytestmark = pytest.mark.asyncio(loop_scope="session")

JSON = {"Content-Type": "application/json"}


async def call(service: Service, method: str, path: str, **options: Any) -> tuple[int, dict[str, str], str]:
    async with service.session.request(method, f"{service.url}{path}", **options) as response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.text()


async def inject(service: Service, body: object, **headers: str) -> tuple[int, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, _, text = await call(service, "POST", "/emulator/faults", data=data, headers={**JSON, **headers})
    return status, text


async def test_a_fault_is_injected_with_a_post_and_tells_how_many_connections_it_concerns(service: Service) -> None:
    await service.connect()
    await service.connect()
    status, text = await inject(service, {"fault": "duplicate_event", "hub": "chat", "count": 1})
    assert (status, json.loads(text)["fault"], json.loads(text)["affected"]) == (200, "duplicate_event", 2)
    status, text = await inject(service, {"fault": "cut_connections", "connectionId": "conn-1"})
    assert (status, json.loads(text)["affected"]) == (200, 1)


async def test_waiting_faults_are_listed_and_cleared(service: Service) -> None:
    await inject(service, {"fault": "drop_answer", "count": 3})
    assert json.loads((await call(service, "GET", "/emulator/faults"))[2]) == {
        "faults": [{"fault": "drop_answer", "count": 3}]
    }
    status, _, text = await call(service, "DELETE", "/emulator/faults")
    assert (status, json.loads(text)) == (200, {"cleared": 1})
    assert json.loads((await call(service, "GET", "/emulator/faults"))[2]) == {"faults": []}


async def test_the_faults_of_one_connection_are_cleared_and_the_others_wait(service: Service) -> None:
    others: list[dict[str, object]] = [{"fault": "drop_answer", "count": 1}]
    others.append({"fault": "drop_answer", "connectionId": "conn-2", "count": 1})
    for fault in (*others, {"fault": "duplicate_event", "connectionId": "conn-1"}):
        await inject(service, fault)
    status, _, text = await call(service, "DELETE", "/emulator/faults?connectionId=conn-1")
    assert (status, json.loads(text)) == (200, {"cleared": 1})
    assert json.loads((await call(service, "GET", "/emulator/faults"))[2]) == {"faults": others}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "JSON"),
        (b'{"fault":"delay","seconds":NaN}', 400, "JSON"),
        ({"fault": "explode"}, 400, "duplicate_event, drop_answer, delay, unavailable"),
        ({"fault": "delay", "seconds": "x"}, 400, "'seconds'"),
        (b'"' + b"x" * 2_000_000 + b'"', 413, "small"),
    ],
)
async def test_a_fault_that_cannot_be_is_refused_with_the_reason(
    service: Service, body: object, status: int, said: str
) -> None:
    got, text = await inject(service, body)
    assert (got, said in text) == (status, True)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_form_of_a_web_site_cannot_inject(service: Service, content_type: str) -> None:
    status, _ = await inject(service, {"fault": "cut_connections"}, **{"Content-Type": content_type})
    assert status == 415


@pytest.mark.parametrize("path", ["/", "/emulator/faults", "/emulator/traffic", "/emulator/view/main.js"])
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Host", "evil.example"),
        ("Host", "localhost.evil.example:8080"),
        ("Host", ""),
        ("Origin", "https://evil.example"),
        ("Origin", "http://localhost.evil.example"),
        ("Origin", "null"),
        ("Origin", "file://"),
    ],
)
async def test_no_other_site_gets_in(service: Service, path: str, header: str, value: str) -> None:
    status, headers, _ = await call(service, "GET", path, headers={header: value})
    assert status in {400, 403}
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("origin", ["http://localhost:7071", "http://127.0.0.1:5173", "http://[::1]:1"])
async def test_pages_of_this_machine_may_inject(service: Service, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    status, headers, _ = await call(service, "OPTIONS", "/emulator/faults", headers={**asked, "Origin": origin})
    assert (status, headers["access-control-allow-origin"]) == (204, origin)
    assert "POST" in headers["access-control-allow-methods"]
    assert "content-type" in headers["access-control-allow-headers"]
    status, headers, _ = await call(
        service, "POST", "/emulator/faults", data=b'{"fault":"drop_answer"}', headers={**JSON, "Origin": origin}
    )
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, origin, "Origin")


async def test_pages_of_this_machine_may_not_read_the_traffic(service: Service) -> None:
    for path in ("/", "/emulator/traffic/1"):
        _, headers, _ = await call(service, "GET", path, headers={"Origin": "http://localhost:7071"})
        assert "access-control-allow-origin" not in headers


async def test_a_preflight_of_another_site_is_refused(service: Service) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    status, headers, _ = await call(service, "OPTIONS", "/emulator/faults", headers=asked)
    assert status == 403
    assert "access-control-allow-origin" not in headers


async def test_an_emulator_for_the_network_has_no_console(start_service: StartService) -> None:
    service = await start_service(host="0.0.0.0")
    for method, path in (("GET", "/"), ("POST", "/emulator/faults"), ("GET", "/emulator/traffic")):
        status, _, text = await call(service, method, path, headers=JSON)
        assert (status, "--host localhost" in text) == (404, True)


@pytest.mark.parametrize(("method", "path"), [("GET", "/emulator"), ("POST", "/"), ("GET", "/emulator/view/x.py")])
async def test_a_missing_file_is_404(service: Service, method: str, path: str) -> None:
    assert (await call(service, method, path))[0] == 404


async def test_an_unknown_method_is_405(service: Service) -> None:
    status, headers, _ = await call(service, "PUT", "/emulator/faults")
    assert (status, headers["allow"]) == (405, "GET, POST, DELETE, OPTIONS")
