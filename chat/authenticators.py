"""The proofs that the settings demand of an event."""

from __future__ import annotations

from chat.settings import Settings
from webpubsub_handler import AccessKeyAuthenticator, Authenticator, UnauthenticatedEventsAllowed

__all__ = ["make_authenticators"]


def make_authenticators(settings: Settings) -> list[Authenticator]:
    """Make every proof that is configured: a signature for access keys, a token for Entra ID; each must hold."""
    proofs: list[Authenticator] = []
    if settings.access_keys:
        proofs.append(AccessKeyAuthenticator(settings.access_keys))
    if settings.entra_caller:
        # The import takes a tenth of a second, which is wasted if keys are used.
        from webpubsub_handler.entra import EntraAuthenticator  # noqa: PLC0415

        proofs.append(
            EntraAuthenticator(
                tenant_id=settings.entra_caller.tenant_id,
                audience=settings.entra_caller.audience,
                object_ids=settings.entra_caller.object_ids,
                application_ids=settings.entra_caller.application_ids,
                authority=settings.entra_caller.authority,
            )
        )
    if not proofs and settings.allow_unauthenticated_events:
        proofs.append(UnauthenticatedEventsAllowed())
    return proofs
