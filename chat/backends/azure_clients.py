"""What all Azure clients share: the pipeline of their requests, time limits, retries, and the identity.

A pipeline of the SDKs has 13 policies. Ours has those that do something for the app: retries, authentication, and the
decoding that the SDKs rely on. It is made of public parameters of azure-core only, and imports no SDK.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any, Final, TypeAlias
from urllib.request import getproxies

import jwt
from aiohttp import ClientError
from azure.core.credentials import AzureKeyCredential, AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ServiceRequestTimeoutError, ServiceResponseTimeoutError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncHTTPPolicy,
    AsyncRetryPolicy,
    AzureSasCredentialPolicy,
    ContentDecodePolicy,
    SansIOHTTPPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport
from yarl import URL

Credential: TypeAlias = AzureKeyCredential | AzureNamedKeyCredential | AzureSasCredential | AsyncTokenCredential
Policy: TypeAlias = AsyncHTTPPolicy[Any, Any] | SansIOHTTPPolicy[Any, Any]

__all__ = [
    "MAX_TIMEOUTS",
    "MAX_TOKENS",
    "PROBE_SECONDS",
    "REPEATABLE_POST",
    "TOKEN_SECONDS",
    "AccountKeyPolicy",
    "Calls",
    "Credential",
    "TablePolicy",
    "TokenPolicy",
    "TooManyTimeoutsError",
    "make_credential",
    "make_pipeline",
]

# Fail soon: the service delivers an event again after 1, 3 and 5 s, and an answer that comes late is of no use.
_TIME_LIMITS: Final[dict[str, Any]] = {"connection_timeout": 2, "read_timeout": 10}
_RETRIES: Final[dict[str, Any]] = {"retry_total": 2, "retry_backoff_factor": 0.1}
# azure-core does not repeat a POST, as it may have arrived. Ours may: an insert meets its own row, and clients drop a
# broadcast whose id they have.
REPEATABLE_POST: Final[dict[str, Any]] = {"retry_on_methods": frozenset({"POST"}), "read_timeout": 2}

# A token is sent for so long, and valid for as long again: what is late on its way must still arrive with a valid one.
TOKEN_SECONDS: Final = 60
MAX_TOKENS: Final = 1000

MAX_TIMEOUTS: Final = 5
PROBE_SECONDS: Final = 1.0

# azure-core wraps most of what its transport raises, but not all: a body that breaks off while it is read, for one.
_FAILURES: Final = (AzureError, ClientError, OSError, TimeoutError)
_TIMEOUTS: Final = (TimeoutError, ServiceRequestTimeoutError, ServiceResponseTimeoutError)


class TooManyTimeoutsError(TimeoutError):
    """Raised instead of a call after several calls in a row were not answered in time."""


class Calls:
    """The calls of one kind to one service: each has a time limit, and all fail at once while they keep timing out.

    After ``MAX_TIMEOUTS`` in a row, one call in ``PROBE_SECONDS`` is made to find out, until one is answered.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._timeouts = 0
        self._next_probe = 0.0

    @asynccontextmanager
    async def limit(self, seconds: float, unavailable: Exception) -> AsyncIterator[None]:
        """Bound what is called inside, waiting for a pooled connection and all tries included.

        Raises:
            Exception: ``unavailable``, from the cause, when the call failed or took longer than so many seconds.
        """
        try:
            self._admit()
            async with asyncio.timeout(seconds):
                yield
        except TooManyTimeoutsError as error:
            raise unavailable from error
        except _FAILURES as error:
            self._note(is_timeout=isinstance(error, _TIMEOUTS))
            raise unavailable from error
        except Exception as error:
            self._note(is_timeout=False)
            # The table SDK trips over an answer that broke off: it looks for the headers of a response that is None.
            if isinstance(error, AttributeError) and isinstance(error.__context__, AzureError):
                raise unavailable from error.__context__
            raise
        self._note(is_timeout=False)

    def _admit(self) -> None:
        if self._timeouts < MAX_TIMEOUTS:
            return
        now = self._clock()
        if now < self._next_probe:
            raise TooManyTimeoutsError("the last calls were not answered in time")
        self._next_probe = now + PROBE_SECONDS

    def _note(self, *, is_timeout: bool) -> None:
        self._timeouts = self._timeouts + 1 if is_timeout else 0
        if self._timeouts == MAX_TIMEOUTS:
            self._next_probe = self._clock() + PROBE_SECONDS


