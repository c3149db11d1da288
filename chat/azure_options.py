"""What all Azure clients share: time limits, retries, and the identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

__all__ = ["HTTP_OPTIONS", "make_credential"]

# Fail soon: the service delivers an event again after 1, 3 and 5 s, and an answer that comes late is no use.
HTTP_OPTIONS: Final[dict[str, Any]] = {
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 2,
    "retry_backoff_factor": 0.1,
}


def make_credential() -> AsyncTokenCredential:
    """Make the credential of the app's identity: managed in Azure, the developer's own on a laptop."""
    # Half a second of import that key users never pay.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()
