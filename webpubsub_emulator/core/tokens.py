"""Access tokens: JSON Web Tokens that the holder of an access key has signed for one URL, or that come from Entra ID.

The HMAC key is the UTF-8 text of the access key as in the connection string, not base64-decoded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Unpack
from urllib.parse import unquote, urlsplit

import jwt
from jwt.types import Options

__all__ = [
    "CLOCK_SKEW_SECONDS",
    "ENTRA_AUDIENCE",
    "ServiceIdentity",
    "TokenError",
    "bearer_token",
    "client_token",
    "is_entra_token",
    "verify_entra_lifetime",
    "verify_token",
]

CLOCK_SKEW_SECONDS: Final = 5 * 60
ENTRA_AUDIENCE: Final = "https://webpubsub.azure.com"
_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})


class TokenError(Exception):
    """A token is not accepted; the message says why and never holds the token."""


@dataclass(frozen=True, slots=True)
class ServiceIdentity:
    """The service as its callers know it: its URLs, and the access keys that it shares with them, primary key first."""

    endpoint: str
    known_endpoints: Sequence[str]
    access_keys: Sequence[str] = field(repr=False)

    def origins(self, headers: Mapping[str, str]) -> list[str]:
        """Return the URLs by which a caller may know the service: its endpoints, and the host in the request.

        The last one is the most likely to be reachable for the caller.
        """
        host = headers.get("Host", "").lower()
        known = [endpoint.rstrip("/") for endpoint in (self.endpoint, *self.known_endpoints)]
        others = [endpoint for endpoint in known if urlsplit(endpoint).netloc.lower() != host]
        named = [endpoint for endpoint in known if urlsplit(endpoint).netloc.lower() == host]
        return [*others, *(named or ([f"http://{host}"] if host else []))]


def verify_token(token: str, access_keys: Sequence[str], audiences: Sequence[str]) -> dict[str, Any]:
    """Return the claims of a token that one of ``access_keys`` signed for one of ``audiences``.

    Audiences are compared in any case and any scheme of the web, without a slash at the end, as they are and
    percent-decoded once: SDKs and their HTTP clients do not agree on one spelling, and ``'`` leaves the Python SDK as
    ``%27`` in the token but as ``'`` in the URL.

    Raises:
        TokenError: when the token is malformed, badly signed, out of its time, or made for another URL.
    """
    claims = _verified_claims(token, access_keys)
    wanted = {spelling for url in audiences for spelling in _spellings(url)}
    if not any(wanted & _spellings(audience) for audience in _audiences(claims)):
        raise TokenError(f"its audience is {str(claims['aud'])[:300]!r}, wanted {audiences[0]!r}")
    return claims


def is_entra_token(token: str) -> bool:
    """Return whether a token says that Microsoft Entra ID made it for Web PubSub. Nothing in it is verified."""
    try:
        claims = _decode(token, verify_signature=False)
    except TokenError:
        return False
    return any(audience.rstrip("/") == ENTRA_AUDIENCE for audience in _audiences(claims))


def verify_entra_lifetime(token: str) -> None:
    """Check the times of a Microsoft Entra ID token, the only part that can be checked without Entra ID.

    Raises:
        TokenError: when it has expired or is not valid yet.
    """
    _decode(token, verify_signature=False, verify_exp=True, verify_nbf=True, require=["aud", "exp"])


def client_token(access_key: str, audience: str, minutes: int, claims: Mapping[str, Any]) -> str:
    """Return a token for a client, as the SDKs sign it: for ``audience``, valid from now for some minutes."""
    now = int(time.time())
    lifetime = {"nbf": now, "iat": now, "exp": now + 60 * minutes}
    return jwt.encode({"aud": audience, **lifetime, **claims}, access_key, algorithm="HS256")


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the token in the Authorization header, if it holds one."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    audience = claims.get("aud")
    given = audience if isinstance(audience, list) else [audience]
    return [value for value in given if isinstance(value, str)]


def _spellings(url: str) -> set[str]:
    scheme, _, rest = url.lower().partition("://")
    return {spelling.rstrip("/") for spelling in (rest, unquote(rest))} if scheme in _SCHEMES else set()


def _verified_claims(token: str, access_keys: Sequence[str]) -> dict[str, Any]:
    problem = "no access key is configured"
    for key in access_keys:
        try:
            return _decode(token, key, require=["aud", "exp"], verify_aud=False)
        except _SignatureError:
            problem = "no access key of this service has signed it"
    raise TokenError(problem)


class _SignatureError(TokenError):
    """Another key has signed a token."""


def _decode(token: str, key: str = "", **options: Unpack[Options]) -> dict[str, Any]:
    try:
        return jwt.decode(token, key, algorithms=["HS256"], leeway=CLOCK_SKEW_SECONDS, options=options)
    except jwt.InvalidSignatureError:
        raise _SignatureError("another key has signed it") from None
    except jwt.InvalidTokenError as error:
        raise TokenError(str(error)) from None
    except UnicodeEncodeError:
        # Bytes of a header that are not UTF-8 are lone surrogates here.
        raise TokenError("it is not ASCII") from None
