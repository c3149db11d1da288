"""Why a request got no answer, in a few words, and what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import aiohttp

__all__ = ["NO_ANSWER", "Failure", "explain", "without_url"]

# The exceptions of a request without an answer.
NO_ANSWER: Final = (TimeoutError, aiohttp.ClientError, OSError)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, as a sentence without its full stop, and the fix."""

    problem: str
    fix: str


def explain(error: Exception, seconds: float) -> Failure:
    """Return why a request that may take so many seconds got no answer; the text holds no URL."""
    said = without_url(error)
    match error:
        # First, because a timeout of aiohttp is also one of its connection errors.
        case TimeoutError():
            return Failure(
                f"nothing within {seconds:g} s",
                "the service does not wait longer, not even for a cold start: keep one instance running. Or something "
                "between here and the handler drops the request",
            )
        case aiohttp.ClientConnectorCertificateError():
            return Failure(
                f"no answer: the certificate is not valid: {said}",
                "use a host name that is in the certificate, and a certificate of a public authority. If other hosts "
                "fail here, too, this Python lacks the certificates of the authorities: set SSL_CERT_FILE",
            )
        case aiohttp.ClientConnectorSSLError():
            return Failure(f"no answer: TLS failed: {said}", "write http:// if the handler has no TLS, as on localhost")
        case aiohttp.ClientConnectorDNSError():
            return Failure(f"no answer: {said}", "is the name of the host right, and does the host exist yet?")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return Failure(
                f"no answer: {said}", "does this port speak HTTP? Write https:// if it expects TLS; look into its log"
            )
        case _:
            return Failure(f"no answer: {said}", "start the handler; are the host and the port in the URL right?")


def without_url(error: Exception) -> str:
    """Return what an error says, except for the URL: its query may hold a key."""
    return error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
