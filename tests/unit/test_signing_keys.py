"""The keys of an issuer: fetched when needed, kept, fetched again for a key that is not known, without a flood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.clock import Clock
from tests.unit.jwks import Issuer, serving
from webpubsub_handler import EventRefusedError
from webpubsub_handler.signing_keys import SigningKeys


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with serving(Issuer()) as issuer:
        yield issuer


async def test_keys_are_fetched_when_first_needed_and_kept(issuer: Issuer) -> None:
    keys = SigningKeys(issuer.url)
    assert issuer.asked == 0

    for _ in range(3):
        key = await keys.get("one")
        assert key
        assert key.key_id == "one"

    assert issuer.asked == 1


async def test_concurrent_events_ask_the_issuer_once(issuer: Issuer) -> None:
    keys = SigningKeys(issuer.url)

    found = await asyncio.gather(*[keys.get("one") for _ in range(50)])

    assert all(found)
    assert issuer.asked == 1


async def test_a_new_key_is_found_by_asking_once_more(issuer: Issuer) -> None:
    clock = Clock(1000)
    keys = SigningKeys(issuer.url, clock=clock)
    await keys.get("one")
    issuer.key_ids.append("two")
    clock.now += 60

    assert await keys.get("two")
    assert issuer.asked == 2


async def test_unknown_key_ids_do_not_make_it_ask_each_time(issuer: Issuer) -> None:
    keys = SigningKeys(issuer.url, clock=Clock(1000))

    assert [await keys.get(f"unknown-{number}") for number in range(50)] == [None] * 50
    assert issuer.asked == 1


async def test_a_key_that_the_issuer_withdrew_is_gone_after_a_day(issuer: Issuer) -> None:
    clock = Clock(1000)
    keys = SigningKeys(issuer.url, clock=clock)
    await keys.get("one")
    issuer.key_ids[:] = ["two"]

    clock.now += 24 * 60 * 60 - 1
    assert await keys.get("one")
    clock.now += 1
    assert await keys.get("one") is None


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 404},
        {"text": "<html>"},
        {"text": "[]"},
        {"text": "{}"},
        {"text": '{"keys":[]}'},
        {"text": '{"keys":[{"kty":"RSA"}]}'},
        {"text": "[" * 100_000},
        {"body": b"\xff"},
    ],
    ids=str,
)
async def test_an_issuer_that_gives_no_keys_makes_the_service_try_again(issuer: Issuer, answer: dict[str, Any]) -> None:
    issuer.answer = web.Response(**answer)

    with pytest.raises(EventRefusedError) as caught:
        await SigningKeys(issuer.url).get("one")

    assert caught.value.status == 503


@pytest.mark.external
async def test_nobody_who_listens_makes_the_service_try_again(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EventRefusedError):
        await SigningKeys("http://127.0.0.1:9/keys").get("one")

    assert "cannot be fetched from http://127.0.0.1:9/keys" in caplog.text


async def test_after_a_failure_it_asks_again_a_second_later_and_not_before(issuer: Issuer) -> None:
    clock = Clock(1000)
    keys = SigningKeys(issuer.url, clock=clock)
    issuer.answer = web.Response(status=500)
    for _ in range(3):
        with pytest.raises(EventRefusedError):
            await keys.get("one")
    assert issuer.asked == 1

    issuer.answer = None
    clock.now += 1
    assert await keys.get("one")


async def test_known_keys_hold_while_the_issuer_is_down(issuer: Issuer) -> None:
    clock = Clock(1000)
    keys = SigningKeys(issuer.url, clock=clock)
    await keys.get("one")
    issuer.answer = web.Response(status=500)
    clock.now += 60

    with pytest.raises(EventRefusedError):
        await keys.get("two")
    assert await keys.get("one")


async def test_keys_for_other_uses_are_left_alone(issuer: Issuer) -> None:
    elliptic = {
        "kty": "EC",
        "crv": "P-256",
        "kid": "ec",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    encryption = {**Issuer.public_key("two"), "use": "enc"}
    other_algorithm = {**Issuer.public_key("three"), "alg": "RS512"}
    unnamed = {name: value for name, value in Issuer.public_key("four").items() if name != "kid"}
    issuer.answer = web.json_response(
        {"keys": [elliptic, encryption, other_algorithm, unnamed, Issuer.public_key("one")]}
    )
    keys = SigningKeys(issuer.url)

    assert await keys.get("one")
    for key_id in ["ec", "two", "three", "four", ""]:
        assert await keys.get(key_id) is None
