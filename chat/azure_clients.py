"""What all Azure clients share: time limits, retries, and the identity."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError
from azure.core.exceptions import AzureError, ServiceRequestTimeoutError, ServiceResponseTimeoutError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

__all__ = [
    "HTTP_OPTIONS",
    "MAX_TIMEOUTS",
    "PROBE_SECONDS",
    "REPEATABLE_POST",
    "Calls",
    "TooManyTimeoutsError",
    "make_credential",
]

# Fail soon: the service delivers an event again after 1, 3 and 5 s, and an answer that comes late is of no use.
HTTP_OPTIONS: Final[dict[str, Any]] = {
    "connection_timeout": 2,
    "read_timeout": 10,
    "retry_total": 2,
    "retry_backoff_factor": 0.1,
}
# azure-core does not repeat a POST, as it may have arrived. Ours may: an insert meets its own row, and clients drop a
# broadcast whose id they have.
REPEATABLE_POST: Final[dict[str, Any]] = {"retry_on_methods": frozenset({"POST"}), "read_timeout": 2}

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


def make_credential() -> AsyncTokenCredential:
    """Make the credential of the app's identity: managed in Azure, the developer's own on a laptop."""
    # Half a second of import that key users never pay.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()
