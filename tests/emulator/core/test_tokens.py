"""Access tokens, without a server."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from tests.emulator.fakes import PRIMARY_KEY, from_now, sign
from webpubsub_emulator.core.tokens import ServiceIdentity, TokenError, bearer_token, verify_token

URL = "http://localhost:8080/client/hubs/chat"


@pytest.mark.parametrize("claims", [{"aud": URL}, {"exp": 60}])
def test_a_token_must_say_for_whom_and_until_when(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenError, match="missing"):
        verify_token(jwt.encode(from_now(claims), PRIMARY_KEY), [PRIMARY_KEY], [URL])


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_only_hs256_is_accepted(algorithm: str) -> None:
    token = jwt.encode(from_now({"aud": URL, "exp": 60}), PRIMARY_KEY * 2, algorithm=algorithm)
    with pytest.raises(TokenError, match="alg"):
        verify_token(token, [PRIMARY_KEY * 2], [URL])


def test_one_of_several_audiences_is_enough() -> None:
    token = sign({"aud": ["x", URL]})
    assert verify_token(token, [PRIMARY_KEY], [URL])["aud"] == ["x", URL]


@pytest.mark.parametrize(
    ("value", "token"), [("Bearer t", "t"), ("bearer  t ", "t"), ("Bearer ", None), ("Basic t", None), ("t", None)]
)
def test_the_bearer_token_is_found(value: str, token: str | None) -> None:
    assert bearer_token({"Authorization": value}) == token


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("", ["http://a:1", "https://b"]),
        ("A:1", ["https://b", "http://a:1"]),
        ("b", ["http://a:1", "https://b"]),
        ("c", ["http://a:1", "https://b", "http://c"]),
    ],
)
def test_the_last_origin_is_the_one_that_the_caller_can_reach(host: str, found: list[str]) -> None:
    identity = ServiceIdentity("http://a:1", ["https://b/"], ["key"])
    assert identity.origins({"Host": host}) == found
