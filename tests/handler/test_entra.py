"""Tokens of Entra ID: what each claim must be, against an issuer that publishes its keys over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.clock import Clock
from tests.unit.jwks import Issuer, private_key, serving
from tests.wire import ACCESS_KEY, event
from webpubsub_handler import (
    AccessKeyAuthenticator,
    ConfigurationError,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.entra import EntraAuthenticator, EntraAuthority, Issuers, SigningKeys

TENANT: Final = "72f988bf-86f1-41af-91ab-2d7cd011db47"
APPLICATION: Final = "6e2d4a5c-1f3b-4c8e-9a7d-0b1c2d3e4f50"
CALLER: Final = "0fd2a3b4-c5d6-4e7f-8091-a2b3c4d5e6f7"
CALLER_APPLICATION: Final = "1a2b3c4d-5e6f-4071-8293-a4b5c6d7e8f9"
OTHER: Final = "ffffffff-ffff-4fff-8fff-ffffffffffff"
V1: Final = f"https://sts.windows.net/{TENANT}/"
V2: Final = f"https://login.microsoftonline.com/{TENANT}/v2.0"
NOW: Final = 1_795_512_600


def claims(**changes: Any) -> dict[str, Any]:
    """A token's claims as the service's identity gets them; None leaves one out."""
    full = {
        "aud": APPLICATION,
        "iss": V2,
        "tid": TENANT,
        "oid": CALLER,
        "sub": CALLER,
        "azp": CALLER_APPLICATION,
        "iat": NOW - 300,
        "nbf": NOW - 300,
        "exp": NOW + 3600,
        "ver": "2.0",
    } | changes
    return {name: value for name, value in full.items() if value is not None}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with serving(Issuer()) as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def proof(issuer: Issuer, clock: Clock) -> EntraAuthenticator:
    return make_proof(issuer, clock)


def make_proof(issuer: Issuer, clock: Clock, **changes: Any) -> EntraAuthenticator:
    arguments: dict[str, Any] = {
        "tenant_id": TENANT,
        "audience": APPLICATION,
        "object_ids": [CALLER],
        "keys": SigningKeys(issuer.url),
        "issuers": Issuers([issuer.metadata_url]),
    }
    return EntraAuthenticator(clock=clock, **(arguments | changes))


async def status(proof: EntraAuthenticator, authorization: str | list[str] | None) -> int:
    handler = WebPubSubEventHandler("chat", [proof], allowed_origins=["*"])
    request = event("quirks/user_unsigned", headers={"Authorization": authorization})
    return (await handler.handle(request)).status


async def token_status(proof: EntraAuthenticator, **changes: Any) -> int:
    return await status(proof, f"Bearer {Issuer.token(claims(**changes))}")


async def test_the_token_of_the_service_s_identity_passes(proof: EntraAuthenticator) -> None:
    assert await token_status(proof) == 204


async def test_a_token_of_version_1_passes(proof: EntraAuthenticator) -> None:
    assert await token_status(proof, iss=V1, azp=None, appid=CALLER_APPLICATION, ver="1.0") == 204


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        (APPLICATION, f"api://{APPLICATION}"),
        (f"api://{APPLICATION}", APPLICATION),
        (APPLICATION.upper(), APPLICATION),
        (f"api://{APPLICATION}", [OTHER, f"api://{APPLICATION}"]),
        ("api://contoso.com/hook", "api://contoso.com/hook"),
        (f"api://{TENANT}/{APPLICATION}", f"api://{TENANT}/{APPLICATION}"),
    ],
)
async def test_an_audience_is_a_guid_or_a_uri(issuer: Issuer, clock: Clock, configured: str, sent: Any) -> None:
    assert await token_status(make_proof(issuer, clock, audience=configured), aud=sent) == 204


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": OTHER}, "is for another audience"),
        ({"aud": f"api://{OTHER}"}, "is for another audience"),
        ({"aud": f"{APPLICATION}0"}, "is for another audience"),
        ({"aud": []}, "lacks exp, iss, aud or tid"),
        ({"aud": None}, "lacks exp, iss, aud or tid"),
        ({"aud": 7}, "is for another audience"),
        ({"iss": f"https://sts.windows.net/{OTHER}/"}, "is from another issuer"),
        ({"iss": V2 + "/"}, "is from another issuer"),
        ({"iss": V1.rstrip("/")}, "is from another issuer"),
        ({"iss": "https://login.microsoftonline.com/common/v2.0"}, "is from another issuer"),
        ({"iss": None}, "lacks exp, iss, aud or tid"),
        ({"tid": OTHER}, "is of another tenant"),
        ({"tid": None}, "lacks exp, iss, aud or tid"),
        ({"oid": OTHER}, "was issued to another object id"),
        ({"oid": None}, "was issued to another object id"),
        ({"oid": None, "sub": CALLER}, "was issued to another object id"),
        ({"exp": None}, "lacks exp, iss, aud or tid"),
        ({"exp": "soon"}, "has an exp or nbf that is not a time"),
        ({"exp": 1e400}, "has an exp or nbf that is not a time"),
        ({"nbf": "soon"}, "has an exp or nbf that is not a time"),
    ],
)
async def test_a_claim_that_is_not_as_configured_is_a_401_with_the_reason_in_the_log_alone(
    proof: EntraAuthenticator, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], reason: str
) -> None:
    assert await token_status(proof, **changes) == 401
    assert reason in caplog.text


@pytest.mark.parametrize(("moved", "expected"), [(-600, 204), (-601, 401), (0, 204), (3899, 204), (3900, 401)])
async def test_clocks_may_differ_by_five_minutes(
    proof: EntraAuthenticator, clock: Clock, moved: int, expected: int
) -> None:
    clock.now += moved

    assert await token_status(proof) == expected


async def test_the_tolerance_of_the_not_before_time_is_five_minutes(proof: EntraAuthenticator) -> None:
    assert await token_status(proof, nbf=NOW + 300) == 204
    assert await token_status(proof, nbf=NOW + 301) == 401


async def test_a_token_without_a_not_before_time_passes(proof: EntraAuthenticator) -> None:
    assert await token_status(proof, nbf=None) == 204


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 204),
        ({"azp": None, "appid": CALLER_APPLICATION}, 204),
        ({"azp": OTHER}, 401),
        ({"azp": None}, 401),
        ({"azp": None, "appid": OTHER}, 401),
        ({"azp": CALLER_APPLICATION, "appid": OTHER}, 401),
    ],
)
async def test_a_caller_can_be_pinned_by_its_application(
    issuer: Issuer, clock: Clock, changes: dict[str, Any], expected: int
) -> None:
    proof = make_proof(issuer, clock, object_ids=[], application_ids=[TENANT, CALLER_APPLICATION.upper()])

    assert await token_status(proof, **changes) == expected


@pytest.mark.parametrize(("changes", "expected"), [({}, 204), ({"oid": OTHER}, 401), ({"azp": OTHER}, 401)])
async def test_a_caller_that_is_pinned_by_both_must_be_both(
    issuer: Issuer, clock: Clock, changes: dict[str, Any], expected: int
) -> None:
    proof = make_proof(issuer, clock, application_ids=[CALLER_APPLICATION])

    assert await token_status(proof, **changes) == expected


def pem() -> bytes:
    return private_key("one").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def with_public_key_as_secret() -> str:
    """The old trick: the public key, known to all, as the secret of a symmetric signature."""
    signed = f"{part({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{part(claims())}"
    signature = hmac.digest(pem(), signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def tampered() -> str:
    header, _, signature = Issuer.token(claims(oid=OTHER)).split(".")
    return f"{header}.{part(claims())}.{signature}"


FORGED: Final = {
    "without a signature": lambda: f"{part({'alg': 'none', 'kid': 'one'})}.{part(claims())}.",
    "without a signature, shaped as with": lambda: f"{part({'alg': 'none', 'kid': 'one'})}.{part(claims())}.AAAA",
    "signed with the public key as a secret": with_public_key_as_secret,
    "signed with a secret": lambda: jwt.encode(claims(), "x" * 32, "HS256", {"kid": "one"}),
    "signed with RS512": lambda: Issuer.token(claims(), alg="RS512"),
    "signed with PS256": lambda: Issuer.token(claims(), alg="PS256"),
    "signed with another key under this name": lambda: Issuer.token(claims(), "mallory's", kid="one"),
    "signed with a key of its own": lambda: Issuer.token(claims(), "mallory's", jwk=Issuer.public_key("mallory's")),
    "signed with a key from elsewhere": lambda: Issuer.token(claims(), "mallory's", jku="https://evil.example/keys"),
    "of an unknown key": lambda: Issuer.token(claims(), "two"),
    "without the name of its key": lambda: Issuer.token(claims(), kid=""),
    "whose key has a name that is none": lambda: f"{part({'alg': 'RS256', 'kid': [7]})}.{part(claims())}.AAAA",
    "with another payload": tampered,
    "with extensions that must be understood": lambda: Issuer.token(claims(), crit=["exp"]),
    "whose payload is not an object": lambda: f"{part({'alg': 'RS256', 'kid': 'one'})}.{part([1])}.AAAA",
    "whose header is not an object": lambda: f"{part([1])}.{part(claims())}.AAAA",
    "whose header is not JSON": lambda: f"AAAA.{part(claims())}.AAAA",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_a_forged_token_is_a_401(proof: EntraAuthenticator, forged: Any) -> None:
    assert await status(proof, f"Bearer {forged()}") == 401


async def test_another_algorithm_is_told_in_the_log_and_no_key_is_asked_for(
    issuer: Issuer, proof: EntraAuthenticator, caplog: pytest.LogCaptureFixture
) -> None:
    await status(proof, f"Bearer {Issuer.token(claims(), alg='RS512')}")

    assert "the bearer token is not signed with RS256" in caplog.text
    assert issuer.asked == 0


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer a.b",
        "Bearer a.b.c.d",
        "Bearer a.b.c, Bearer d.e.f",
        ["Bearer a.b.c", "Bearer d.e.f"],
        "Basic YTpi",
        "Bearer ü.b.c",
        "Bearer " + "a" * 20_000 + ".b.c",
        "\udcff",
    ],
)
async def test_what_is_not_a_bearer_token_is_a_401(proof: EntraAuthenticator, authorization: Any) -> None:
    assert await status(proof, authorization) == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_the_scheme_has_no_case(proof: EntraAuthenticator, scheme: str) -> None:
    assert await status(proof, f"{scheme} {Issuer.token(claims())}") == 204


async def test_a_second_token_in_the_header_spoils_the_first(proof: EntraAuthenticator) -> None:
    genuine = f"Bearer {Issuer.token(claims())}"

    assert await status(proof, [genuine, "Bearer a.b.c"]) == 401


async def test_neither_answer_nor_log_has_anything_of_a_token(
    proof: EntraAuthenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = Issuer.token(claims(oid=OTHER, upn="mallory@example.com"))
    handler = WebPubSubEventHandler("chat", [proof], allowed_origins=["*"])

    response = await handler.handle(event("user_text", headers={"Authorization": f"Bearer {token}"}))

    assert response.body == b"The event is not authenticated."
    for value in [*token.split("."), "mallory", OTHER, CALLER, TENANT]:
        assert value not in caplog.text


async def test_a_verified_token_is_remembered_until_it_expires(
    issuer: Issuer, proof: EntraAuthenticator, clock: Clock
) -> None:
    authorization = f"Bearer {Issuer.token(claims())}"
    assert await status(proof, authorization) == 204

    issuer.key_ids[:] = ["two"]
    clock.now += 3600
    assert await status(proof, authorization) == 204
    clock.now += 300
    assert await status(proof, authorization) == 401


async def test_remembering_one_token_lets_no_other_pass(proof: EntraAuthenticator) -> None:
    genuine = Issuer.token(claims())
    assert await status(proof, f"Bearer {genuine}") == 204

    spoiled = genuine[:-4] + ("AAAA" if not genuine.endswith("AAAA") else "BBBB")
    assert await status(proof, f"Bearer {spoiled}") == 401


async def test_many_tokens_are_remembered_for_a_while_only(proof: EntraAuthenticator) -> None:
    for number in range(70):
        assert await token_status(proof, uti=str(number)) == 204

    assert await token_status(proof, uti="0") == 204
    # Nothing else shows it but the memory that it takes.
    assert len(proof._verified) == 64


async def test_a_token_is_an_event_s_proof_beside_the_signature(proof: EntraAuthenticator) -> None:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY]), proof], allowed_origins=["*"])

    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("ran")

    token = f"Bearer {Issuer.token(claims())}"
    both = await handler.handle(event("user_text", headers={"Authorization": token}))
    signature_alone = await handler.handle(event("user_text"))
    token_alone = await handler.handle(event("user_text", headers={"Authorization": token, "ce-signature": None}))

    assert (both.status, signature_alone.status, token_alone.status) == (200, 401, 401)


async def test_while_the_keys_cannot_be_had_the_service_is_asked_to_send_the_event_again(
    issuer: Issuer, proof: EntraAuthenticator
) -> None:
    issuer.answer = web.Response(status=500)

    assert await token_status(proof) == 503


async def test_a_validation_needs_no_token(proof: EntraAuthenticator) -> None:
    handler = WebPubSubEventHandler("chat", [proof], allowed_origins=["*"])

    assert (await handler.handle(event("quirks/validation"))).status == 200


def test_the_keys_are_those_of_the_tenant_in_the_public_cloud() -> None:
    proof = EntraAuthenticator(tenant_id=TENANT, audience=APPLICATION, object_ids=[CALLER])

    assert proof._keys._client.uri == f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tenant_id": "contoso.com"}, "tenant_id takes GUIDs"),
        ({"tenant_id": ""}, "tenant_id takes GUIDs"),
        ({"audience": ""}, "needs the audience"),
        ({"object_ids": ["me"]}, "object_ids takes GUIDs"),
        ({"application_ids": ["me"]}, "application_ids takes GUIDs"),
        ({"object_ids": []}, "needs object_ids or application_ids"),
    ],
)
def test_what_is_configured_wrongly_does_not_start(changes: dict[str, Any], problem: str) -> None:
    arguments: dict[str, Any] = {"tenant_id": TENANT, "audience": APPLICATION, "object_ids": [CALLER]}

    with pytest.raises(ConfigurationError, match=problem):
        EntraAuthenticator(**(arguments | changes))


@pytest.mark.parametrize(
    ("authority", "issuers"),
    [
        (EntraAuthority.PUBLIC, [V1, V2]),
        ("https://LOGIN.microsoftonline.com/", [V1, V2]),
        (EntraAuthority.US_GOVERNMENT, [V1, f"https://login.microsoftonline.us/{TENANT}/v2.0"]),
        (
            EntraAuthority.CHINA,
            [f"https://sts.chinacloudapi.cn/{TENANT}/", f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0"],
        ),
        (
            "https://login.partner.microsoftonline.cn",
            [f"https://sts.chinacloudapi.cn/{TENANT}/", f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0"],
        ),
    ],
)
async def test_the_issuers_follow_from_the_cloud(
    issuer: Issuer, clock: Clock, authority: str, issuers: list[str]
) -> None:
    proof = make_proof(issuer, clock, authority=authority)

    assert [await token_status(proof, iss=each) for each in issuers] == [204, 204]
    assert issuer.asked_for_metadata == 0
    others = {V1, V2, f"https://login.microsoftonline.us/{TENANT}/v2.0", f"https://sts.chinacloudapi.cn/{TENANT}/"}
    assert [await token_status(proof, iss=other) for other in others.difference(issuers)] == [401] * (
        len(others.difference(issuers))
    )


@pytest.mark.parametrize("authority", [EntraAuthority.PUBLIC, "https://login.cloud.example"])
async def test_an_issuer_that_the_tenant_s_metadata_names_passes(issuer: Issuer, clock: Clock, authority: str) -> None:
    issuer.name = f"https://login.cloud.example/{TENANT}/v2.0"
    proof = make_proof(issuer, clock, authority=authority)

    assert await token_status(proof, iss=issuer.name) == 204
    assert await token_status(proof, iss=f"https://login.cloud.example/{OTHER}/v2.0") == 401
    assert issuer.asked_for_metadata == 1


async def test_the_metadata_is_asked_for_only_about_tokens_of_the_tenant_s_keys(issuer: Issuer, clock: Clock) -> None:
    proof = make_proof(issuer, clock)
    forged = jwt.encode(claims(iss="https://evil.example/"), private_key("another"), "RS256", {"kid": "one"})

    assert await status(proof, f"Bearer {forged}") == 401
    assert issuer.asked_for_metadata == 0


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"text": "no JSON"},
        {"text": "[]"},
        {"text": '{"issuer":7}'},
        {"text": "{}"},
    ],
)
async def test_without_the_metadata_a_doubt_is_a_503_as_the_service_then_sends_the_event_again(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture, answer: dict[str, Any]
) -> None:
    issuer.metadata_answer = web.Response(**answer)

    assert await token_status(make_proof(issuer, clock), iss="https://login.cloud.example/") == 503
    assert "The issuers of Entra ID's tokens cannot be fetched" in caplog.text
    assert await token_status(make_proof(issuer, clock)) == 204


@pytest.mark.parametrize("name", [7, ["a"], True])
async def test_an_issuer_that_is_not_a_string_is_another_one(proof: EntraAuthenticator, name: Any) -> None:
    unchecked = jwt.PyJWS().encode(
        json.dumps(claims(iss=name)).encode(), private_key("one"), "RS256", {"kid": "one", "typ": "JWT"}
    )

    assert await status(proof, f"Bearer {unchecked}") == 401


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "public",
        "login.microsoftonline.com",
        "http://login.microsoftonline.com",
        "https://a.example/tenant",
        "https://",
    ],
)
def test_an_authority_that_is_not_the_url_of_a_host_is_an_error_at_start(authority: str) -> None:
    with pytest.raises(ConfigurationError, match="https URL of a host"):
        EntraAuthenticator(tenant_id=TENANT, audience=APPLICATION, object_ids=[CALLER], authority=authority)
