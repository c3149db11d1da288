"""Nothing is open that need not be: the webhook in every mode, keys, roles, outputs."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import pytest

from chat.authenticators import make_authenticators
from chat.settings import Settings
from tests.infra.azure import TENANT, guid
from tests.infra.bicep import text, walk
from tests.infra.deployment import Deployment, Resource
from tests.infra.infra import EVENT_PROOFS, EXISTING_APPLICATION, Infra
from tests.infra.test_settings import app_settings
from tests.unit.jwks import Issuer, serving
from tests.wire import event
from webpubsub_handler import (
    AccessKeyAuthenticator,
    AuthenticationError,
    HttpRequest,
    HttpResponse,
    WebPubSubEventHandler,
    sign,
)
from webpubsub_handler.entra import EntraAuthenticator
from webpubsub_handler.signing_keys import SigningKeys

ROLES: Final = {
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Web PubSub Service Owner": "12cf5a90-567b-43ae-8102-96cf46c7d9b4",
}
DEVELOPER: Final = "6a0d3c11-0000-0000-0000-000000000001"
# Parameters of main.bicep: what a deployer writes, or leaves empty.
EMPTY_MEANS_NOT_CHOSEN: Final = {
    "alertEmail",
    "clientAppIds",
    "corsOrigins",
    "existingWorkspaceId",
    "principalId",
    "webhookAppClientId",
}


def answer(deployment: Deployment, request: HttpRequest) -> HttpResponse:
    """Ask the handler, with the settings of a deployment."""
    settings = Settings.from_env(app_settings(deployment))
    handler = WebPubSubEventHandler(
        settings.hub, make_authenticators(settings), allowed_origins=settings.allowed_origins
    )
    return asyncio.run(handler.handle(request))


def origin(deployment: Deployment) -> str:
    return f"{deployment.one('Microsoft.SignalRService/webPubSub').name}.webpubsub.azure.com"


def test_an_event_without_a_proof_is_refused_in_every_mode(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        fields = {"WebHook-Request-Origin": origin(deployment), "ce-signature": None, "Authorization": None}
        assert answer(deployment, event("user_text", headers=fields)).status == 401, name


def test_the_service_may_ask_without_a_proof_in_every_mode(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        asked = event("quirks/validation", headers={"WebHook-Request-Origin": origin(deployment)})
        assert answer(deployment, asked).headers["WebHook-Allowed-Origin"] == origin(deployment), name


def test_each_mode_has_its_one_proof(infra: Infra) -> None:
    kinds: dict[str, type] = {"managedIdentity": EntraAuthenticator, "accessKey": AccessKeyAuthenticator}
    for name, deployment in infra.deployments.items():
        proofs = make_authenticators(Settings.from_env(app_settings(deployment)))
        assert [type(proof) for proof in proofs] == [kinds[name.split()[0]]], name


def test_both_access_keys_sign(infra: Infra) -> None:
    deployment = infra.deploy(eventAuthentication="accessKey")
    for key, status in (("primary-key", 204), ("secondary-key", 204), ("another-key", 401)):
        fields = {
            "WebHook-Request-Origin": origin(deployment),
            "ce-connectionId": "c1",
            "ce-signature": sign(key, "c1"),
        }
        assert answer(deployment, event("user_text", headers=fields)).status == status


def test_the_token_that_the_service_asks_for_is_the_one_that_the_app_wants(infra: Infra) -> None:
    for existing in ("", EXISTING_APPLICATION):
        deployment = infra.deploy(webhookAppClientId=existing)
        (handler,) = deployment.one("Microsoft.SignalRService/webPubSub/hubs").body["properties"]["eventHandlers"]
        settings = app_settings(deployment)
        assert handler["auth"] == {
            "type": "ManagedIdentity",
            "managedIdentity": {"resource": settings["WEBHOOK_APP_CLIENT_ID"]},
        }
        assert settings["WEBHOOK_CALLER_OBJECT_IDS"] == deployment.outputs["WEB_PUBSUB_PRINCIPAL_ID"]


@pytest.mark.external
async def test_a_token_of_the_service_for_what_the_hub_names_passes_and_no_other(infra: Infra) -> None:
    deployment = infra.deploy()
    (handler,) = deployment.one("Microsoft.SignalRService/webPubSub/hubs").body["properties"]["eventHandlers"]
    caller = Settings.from_env(app_settings(deployment)).entra_caller
    assert caller is not None
    good = {
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "tid": TENANT,
        "aud": handler["auth"]["managedIdentity"]["resource"],
        "oid": deployment.outputs["WEB_PUBSUB_PRINCIPAL_ID"],
        "exp": 4_102_444_800,
    }
    async with serving(Issuer()) as issuer:
        proof = EntraAuthenticator(
            tenant_id=caller.tenant_id,
            audience=caller.audience,
            object_ids=caller.object_ids,
            keys=SigningKeys(issuer.url),
        )
        await proof.authenticate(event("user_text", headers={"Authorization": f"Bearer {issuer.token(good)}"}))
        for claim, value in (("oid", app_principal(deployment)), ("aud", DEVELOPER), ("tid", DEVELOPER)):
            token = issuer.token(good | {claim: value})
            with pytest.raises(AuthenticationError):
                await proof.authenticate(event("user_text", headers={"Authorization": f"Bearer {token}"}))


def identities(resource: Resource) -> list[str]:
    assert resource.body["identity"]["type"] == "UserAssigned"
    return list(resource.body["identity"]["userAssignedIdentities"])


def test_the_service_s_identity_is_its_own(infra: Infra) -> None:
    deployment = infra.deploy()
    (own,) = identities(deployment.one("Microsoft.SignalRService/webPubSub"))
    assert own in deployment.resources
    holders = [
        each.type for each in deployment.resources.values() if "identity" in each.body and own in identities(each)
    ]
    assert holders == ["Microsoft.SignalRService/webPubSub"]
    assert deployment.outputs["WEB_PUBSUB_PRINCIPAL_ID"] == guid(own, "principalId")


def test_no_proof_never_comes_out_of_a_value_that_only_azure_knows(infra: Infra) -> None:
    """With tokens, an empty client id leads to a refusal, not to a hub that proves nothing."""
    for path, file in infra.files.items():
        for node in walk(file.root):
            if node.type == "call_expression" and text(node).startswith("empty("):
                argument = text(node.named_children[1])[1:-1]
                assert argument in EMPTY_MEANS_NOT_CHOSEN, (path, argument)


def test_access_keys_exist_only_where_they_sign(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        is_keyless = name.startswith("managedIdentity")
        properties = deployment.one("Microsoft.SignalRService/webPubSub").body["properties"]
        (handler,) = deployment.one("Microsoft.SignalRService/webPubSub/hubs").body["properties"]["eventHandlers"]
        assert properties["disableLocalAuth"] is is_keyless, name
        assert (handler["auth"] == {"type": "None"}) is not is_keyless, name
        assert bool(deployment.of_type("Microsoft.KeyVault/vaults")) is not is_keyless, name


def test_nothing_else_has_a_key(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        storage = deployment.one("Microsoft.Storage/storageAccounts").body["properties"]
        assert storage["allowSharedKeyAccess"] is False
        assert storage["allowBlobPublicAccess"] is False
        assert storage["supportsHttpsTrafficOnly"] is True
        assert storage["minimumTlsVersion"] == "TLS1_2"
        assert deployment.one("Microsoft.Insights/components").body["properties"]["DisableLocalAuth"] is True
        assert deployment.one("Microsoft.OperationalInsights/workspaces").body["properties"]["features"] == {
            "disableLocalAuth": True
        }
        site = deployment.one("Microsoft.Web/sites").body["properties"]
        assert site["httpsOnly"] is True
        assert site["siteConfig"]["minTlsVersion"] == "1.2"
        publishing = deployment.one("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
        assert (publishing.name.split("/")[1], publishing.body["properties"]) == ("scm", {"allow": False})
        assert storage["defaultToOAuthAuthentication"] is True
        for vault in deployment.of_type("Microsoft.KeyVault/vaults"):
            assert vault.body["properties"]["enableRbacAuthorization"] is True
            assert vault.body["properties"]["enableSoftDelete"] is True


def test_clients_reach_the_service_from_the_internet(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        assert service(deployment).body["properties"]["publicNetworkAccess"] == "Enabled"
        assert service(deployment).body["kind"] == "WebPubSub"


def test_the_vault_holds_both_connection_strings_and_nothing_else(infra: Infra) -> None:
    (secret,) = infra.deploy(eventAuthentication="accessKey").of_type("Microsoft.KeyVault/vaults/secrets")
    strings = secret.body["properties"]["value"].split(",")
    assert [string.endswith("Version=1.0;") for string in strings] == [True, True]


def test_clients_without_a_token_cannot_connect(infra: Infra) -> None:
    hub = infra.deploy().one("Microsoft.SignalRService/webPubSub/hubs")
    assert hub.body["properties"]["anonymousConnectPolicy"] == "deny"


def test_keys_are_read_into_the_key_vault_alone(infra: Infra) -> None:
    for path, file in infra.files.items():
        calls = [
            node for node in walk(file.root) if node.type == "call_expression" and "list" in text(node)[:40].lower()
        ]
        assert not calls or path == "infra/app/key-vault.bicep", path
        for name, node in file.outputs.items():
            assert not re.search(r"list\w+\(|connectionstring\b", text(node), re.IGNORECASE), (path, name)


def test_no_output_and_no_setting_holds_a_key(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        for shown in (deployment.outputs, deployment.config("appsettings")):
            assert not re.search(r"AccessKey=|AccountKey=|(primary|secondary)-key", str(shown)), name


def test_no_key_is_written_in_any_file(infra: Infra) -> None:
    for path, source in infra.sources.items():
        assert not re.search(r"AccessKey=|AccountKey=|SharedAccess|[A-Za-z0-9+/]{40,}={1,2}", source), path


def service(deployment: Deployment) -> Resource:
    return deployment.one("Microsoft.SignalRService/webPubSub")


def app_principal(deployment: Deployment) -> str:
    (principal,) = {
        role.body["properties"]["principalId"]
        for role in deployment.of_type("Microsoft.Authorization/roleAssignments")
        if role.module == "infra/app/app-roles.bicep"
    }
    assert isinstance(principal, str)
    return principal


def test_the_demo_s_url_signs_in_where_users_must(infra: Infra) -> None:
    sign_in = "/.auth/login/aad?post_login_redirect_uri="
    for client_auth, wanted in {"app_service": f"{sign_in}/api/demo/", "anonymous": "/api/demo/"}.items():
        outputs = infra.deploy(clientAuth=client_auth).outputs
        assert outputs["DEMO_URL"].removeprefix(outputs["SERVICE_API_URI"]) == wanted


def test_the_roles_are_the_known_ones_by_name_and_id(infra: Infra) -> None:
    assert infra.json("infra/roles.json") == ROLES


def roles(deployment: Deployment, principal: str) -> dict[tuple[str, str], Any]:
    """Return a principal's roles: by name, and the type that each is scoped to."""
    names = {role_id: name for name, role_id in ROLES.items()}
    return {
        (
            names[role.body["properties"]["roleDefinitionId"].rpartition("/")[2]],
            (role.scope or role.id).split("/")[-2],
        ): role
        for role in deployment.of_type("Microsoft.Authorization/roleAssignments")
        if role.body["properties"]["principalId"] == principal
    }


