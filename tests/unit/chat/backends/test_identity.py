"""With a managed identity the SDK clients are made with the SDK's own credential, and no key is anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import azure.identity.aio
import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from chat.backends import service, table
from chat.backends.azure_clients import make_credential
from chat.backends.table_store import TableStore
from chat.settings import Settings, StorageAccount, WebPubSubEndpoint

ROOT = Path(__file__).resolve().parents[4]
SERVICE = "https://x.webpubsub.azure.com"
TABLES = "https://acc.table.core.windows.net"


def client_of(endpoint: WebPubSubEndpoint) -> WebPubSubServiceClient:
    return service.make_client("chat", endpoint, service.credential_of(endpoint))


def policies(client: object) -> list[object]:
    """Return the policies of an SDK client's pipeline; only there it shows how a client authenticates."""
    generated = vars(client)["_client"]
    pipeline = vars(generated).get("_pipeline") or vars(vars(generated)["_client"])["_pipeline"]
    return [getattr(policy, "_policy", policy) for policy in pipeline._impl_policies]


async def test_the_credential_is_the_sdk_s_default_one() -> None:
    credential = make_credential()
    assert isinstance(credential, azure.identity.aio.DefaultAzureCredential)
    assert isinstance(credential, AsyncTokenCredential)
    await credential.close()


async def test_the_service_client_sends_bearer_tokens_to_the_configured_service() -> None:
    client = client_of(WebPubSubEndpoint(SERVICE))
    assert any(isinstance(policy, AsyncBearerTokenCredentialPolicy) for policy in policies(client))
    assert client._config.endpoint == SERVICE
    await client.close()


async def test_the_table_client_uses_the_configured_account_and_table() -> None:
    client = table.make_client(StorageAccount(table_url=TABLES), "messages")
    assert (client.url, client.table_name) == (f"{TABLES}", "messages")
    assert isinstance(client.credential, azure.identity.aio.DefaultAzureCredential)
    await client.close()


class Identity(AsyncTokenCredential):
    """A credential that knows whether it was closed."""

    is_closed = False

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("a-token", 2**40)

    async def close(self) -> None:
        self.is_closed = True

    async def __aexit__(self, *_: object) -> None: ...


async def test_who_closes_the_clients_closes_their_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Identity] = []

    def make() -> Identity:
        made.append(Identity())
        return made[-1]

    monkeypatch.setattr(service, "make_credential", make)
    monkeypatch.setattr(table, "make_credential", make)
    for part in (
        service.Service("chat", WebPubSubEndpoint(SERVICE)),
        TableStore("chat", StorageAccount(table_url=TABLES)),
    ):
        part.open()
        await part.aclose()
    assert [identity.is_closed for identity in made] == [True, True]


async def test_an_access_key_is_used_where_there_is_one() -> None:
    client = client_of(WebPubSubEndpoint(SERVICE, "k"))
    assert not any(isinstance(policy, AsyncBearerTokenCredentialPolicy) for policy in policies(client))
    await client.close()


@pytest.mark.parametrize("more", [";AccessKey=k;garbage", ";AccessKey=k;;policies=x"])
async def test_a_connection_string_that_the_settings_take_makes_a_client(more: str) -> None:
    values = {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "WebPubSubConnectionString": f"Endpoint={SERVICE}{more}",
    }
    (endpoint,) = Settings.from_env(values).endpoints
    client = client_of(endpoint)
    assert client._config.endpoint == SERVICE
    await client.close()


@pytest.mark.external
def test_azure_identity_is_not_imported_for_keys() -> None:
    code = (
        "import os, sys; os.environ.update(AzureWebJobsStorage='UseDevelopmentStorage=true', "
        "WebPubSubConnectionString='Endpoint=http://localhost;AccessKey=k;', CLIENT_AUTH='anonymous'); "
        "import function_app; sys.exit('azure.identity' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_identity_settings_alone_make_an_app_when_unauthenticated_events_are_allowed() -> None:
    settings = Settings.from_env(
        {
            "WebPubSubConnectionString__serviceUri": SERVICE,
            "AzureWebJobsStorage__accountName": "acc",
            "ALLOW_UNAUTHENTICATED_EVENTS": "true",
        }
    )
    assert settings.endpoints == (WebPubSubEndpoint(SERVICE),)
    assert settings.storage == StorageAccount(table_url=TABLES)
