"""Which proofs an event needs, by the settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chat.authenticators import make_authenticators
from chat.settings import Settings
from tests.unit.chat.test_settings import GOOD
from webpubsub_handler import AccessKeyAuthenticator, UnauthenticatedEventsAllowed
from webpubsub_handler.entra import EntraAuthenticator

GUID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
ENTRA = {"WEBHOOK_TENANT_ID": GUID, "WEBHOOK_APP_CLIENT_ID": GUID, "WEBHOOK_CALLER_OBJECT_IDS": GUID}
IDENTITY = {"WebPubSubConnectionString": "", "WebPubSubConnectionString__serviceUri": "https://x.webpubsub.azure.com"}


@pytest.mark.parametrize(
    ("changes", "proofs"),
    [
        ({}, [AccessKeyAuthenticator]),
        (ENTRA, [AccessKeyAuthenticator, EntraAuthenticator]),
        (IDENTITY | ENTRA, [EntraAuthenticator]),
        (IDENTITY | {"ALLOW_UNAUTHENTICATED_EVENTS": "true"}, [UnauthenticatedEventsAllowed]),
        ({"ALLOW_UNAUTHENTICATED_EVENTS": "true"}, [AccessKeyAuthenticator]),
        (IDENTITY | ENTRA | {"ALLOW_UNAUTHENTICATED_EVENTS": "true"}, [EntraAuthenticator]),
        ({"MAX_EVENT_AGE_SECONDS": "600"}, [AccessKeyAuthenticator]),
    ],
)
def test_every_proof_that_is_configured_is_demanded(changes: dict[str, str], proofs: list[type]) -> None:
    made = make_authenticators(Settings.from_env(GOOD | changes))

    assert [type(proof) for proof in made] == proofs


def test_without_a_proof_and_without_leave_there_is_none() -> None:
    allowed = Settings.from_env(
        GOOD | IDENTITY | {"ALLOW_UNAUTHENTICATED_EVENTS": "true", "MAX_EVENT_AGE_SECONDS": "600"}
    )

    assert make_authenticators(replace(allowed, allow_unauthenticated_events=False)) == []


def test_a_token_of_another_cloud_is_taken_where_the_tenant_is_in_it() -> None:
    settings = Settings.from_env(GOOD | IDENTITY | ENTRA | {"AZURE_AUTHORITY_HOST": "login.microsoftonline.us"})

    (proof,) = make_authenticators(settings)

    assert isinstance(proof, EntraAuthenticator)
    assert proof.authority == "https://login.microsoftonline.us"
