"""Tokens of Microsoft Entra ID as the proof that an event comes from the service. Needs ``PyJWT[crypto]``.

Source: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from webpubsub_handler.exceptions import AuthenticationError, ConfigurationError
from webpubsub_handler.guid import GUID
from webpubsub_handler.protocol.http import HttpRequest
from webpubsub_handler.signing_keys import ALGORITHM, SigningKeys

__all__ = ["EntraAuthenticator"]

_BEARER: Final = re.compile(r"(?i:bearer) +([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII)
# Entra's are 1 to 2 KiB.
_MAX_HEADER_LENGTH: Final = 16 * 1024
_MAX_VERIFIED: Final = 64
_CLOCK_SKEW_SECONDS: Final = 5 * 60

_REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.InvalidSignatureError: "has a wrong signature",
    jwt.InvalidAudienceError: "is for another audience",
    jwt.InvalidIssuerError: "is from another issuer",
    jwt.MissingRequiredClaimError: "lacks exp, iss, aud or tid",
}


@dataclass(frozen=True, slots=True)
class _Lifetime:
    """From when until when a token holds, in seconds since 1970."""

    start: int
    end: int

    def check(self, now: float) -> None:
        if now < self.start - _CLOCK_SKEW_SECONDS:
            raise AuthenticationError("the bearer token is not valid yet")
        if now >= self.end + _CLOCK_SKEW_SECONDS:
            raise AuthenticationError("the bearer token has expired")


class EntraAuthenticator:
    """Demands a bearer token of Entra ID (public cloud) that was issued to the service's managed identity.

    An audience alone proves little: every identity of the tenant can ask for a token. So the caller is pinned, by the
    object id of its identity, its application id, or both; what is given must hold. A token that was verified is
    remembered by its SHA-256 until it expires.

    ::

        EntraAuthenticator(tenant_id="<GUID>", audience="<client id>", object_ids=["<principal id of the service>"])

    Args:
        tenant_id: The tenant's GUID.
        audience: The resource that the hub's event handler asks tokens for: the application's id or its URI. For
            a GUID both spellings, with and without ``api://``, are accepted.
        object_ids: The callers that may (claim ``oid``).
        application_ids: The applications that may (claim ``azp`` or ``appid``).
        keys: The tenant's keys, when not those of the public cloud.
        clock: Gives now, in seconds since 1970.

    Raises:
        ConfigurationError: An id is no GUID, the audience is empty, or no caller is named.
    """

    def __init__(
        self,
        *,
        tenant_id: str,
        audience: str,
        object_ids: Iterable[str] = (),
        application_ids: Iterable[str] = (),
        keys: SigningKeys | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tenant_id = _guid("tenant_id", tenant_id)
        self._audiences = _spellings(audience)
        self._object_ids = tuple(_guid("object_ids", value) for value in object_ids)
        self._application_ids = tuple(_guid("application_ids", value) for value in application_ids)
        if not self._object_ids and not self._application_ids:
            raise ConfigurationError(
                "EntraAuthenticator needs object_ids or application_ids: without a caller, every identity of the "
                "tenant could send events"
            )
        # Tokens of version 1 and 2; which one the service gets is a property of the audience's application.
        authority = f"https://login.microsoftonline.com/{self._tenant_id}"
        self._issuers = (f"https://sts.windows.net/{self._tenant_id}/", f"{authority}/v2.0")
        self._keys = keys or SigningKeys(f"{authority}/discovery/v2.0/keys")
        self._clock = clock
        self._verified: dict[bytes, _Lifetime] = {}

    async def authenticate(self, request: HttpRequest) -> None:
        """Verify the token in ``Authorization``.

        Raises:
            AuthenticationError: It does not hold.
            EventRefusedError: The keys to verify it with cannot be had now (503).
        """
        token = _bearer_token(request)
        digest = hashlib.sha256(token.encode()).digest()
        lifetime = self._verified.get(digest)
        if lifetime is None:
            lifetime = await self._verify(token)
            if len(self._verified) >= _MAX_VERIFIED:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = lifetime
        lifetime.check(self._clock())

    async def _verify(self, token: str) -> _Lifetime:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM:
                raise AuthenticationError(f"the bearer token is not signed with {ALGORITHM}")
            key = await self._keys.get(header.get("kid", ""))
            if key is None:
                raise AuthenticationError("the bearer token is signed with an unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audiences,
                issuer=self._issuers,
                # The times are checked anew at every use.
                options={
                    "require": ["exp", "iss", "aud", "tid"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            # The library's own texts can quote the token.
            raise AuthenticationError(f"the bearer token {_REASONS.get(type(error), 'is malformed')}") from None
        self._check_caller(claims)
        return _lifetime(claims)

    def _check_caller(self, claims: Mapping[str, Any]) -> None:
        if claims["tid"] != self._tenant_id:
            raise AuthenticationError("the bearer token is of another tenant")
        if self._object_ids and claims.get("oid") not in self._object_ids:
            raise AuthenticationError("the bearer token was issued to another object id")
        applications = [claims[name] for name in ("azp", "appid") if name in claims]
        if self._application_ids and not (applications and all(a in self._application_ids for a in applications)):
            raise AuthenticationError("the bearer token was issued to another application id")


def _bearer_token(request: HttpRequest) -> str:
    value = request.headers.get("Authorization")
    if value is None:
        raise AuthenticationError("the Authorization header is missing")
    found = _BEARER.fullmatch(value) if len(value) <= _MAX_HEADER_LENGTH else None
    if found is None:
        raise AuthenticationError("the Authorization header holds no bearer token")
    return found[1]


def _lifetime(claims: Mapping[str, Any]) -> _Lifetime:
    start, end = claims.get("nbf", 0), claims["exp"]
    if not isinstance(start, int) or not isinstance(end, int):
        raise AuthenticationError("the bearer token has an exp or nbf that is no time")
    return _Lifetime(start, end)


def _spellings(audience: str) -> tuple[str, ...]:
    if not audience:
        raise ConfigurationError("EntraAuthenticator needs the audience that the service asks tokens for")
    application_id = audience.lower().removeprefix("api://")
    return (audience, application_id, f"api://{application_id}") if GUID.fullmatch(application_id) else (audience,)


def _guid(name: str, value: str) -> str:
    if not GUID.fullmatch(value):
        raise ConfigurationError(f"EntraAuthenticator: {name} takes GUIDs, and got something else")
    return value.lower()