def test_the_app_has_the_least_roles_each_on_one_resource(infra: Infra) -> None:
    least = {
        ("Monitoring Metrics Publisher", "components"),
        ("Storage Blob Data Owner", "storageAccounts"),
        ("Storage Table Data Contributor", "storageAccounts"),
        ("Web PubSub Service Owner", "webPubSub"),
    }
    for proof in EVENT_PROOFS:
        deployment = infra.deploy(eventAuthentication=proof)
        vault = {("Key Vault Secrets User", "vaults")} if proof == "accessKey" else set()
        found = roles(deployment, app_principal(deployment))
        assert set(found) == least | vault
        assert {role.body["properties"]["principalType"] for role in found.values()} == {"ServicePrincipal"}
        assert len(deployment.of_type("Microsoft.Authorization/roleAssignments")) == len(found)


def test_a_developer_gets_what_running_the_app_takes_unless_not_wanted(infra: Infra) -> None:
    for kind in ("User", "ServicePrincipal"):
        found = roles(infra.deploy(principalId=DEVELOPER, principalType=kind), DEVELOPER)
        assert set(found) == {
            ("Storage Table Data Contributor", "storageAccounts"),
            ("Web PubSub Service Owner", "webPubSub"),
        }
        assert {role.body["properties"]["principalType"] for role in found.values()} == {kind}
    assert not roles(infra.deploy(principalId=DEVELOPER, developerRoles=False), DEVELOPER)


def test_a_role_of_a_new_identity_never_collides_with_that_of_a_deleted_one(infra: Infra) -> None:
    """Azure refuses to change whom an assignment is for, so its name follows from the principal's id."""
    found = [set(roles(infra.deploy(principalId=each), each)) for each in (DEVELOPER, DEVELOPER[::-1])]
    ids = [
        {role.name for role in infra.deploy(principalId=each).of_type("Microsoft.Authorization/roleAssignments")}
        for each in (DEVELOPER, DEVELOPER[::-1])
    ]
    assert found[0] == found[1]
    assert len(ids[0] - ids[1]) == len(found[0])
