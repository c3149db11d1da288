from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.wire import ACCESS_KEY, PRIMARY_SIGNATURE, SECONDARY_KEY, SECONDARY_SIGNATURE, event
from webpubsub_handler import (
    AccessKeyAuthenticator,
    AccessKeys,
    AuthenticationError,
    Authenticator,
    ConfigurationError,
    EventRefusedError,
    HttpRequest,
    UnauthenticatedEventsAllowed,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
    sign,
)


class TokenAuthenticator:
    """A second proof, as simple as one can be."""

    async def authenticate(self, request: HttpRequest) -> None:
        if request.headers.get("Authorization") != "Bearer good":
            raise AuthenticationError("the bearer token is missing or wrong")


class WaitingAuthenticator:
    """A proof that cannot be checked now."""

    async def authenticate(self, _: HttpRequest) -> None:
        raise EventRefusedError(503, "Later.")


class UnreachableAuthenticator:
    """A proof whose issuer cannot be asked."""

    async def authenticate(self, _: HttpRequest) -> None:
        raise TimeoutError("login.example did not answer")


def answering_handler(*authenticators: Authenticator) -> WebPubSubEventHandler:
    """A handler whose answer to a message shows that its function ran."""
    handler = WebPubSubEventHandler("chat", authenticators, allowed_origins=["*"])

    @handler.on_user_event("message")
    async def answer(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("ran")

    return handler


def handler_with(*keys: str) -> WebPubSubEventHandler:
    return answering_handler(AccessKeyAuthenticator(keys))


@pytest.mark.parametrize("name", ["connect", "connected", "disconnected", "user_text", "user_json", "user_binary"])
@pytest.mark.parametrize("keys", [[ACCESS_KEY], [SECONDARY_KEY], ["rotated away", SECONDARY_KEY]])
async def test_a_signed_event_passes_with_either_key(name: str, keys: list[str]) -> None:
    assert (await handler_with(*keys).handle(event(name))).status < 300


@pytest.mark.parametrize(
    "signature",
    [
        PRIMARY_SIGNATURE,
        PRIMARY_SIGNATURE.upper(),
        f"{SECONDARY_SIGNATURE}, {PRIMARY_SIGNATURE}",
        f" ,{SECONDARY_SIGNATURE} ,  {PRIMARY_SIGNATURE},,",
        f"sha512=00,{PRIMARY_SIGNATURE},nonsense",
        [SECONDARY_SIGNATURE, PRIMARY_SIGNATURE],
        ["", "sha256=00", f"nonsense,{PRIMARY_SIGNATURE}"],
    ],
)
async def test_the_key_is_found_among_all_values_and_lines(signature: str | list[str]) -> None:
    response = await handler_with(ACCESS_KEY).handle(event("user_text", headers={"ce-signature": signature}))

    assert response.body == b"ran"


async def test_two_signature_lines_are_one_list() -> None:
    assert (await handler_with(ACCESS_KEY).handle(event("quirks/user_signature_lines"))).body == b"ran"


async def test_a_percent_encoded_connection_id_is_verified_as_the_real_one() -> None:
    headers: dict[str, str | list[str] | None] = {
        "ce-connectionId": "%E8%AE%BE%E5%A4%87-1",
        "ce-signature": "sha256=f043897df6a9b683fc18082c5d6c7ae2c01772224c7fbe3e4455c9cf179a44a8",
    }

    assert (await handler_with(ACCESS_KEY).handle(event("user_text", headers=headers))).body == b"ran"


FORGED: dict[str, str | list[str] | None] = {
    "none": None,
    "empty": "",
    "only commas": ", ,,",
    "of an unknown key": SECONDARY_SIGNATURE,
    "cut": PRIMARY_SIGNATURE[:-1],
    "without the algorithm": PRIMARY_SIGNATURE.removeprefix("sha256="),
    "of another connection": sign(ACCESS_KEY, "conn-43"),
    "of an empty key": sign("", "conn-42"),
    "a lone surrogate": "\udcff",
    "thousands of values": ",".join(["sha256=00"] * 5000),
    "thousands of lines": ["sha256=00"] * 5000,
}


@pytest.mark.parametrize("signature", FORGED.values(), ids=FORGED)
async def test_an_event_without_a_valid_signature_is_a_401_and_runs_no_function(
    signature: str | list[str] | None,
) -> None:
    response = await handler_with(ACCESS_KEY).handle(event("user_text", headers={"ce-signature": signature}))

    assert response.status == 401
    assert response.body == b"The event is not authenticated."


@pytest.mark.parametrize("connection_id", [None, "", "conn-43", "\udcff"])
async def test_a_signature_does_not_pass_for_another_connection(connection_id: str | None) -> None:
    response = await handler_with(ACCESS_KEY).handle(event("user_text", headers={"ce-connectionId": connection_id}))

    assert response.status == 401


@pytest.mark.parametrize("name", ["connect", "user_json"])
async def test_the_body_is_not_parsed_before_the_proof_holds(name: str) -> None:
    response = await handler_with(ACCESS_KEY).handle(event(name, b"{", {"ce-signature": None, "ce-time": None}))

    assert response.status == 401


async def test_an_event_of_another_hub_is_not_told_apart_before_the_proof_holds() -> None:
    response = await handler_with(ACCESS_KEY).handle(
        event("user_text", headers={"ce-signature": None, "ce-hub": "other"})
    )

    assert response.status == 401


async def test_the_log_of_a_refusal_has_the_reason_and_no_value_of_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    headers: dict[str, str | list[str] | None] = {
        "ce-signature": "sha256=5ec4e7",
        "ce-userId": "mallory",
        "ce-eventName": "forged",
        "Authorization": "Bearer 5ec4e7",
    }

    await handler_with(ACCESS_KEY).handle(event("user_text", b"private words", headers))

    assert "no value of ce-signature was made with a configured access key" in caplog.text
    for value in ["5ec4e7", "mallory", "forged", "private", "conn-42", ACCESS_KEY]:
        assert value not in caplog.text


async def test_the_log_tells_a_missing_signature_from_a_wrong_one(caplog: pytest.LogCaptureFixture) -> None:
    await handler_with(ACCESS_KEY).handle(event("quirks/user_unsigned"))

    assert "the ce-signature header is missing" in caplog.text


@pytest.mark.parametrize(
    ("signature", "token", "status"),
    [
        (PRIMARY_SIGNATURE, "Bearer good", 200),
        (PRIMARY_SIGNATURE, "Bearer bad", 401),
        (PRIMARY_SIGNATURE, None, 401),
        (None, "Bearer good", 401),
        (None, None, 401),
    ],
)
@pytest.mark.parametrize("token_first", [True, False])
async def test_every_configured_proof_must_hold(
    signature: str | None, token: str | None, status: int, token_first: bool
) -> None:
    proofs: list[Authenticator] = [AccessKeyAuthenticator([ACCESS_KEY]), TokenAuthenticator()]
    handler = answering_handler(*(reversed(proofs) if token_first else proofs))

    response = await handler.handle(event("user_text", headers={"ce-signature": signature, "Authorization": token}))

    assert response.status == status


async def test_a_proof_that_cannot_be_checked_is_a_500_without_its_text_and_runs_no_function(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = await answering_handler(UnreachableAuthenticator()).handle(event("user_text"))

    assert response.status == 500
    assert b"login.example" not in response.body
    assert "login.example did not answer" in caplog.text


async def test_an_authenticator_can_ask_the_service_to_send_the_event_again() -> None:
    response = await answering_handler(WaitingAuthenticator()).handle(event("user_text"))

    assert (response.status, response.body) == (503, b"Later.")


async def test_unsigned_events_pass_only_where_that_was_said() -> None:
    request = event("quirks/user_unsigned")

    assert (await answering_handler(UnauthenticatedEventsAllowed()).handle(request)).body == b"ran"
    assert (await handler_with(ACCESS_KEY).handle(request)).status == 401


def test_a_handler_without_a_proof_does_not_start_and_says_how() -> None:
    with pytest.raises(ConfigurationError, match="pass an AccessKeyAuthenticator, or UnauthenticatedEventsAllowed"):
        WebPubSubEventHandler("chat", [], allowed_origins=["*"])


@pytest.mark.parametrize(
    "keys", [[], [""], [ACCESS_KEY, ""], ACCESS_KEY, {}, {"a.example": []}, {"a.example": [""]}, {"a.example": "key"}]
)
def test_access_keys_must_not_be_empty(keys: Any) -> None:
    with pytest.raises(ConfigurationError, match="at least one access key"):
        AccessKeyAuthenticator(keys)


@pytest.mark.parametrize("host", ["", "two hosts", "https://"])
def test_access_keys_are_by_host(host: str) -> None:
    with pytest.raises(ConfigurationError, match="must be one host name"):
        AccessKeyAuthenticator({host: [ACCESS_KEY]})


A, B = "a.webpubsub.azure.com", "b.webpubsub.azure.com"


@pytest.mark.parametrize(
    ("origin", "key", "status"),
    [
        (A, ACCESS_KEY, 200),
        (A.upper(), ACCESS_KEY, 200),
        (f"{A}, chat.example", ACCESS_KEY, 200),
        (f"chat.example,{B}", SECONDARY_KEY, 200),
        ([B, A], ACCESS_KEY, 200),
        (B, ACCESS_KEY, 401),
        (A, SECONDARY_KEY, 401),
        (f"{A}.attacker.example", ACCESS_KEY, 401),
        (f"not{A}", ACCESS_KEY, 401),
        ("webpubsub.azure.com", ACCESS_KEY, 401),
        ("*", ACCESS_KEY, 401),
        ("", ACCESS_KEY, 401),
        (None, ACCESS_KEY, 401),
    ],
)
async def test_the_key_is_that_of_a_service_whose_whole_host_the_event_names(
    origin: str | list[str] | None, key: str, status: int
) -> None:
    proof = AccessKeyAuthenticator({f"https://{A}:443/": [ACCESS_KEY], B: [SECONDARY_KEY]})
    headers = {"WebHook-Request-Origin": origin, "ce-signature": sign(key, "conn-42")}

    assert (await answering_handler(proof).handle(event("user_text", headers=headers))).status == status


@pytest.mark.parametrize("keys", [[ACCESS_KEY], {"localhost": [ACCESS_KEY]}, {"*": [ACCESS_KEY]}], ids=str)
@pytest.mark.parametrize("origin", [None, "", " , "])
async def test_an_event_that_names_no_service_is_refused_whichever_way_the_keys_are_given(
    caplog: pytest.LogCaptureFixture, keys: Any, origin: str | None
) -> None:
    handler = answering_handler(AccessKeyAuthenticator(keys))

    response = await handler.handle(event("user_text", headers={"WebHook-Request-Origin": origin}))

    assert response.status == 401
    assert "the WebHook-Request-Origin header is missing" in caplog.text
    assert (await handler.handle(event("user_text"))).body == b"ran"


async def test_keys_under_a_star_are_for_any_service() -> None:
    proof = AccessKeyAuthenticator({A: ["key of a"], "*": [ACCESS_KEY]})

    assert (await answering_handler(proof).handle(event("user_text"))).body == b"ran"


@pytest.mark.parametrize("key", [ACCESS_KEY, SECONDARY_KEY])
async def test_two_spellings_of_one_host_add_up(key: str) -> None:
    proof = AccessKeyAuthenticator({f"https://{A}": [ACCESS_KEY], A.upper(): [SECONDARY_KEY]})
    headers = {"WebHook-Request-Origin": A, "ce-signature": sign(key, "conn-42")}

    assert (await answering_handler(proof).handle(event("user_text", headers=headers))).body == b"ran"


async def test_an_unknown_origin_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    await answering_handler(AccessKeyAuthenticator({A: [ACCESS_KEY]})).handle(event("user_text"))

    assert "no access key is configured for any host in WebHook-Request-Origin" in caplog.text


async def test_keys_rotate_without_a_restart() -> None:
    keys = {"*": ["old"]}
    handler = answering_handler(AccessKeyAuthenticator(lambda: keys))

    before = await handler.handle(event("user_text"))
    keys = {"*": [ACCESS_KEY]}
    after = await handler.handle(event("user_text"))

    assert (before.status, after.status) == (401, 200)


@pytest.mark.parametrize("keys", [[ACCESS_KEY], {"localhost": [ACCESS_KEY]}], ids=str)
async def test_a_provider_of_keys_can_be_async_and_return_them_either_way(keys: AccessKeys) -> None:
    async def fetch() -> AccessKeys:
        await asyncio.sleep(0)
        return keys

    handler = answering_handler(AccessKeyAuthenticator(fetch))

    assert (await handler.handle(event("user_text"))).body == b"ran"
    assert (await handler.handle(event("user_text", headers={"ce-signature": "sha256=00"}))).status == 401


async def test_a_provider_of_keys_that_fails_lets_nothing_pass() -> None:
    async def fetch() -> AccessKeys:
        raise TimeoutError("the vault did not answer")

    response = await answering_handler(AccessKeyAuthenticator(fetch)).handle(event("user_text"))

    assert response.status == 500
    assert b"vault" not in response.body


async def test_a_provider_of_keys_that_has_none_lets_nothing_pass() -> None:
    assert (await answering_handler(AccessKeyAuthenticator(dict)).handle(event("user_text"))).status == 500


async def test_no_proof_is_demanded_of_a_validation() -> None:
    handler = answering_handler(AccessKeyAuthenticator([ACCESS_KEY]), TokenAuthenticator(), WaitingAuthenticator())

    assert (await handler.handle(event("quirks/validation"))).status == 200


class RefusingByReturning:
    """What somebody may write who has not read that a proof raises."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def authenticate(self, _: HttpRequest) -> None:
        return self._answer  # type: ignore[return-value]


@pytest.mark.parametrize("answer", [False, True, 401, "no", AuthenticationError("no")], ids=repr)
async def test_an_authenticator_that_returns_instead_of_raising_lets_nothing_pass(
    answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    response = await answering_handler(RefusingByReturning(answer)).handle(event("user_text"))

    assert response.status == 500
    assert "authenticate() of RefusingByReturning returned a value: raise AuthenticationError" in caplog.text


@pytest.mark.parametrize(
    ("proofs", "fix"),
    [
        (iter(()), "pass an AccessKeyAuthenticator"),
        (AccessKeyAuthenticator([ACCESS_KEY]), r"write \[AccessKeyAuthenticator"),
        ([AccessKeyAuthenticator], "pass an object with authenticate"),
        ([None], "pass an object with authenticate"),
        ([lambda _: True], "pass an object with authenticate"),
    ],
    ids=["an empty iterator", "one, not in a list", "a class", "None", "a function"],
)
def test_what_is_not_a_list_of_proofs_is_an_error_at_start(proofs: Any, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix):
        WebPubSubEventHandler("chat", proofs, allowed_origins=["*"])


def with_another_status() -> EventRefusedError:
    refusal = EventRefusedError(401, "secret")
    refusal.status = 200
    return refusal


@pytest.mark.parametrize("refusal", [with_another_status(), EventRefusedError(403, None)], ids=repr)  # type: ignore[arg-type]
async def test_an_authenticator_s_refusal_that_cannot_be_answered_is_a_500(refusal: EventRefusedError) -> None:
    class Derived:
        async def authenticate(self, _: HttpRequest) -> None:
            raise refusal

    response = await answering_handler(Derived()).handle(event("user_text"))

    assert response.status == 500
    assert b"secret" not in response.body


@pytest.mark.parametrize("keys", [b"key", [b"key"], [None], [" "], [7], {"a.example": b"key"}], ids=repr)
def test_access_keys_are_texts(keys: Any) -> None:
    with pytest.raises(ConfigurationError, match="at least one access key"):
        AccessKeyAuthenticator(keys)


async def test_a_provider_of_keys_that_hangs_is_given_up_and_the_service_sends_the_event_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("webpubsub_handler.authentication.PROVIDER_TIMEOUT_SECONDS", 0.01)
    given_up = asyncio.Event()

    async def hang() -> AccessKeys:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        raise AssertionError

    response = await answering_handler(AccessKeyAuthenticator(hang)).handle(event("user_text"))

    assert response.status == 503
    assert given_up.is_set()
    assert "the provider of access keys" in caplog.text
