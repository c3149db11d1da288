"""Access tokens: JSON Web Tokens that the holder of an access key has signed for one URL.

The HMAC key is the UTF-8 text of the access key as it stands in the connection string, not base64-decoded.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import jwt

CLOCK_SKEW_SECONDS: Final = 5 * 60


class TokenError(Exception):
    """A token is not accepted; the message says why and never holds the token."""


def verify_token(token: str, access_keys: Sequence[str], audiences: Sequence[str]) -> dict[str, Any]:
    """The claims of a token that one of `access_keys` signed for one of `audiences`.

    Audiences are compared in any case, as they are and percent-decoded once: SDKs and their HTTP clients do not agree
    on one spelling, and `'` leaves the Python SDK as `%27` in the token but as `'` in the URL.

    Raises:
        TokenError: when the token is malformed, badly signed, out of its time, or made for another URL.
    """
    claims = _verified_claims(token, access_keys)
    audience = claims["aud"]
    given = audience if isinstance(audience, list) else [audience]
    wanted = {spelling.lower() for url in audiences for spelling in (url, unquote(url))}
    if not any(isinstance(value, str) and wanted & {value.lower(), unquote(value).lower()} for value in given):
        raise TokenError(f"its audience is {str(audience)[:300]!r}, wanted {audiences[0]!r}")
    return claims


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token in the Authorization header, if it holds one."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def origins(endpoint: str, headers: Mapping[str, str]) -> list[str]:
    """What a caller may have called the service: its public endpoint, and the host that it has put into its request.

    The last one is the best guess at what the caller can reach.
    """
    host = headers.get("Host", "")
    if not host or urlsplit(endpoint).netloc.lower() == host.lower():
        return [endpoint]
    return [endpoint, f"https://{host}", f"http://{host}"]


def _verified_claims(token: str, access_keys: Sequence[str]) -> dict[str, Any]:
    problem = "no access key is configured"
    for key in access_keys:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=["HS256"],
                leeway=CLOCK_SKEW_SECONDS,
                options={"verify_aud": False, "require": ["aud", "exp"]},
            )
        except jwt.InvalidSignatureError:
            problem = "no access key of this service has signed it"
        except jwt.InvalidTokenError as error:
            raise TokenError(str(error)) from None
    raise TokenError(problem)
