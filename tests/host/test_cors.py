"""Cross-origin requests, with and without an answer of the host's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from local.functions_host import FunctionsHost
from local.functions_host.settings import HostSettings
from tests.host.apps import Recorder
from tests.host.raw_http import Answer, ask

PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
ANY = frozenset({"*"})
TWO = frozenset({"https://a.example", "https://b.example"})


async def preflight(recorder: Recorder, headers: Mapping[str, str], **settings: Any) -> Answer:
    async with FunctionsHost(recorder.app, settings=HostSettings(**settings)) as host:
        return await ask(host, "OPTIONS", "/api/x", headers.items())


async def test_a_preflight_is_answered_without_the_function() -> None:
    recorder = Recorder()
    asked = PREFLIGHT | {"Access-Control-Request-Headers": "x-one, x-two"}
    answer = await preflight(recorder, asked, cors_origins=ANY)
    assert (answer.status, answer.body) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Access-Control-Allow-Methods"] == "PUT"
    assert answer["Access-Control-Allow-Headers"] == "x-one, x-two"
    assert not recorder.requests


@pytest.mark.parametrize("missing", list(PREFLIGHT))
async def test_options_with_one_of_the_two_headers_reaches_the_function(missing: str) -> None:
    recorder = Recorder()
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    assert (await preflight(recorder, headers, cors_origins=ANY)).body == b"seen"
    assert recorder.request.method == "OPTIONS"


async def test_a_preflight_reaches_the_function_where_cors_is_not_configured() -> None:
    recorder = Recorder()
    answer = await preflight(recorder, PREFLIGHT)
    assert (answer.status, answer.every("Access-Control-Allow-Origin")) == (200, [])
    assert recorder.request.method == "OPTIONS"


async def test_a_preflight_from_another_origin_is_answered_with_nothing_allowed() -> None:
    recorder = Recorder()
    answer = await preflight(recorder, PREFLIGHT | {"Origin": "https://c.example"}, cors_origins=TWO)
    assert answer.status == 204
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
    assert not recorder.requests


async def test_each_of_several_origins_is_allowed_by_name() -> None:
    for origin in sorted(TWO):
        answer = await preflight(Recorder(), PREFLIGHT | {"Origin": origin}, cors_origins=TWO)
        assert (answer["Access-Control-Allow-Origin"], answer["Vary"]) == (origin, "Origin")
        assert not answer.every("Access-Control-Allow-Credentials")


async def test_credentials_are_allowed_to_a_named_origin() -> None:
    answer = await preflight(Recorder(), PREFLIGHT, cors_origins=TWO, cors_credentials=True)
    assert answer["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer["Access-Control-Allow-Credentials"] == "true"


async def test_credentials_are_not_allowed_to_any_origin() -> None:
    answer = await preflight(Recorder(), PREFLIGHT, cors_origins=ANY, cors_credentials=True)
    assert not answer.every("Access-Control-Allow-Credentials")


@pytest.mark.parametrize("target", ["/api/x", "/api/nothing"])
async def test_a_simple_request_is_answered_with_its_origin_allowed(target: str) -> None:
    async with FunctionsHost(Recorder().app, settings=HostSettings(cors_origins=TWO)) as host:
        allowed = await ask(host, "GET", target, [("Origin", "https://b.example")])
        other = await ask(host, "GET", target, [("Origin", "https://c.example")])
        none = await ask(host, "GET", target)
    assert allowed["Access-Control-Allow-Origin"] == "https://b.example"
    assert not other.every("Access-Control-Allow-Origin")
    assert not none.every("Access-Control-Allow-Origin")


async def test_a_request_without_an_origin_is_answered_without_a_word_on_origins() -> None:
    async with FunctionsHost(Recorder().app, settings=HostSettings(cors_origins=ANY)) as host:
        assert not (await ask(host, "GET", "/api/x")).every("Access-Control-Allow-Origin")
