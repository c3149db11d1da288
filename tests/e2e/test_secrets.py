"""Secrets stay out of the log: keys, tokens, bodies and query strings."""

from __future__ import annotations

import logging

import pytest

from tests.e2e.conftest import StartSystem, System

SECRET_BODY = "a body that only the room may read"


async def test_no_key_token_body_or_query_is_logged(system: System, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    key = system.emulator.connection_string.partition("AccessKey=")[2].rstrip(";").partition(";")[0]
    _, access = await system.get("negotiate", room="s1", userId="ana", code="a-function-key")
    token = access["url"].partition("access_token=")[2].partition("&")[0]
    ana = await system.connect("s1", "ana")
    await ana.send(SECRET_BODY)
    await system.post_event(SECRET_BODY.encode(), room="s1", drop=["ce-signature"])
    await system.post_event(SECRET_BODY.encode(), room="s1", ce_time="nonsense")
    await system.post_event(SECRET_BODY.encode(), room="s1", ce_hub="other")
    await system.get("messages", room="s1", limit="x", code="a-function-key")

    assert "Refused an event" in caplog.text
    for secret in (key, token, "access_token", SECRET_BODY, "a-function-key", "code="):
        assert secret not in caplog.text


async def test_no_key_is_logged_when_storage_and_service_are_down(
    start_system: StartSystem, caplog: pytest.LogCaptureFixture
) -> None:
    storage_key = "c2VjcmV0LXN0b3JhZ2Uta2V5"
    system = await start_system(
        AzureWebJobsStorage=f"DefaultEndpointsProtocol=http;AccountName=gone;AccountKey={storage_key};"
        "TableEndpoint=http://127.0.0.1:9/gone;"
    )
    status, _ = await system.post_event(SECRET_BODY.encode(), room="s2")
    assert status == 503
    assert "the message was not stored" in caplog.text
    assert storage_key not in caplog.text
    assert SECRET_BODY not in caplog.text
