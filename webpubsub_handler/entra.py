"""Tokens of Microsoft Entra ID as the proof that an event comes from the service. Needs ``PyJWT[crypto]``.

Sources: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
and https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import jwt

from webpubsub_handler.discovery import Issuers
from webpubsub_handler.exceptions import AuthenticationError, ConfigurationError
from webpubsub_handler.guid import GUID
from webpubsub_handler.protocol.http import HttpRequest
from webpubsub_handler.signing_keys import ALGORITHM, SigningKeys

__all__ = ["EntraAuthenticator", "EntraAuthority", "Issuers", "SigningKeys"]

_BEARER: Final = re.compile(r"(?i:bearer) +([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII)
# Entra's are 1 to 2 KiB.
_MAX_HEADER_LENGTH: Final = 16 * 1024
_MAX_VERIFIED: Final = 64
_CLOCK_SKEW_SECONDS: Final = 5 * 60

_AUTHORITY: Final = re.compile(r"https://([a-z0-9.-]+)/?")
# Who signs tokens of version 1 and 2 in each cloud. Which version the service gets is a property of the audience's
# application.
_ISSUERS: Final[Mapping[str, tuple[str, str]]] = {
    "login.microsoftonline.com": ("https://sts.windows.net/{}/", "https://login.microsoftonline.com/{}/v2.0"),
    "login.microsoftonline.us": ("https://sts.windows.net/{}/", "https://login.microsoftonline.us/{}/v2.0"),
    "login.chinacloudapi.cn": (
        "https://sts.chinacloudapi.cn/{}/",
        "https://login.partner.microsoftonline.cn/{}/v2.0",
    ),
    "login.partner.microsoftonline.cn": (
        "https://sts.chinacloudapi.cn/{}/",
        "https://login.partner.microsoftonline.cn/{}/v2.0",
    ),
}

_REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.InvalidSignatureError: "has a wrong signature",
    jwt.InvalidAudienceError: "is for another audience",
    jwt.MissingRequiredClaimError: "lacks exp, iss, aud or tid",
}


class EntraAuthority(StrEnum):
    """Where a cloud's tenants are, under the URLs that the Azure SDKs use."""

    PUBLIC = "https://login.microsoftonline.com"
    US_GOVERNMENT = "https://login.microsoftonline.us"
    CHINA = "https://login.chinacloudapi.cn"


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
    """Demands a bearer token of Entra ID that was issued to the service's managed identity.

    An audience alone proves little: every identity of the tenant can ask for a token. So the caller is pinned, by the
    object id of its identity, its application id, or both; what is given must hold. A token that was verified is
    remembered by its SHA-256 until it expires.

        EntraAuthenticator(tenant_id="<GUID>", audience="<client id>", object_ids=["<principal id of the service>"])

    Args:
        tenant_id: The tenant's GUID.
        audience: The resource that the hub's event handler asks tokens for: the application's id or its URI. For
            a GUID both spellings, with and without ``api://``, are accepted.
        object_ids: The callers that may (claim ``oid``).
        application_ids: The applications that may (claim ``azp`` or ``appid``).
        authority: The cloud that the tenant is in, or the URL of another one. Issuers and keys follow from it; a token
            of an issuer that is not known beforehand passes only if the tenant's own OpenID metadata names it.
        keys: The tenant's keys, when not those that the authority publishes.
        issuers: The tenant's metadata, when not that of the authority.
        clock: Returns now, in seconds since 1970.

    Raises:
        ConfigurationError: An id is not a GUID, the audience is empty, the authority is not the https URL of a host, or
            no caller is named.
    """

    def __init__(
        self,
        *,
        tenant_id: str,
        audience: str,
        object_ids: Iterable[str] = (),
        application_ids: Iterable[str] = (),
        authority: str = EntraAuthority.PUBLIC,
        keys: SigningKeys | None = None,
        issuers: Issuers | None = None,
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
        host = _host(authority)
        self.authority = f"https://{host}"
        tenant = f"{self.authority}/{self._tenant_id}"
        self._known_issuers = [issuer.format(self._tenant_id) for issuer in _ISSUERS.get(host, ())]
        self._issuers = issuers or Issuers(
            f"{tenant}{version}/.well-known/openid-configuration" for version in ("", "/v2.0")
        )
        self._keys = keys or SigningKeys(f"{tenant}/discovery/v2.0/keys")
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
            # The service uses one token for hours; the bound is for somebody who collects tokens of the same caller.
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
                # The times are checked again at every use, the issuer below.
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
        await self._check_issuer(claims["iss"])
        return _lifetime(claims)

    async def _check_issuer(self, issuer: object) -> None:
        # The tenant is asked only about what its own keys have signed, so nobody else can make this ask.
        if issuer not in self._known_issuers and (
            not isinstance(issuer, str) or await self._issuers.get(issuer) is None
        ):
            raise AuthenticationError("the bearer token is from another issuer")

    def _check_caller(self, claims: Mapping[str, Any]) -> None:
        if claims["tid"] != self._tenant_id:
            raise AuthenticationError("the bearer token is of another tenant")
        if self._object_ids and claims.get("oid") not in self._object_ids:
            raise AuthenticationError("the bearer token was issued to another object id")
        # Version 1 says appid, version 2 azp; a token with both must not choose between them.
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
        raise AuthenticationError("the bearer token has an exp or nbf that is not a time")
    return _Lifetime(start, end)


def _host(authority: str) -> str:
    found = _AUTHORITY.fullmatch(authority.lower())
    if found is None:
        raise ConfigurationError(
            "EntraAuthenticator: authority is an EntraAuthority, or the https URL of a host such as "
            "https://login.microsoftonline.us"
        )
    return found[1]


def _spellings(audience: str) -> tuple[str, ...]:
    if not audience:
        raise ConfigurationError("EntraAuthenticator needs the audience that the service asks tokens for")
    application_id = audience.lower().removeprefix("api://")
    return (audience, application_id, f"api://{application_id}") if GUID.fullmatch(application_id) else (audience,)


def _guid(name: str, value: str) -> str:
    if not GUID.fullmatch(value):
        raise ConfigurationError(f"EntraAuthenticator: {name} takes GUIDs only")
    return value.lower()