class TablePolicy(SansIOHTTPPolicy[Any, Any]):
    """Dates requests to Table Storage, and tells its SDK that they went to the primary location: no other is used."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Set the date."""
        # The SDK names a location with each query, reads it again with the answer, and has a policy in between.
        request.context["location_mode"] = request.context.options.pop("use_location", "primary")
        request.http_request.headers["x-ms-date"] = formatdate(usegmt=True)


class AccountKeyPolicy(TablePolicy):
    """Signs requests to Table Storage with the account's key.

    Source: "Authorize with Shared Key", the signature of the Table service.
    """

    def __init__(self, credential: AzureNamedKeyCredential) -> None:
        super().__init__()
        self._credential = credential

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Set the date and the signature."""
        super().on_request(request)
        http = request.http_request
        name, key = self._credential.named_key
        # The transport sends the URL as yarl writes it, and what is sent is what must be signed.
        url = URL(http.url)
        operation = url.query.get("comp")
        resource = f"/{name}{url.raw_path}" + (f"?comp={operation}" if operation else "")
        signed = (http.headers.get(header, "") for header in ("Content-MD5", "Content-Type", "x-ms-date"))
        text = "\n".join((http.method, *signed, resource))
        signature = hmac.digest(base64.b64decode(key), text.encode(), "sha256")
        http.headers["Authorization"] = f"SharedKey {name}:{base64.b64encode(signature).decode()}"


class TokenPolicy(SansIOHTTPPolicy[Any, Any]):
    """Signs requests to Web PubSub with an access key: a token for each URL, made once in ``TOKEN_SECONDS``.

    The tokens of at most ``MAX_TOKENS`` URLs are kept, those that were used last.
    """

    def __init__(self, credential: AzureKeyCredential, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._credential = credential
        self._clock = clock
        self._tokens: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Set the token of the URL."""
        request.http_request.headers["Authorization"] = f"Bearer {self._token(request.http_request.url)}"

    def _token(self, url: str) -> str:
        now = self._clock()
        token, made = self._tokens.get(url, ("", float("-inf")))
        # A clock that was set back must not keep a token.
        if not made <= now < made + TOKEN_SECONDS:
            claims = {"aud": url, "exp": int(now) + 2 * TOKEN_SECONDS}
            token = jwt.encode(claims, self._credential.key, "HS256")
            self._tokens[url] = token, now
            if len(self._tokens) > MAX_TOKENS:
                self._tokens.popitem(last=False)
        self._tokens.move_to_end(url)
        return token


def make_pipeline(credential: Credential, scope: str) -> dict[str, Any]:
    """Return the options with which an SDK's client is made for the running loop.

    ``scope`` is what an identity's token is asked for.
    """
    return {
        # A request that is tried again is signed again, with the time that it is then.
        "policies": [
            ContentDecodePolicy(response_encoding="utf-8"),
            AsyncRetryPolicy(**_RETRIES),
            *_authentication(credential, scope),
        ],
        # While a proxy can come from the environment, aiohttp asks a thread before each request.
        "transport": AioHttpTransport(**_TIME_LIMITS, use_env_settings=bool(getproxies())),
    }


def _authentication(credential: Credential, scope: str) -> tuple[Policy, ...]:
    if isinstance(credential, AzureKeyCredential):
        return (TokenPolicy(credential),)
    if isinstance(credential, AzureNamedKeyCredential):
        return (AccountKeyPolicy(credential),)
    if isinstance(credential, AzureSasCredential):
        return TablePolicy(), AzureSasCredentialPolicy(credential)
    return TablePolicy(), AsyncBearerTokenCredentialPolicy(credential, scope)


def make_credential() -> AsyncTokenCredential:
    """Make the credential of the app's identity: managed in Azure, the developer's own on a laptop."""
    # Half a second of import that key users never pay.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()
