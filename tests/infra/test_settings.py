"""What the deployment sets is what the code reads, and the names on both sides are the same."""

from __future__ import annotations

from typing import Any, Final

import function_app
from chat.backends.members import MEMBERS_TABLE_NAME
from chat.backends.service import Service
from chat.backends.table_store import TABLE_NAME, TableStore
from chat.messaging.outbox import OUTBOX_TABLE_NAME, Outbox
from chat.settings import ClientAuth, Settings
from infra.hooks.choices import TAKEN
from tests.infra.azure import TENANT
from tests.infra.deployment import Deployment
from tests.infra.infra import CLIENT_AUTHS, EXISTING_APPLICATION, Infra

# What the host, App Service and the Azure SDKs read.
PLATFORM_SETTINGS: Final = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID",
}
# What the code reads and the deployment must leave alone, with the reason.
LEFT_ALONE: Final = {
    "ALLOW_UNAUTHENTICATED_EVENTS": "opens the webhook",
    "AzureWebJobsStorage": "is a key",
    "WEBHOOK_CALLER_APP_IDS": "the object id pins the caller",
    "WEBSITE_AUTH_ENABLED": "is the platform's",
}
# Of EVERYTHING: what only the deployer's own code reads.
DEPLOYER_S: Final = {"MY_SETTING"}


class Asked(dict[str, str]):
    """Settings that remember which names were asked for."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__(settings)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def app_settings(deployment: Deployment) -> dict[str, str]:
    """Return the settings as the app sees them: references to the key vault are its values."""
    settings: dict[str, str] = deployment.config("appsettings")
    for secret in deployment.of_type("Microsoft.KeyVault/vaults/secrets"):
        vault, name = secret.name.split("/")
        reference = f"@Microsoft.KeyVault(SecretUri=https://{vault}.vault.azure.net/secrets/{name})"
        value = secret.body["properties"]["value"]
        settings = {key: value if given == reference else given for key, given in settings.items()}
    return settings


def test_the_app_starts_with_the_settings_of_every_choice(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        settings = Settings.from_env(app_settings(deployment))
        assert settings.client_auth is ClientAuth(name.split()[1])


def test_every_setting_is_one_that_somebody_reads(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        settings = Asked(app_settings(deployment))
        Settings.from_env(settings)
        assert not set(settings) - settings.names - PLATFORM_SETTINGS - DEPLOYER_S


def test_every_setting_that_the_code_reads_is_set_or_left_alone_on_purpose(infra: Infra) -> None:
    asked = Asked(app_settings(infra.deploy()))
    Settings.from_env(asked)
    given = {name for deployment in infra.deployments.values() for name in app_settings(deployment)}
    assert asked.names == (given - PLATFORM_SETTINGS - DEPLOYER_S) | set(LEFT_ALONE)
    assert not given & set(LEFT_ALONE)


def test_the_deployer_s_choices_reach_the_app(infra: Infra) -> None:
    deployment = infra.deploy(
        demoPage=False, maxEventAgeSeconds=900, maxMessageBytes=1000, presence=False, messageRetentionDays=30,
        maxMessagesPerSecond=5, defaultRoom="hall", privateRooms=False, appSettings={"MY_SETTING": "1"},
    )  # fmt: skip
    settings = app_settings(deployment)
    read = Settings.from_env(settings)
    assert (read.serve_demo, read.max_event_age_seconds, read.max_message_bytes) == (False, 900, 1000)
    wanted = {
        "MY_SETTING": "1",
        "DEFAULT_ROOM": "hall",
        "MAX_MESSAGES_PER_SECOND": "5",
        "MESSAGE_RETENTION_DAYS": "30",
        "PRESENCE": "false",
        "PRIVATE_ROOMS": "false",
    }
    assert wanted.items() <= settings.items()


def test_the_defaults_of_choices_are_the_code_s(infra: Infra) -> None:
    settings = app_settings(infra.deploy())
    without = {name: value for name, value in settings.items() if not name.startswith(("DEMO_", "MAX_"))}
    assert Settings.from_env(settings) == Settings.from_env(without)


def test_messages_are_kept_for_ever_unless_a_number_of_days_is_chosen(infra: Infra) -> None:
    assert "MESSAGE_RETENTION_DAYS" not in app_settings(infra.deploy())


def test_a_setting_of_the_template_cannot_be_replaced(infra: Infra) -> None:
    theirs = {"WEBHOOK_CALLER_OBJECT_IDS": "theirs", "CLIENT_AUTH": "anonymous", "MY_SETTING": "1"}
    settings = app_settings(infra.deploy(appSettings=theirs))
    assert settings | {"MY_SETTING": "1"} == app_settings(infra.deploy()) | {"MY_SETTING": "1"}


def test_the_hook_refuses_every_name_that_the_template_sets(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        for name in deployment.config("appsettings").keys() - DEPLOYER_S:
            assert TAKEN.fullmatch(name), name


def test_pages_of_other_origins_are_those_that_were_named(infra: Infra) -> None:
    def origins(**choices: str) -> Any:
        site = infra.deploy(**choices).one("Microsoft.Web/sites").body["properties"]
        return site["siteConfig"]["cors"]["allowedOrigins"]

    assert origins() == []
    assert origins(corsOrigins="https://a.example, https://b.example") == ["https://a.example", "https://b.example"]


def test_the_settings_are_texts(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        assert all(isinstance(value, str) and value for value in deployment.config("appsettings").values())


def test_the_app_uses_its_own_identity_everywhere(infra: Infra) -> None:
    deployment = infra.deploy()
    settings = deployment.config("appsettings")
    site = deployment.one("Microsoft.Web/sites")
    (identity,) = site.body["identity"]["userAssignedIdentities"]
    assert identity in deployment.resources
    names = ("AZURE_CLIENT_ID", "AzureWebJobsStorage__clientId", "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID")
    (client_id,) = {settings[name] for name in names}
    assert settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == f"ClientId={client_id};Authorization=AAD"
    assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
    assert site.body["properties"]["keyVaultReferenceIdentity"] == identity
    assert settings["AZURE_TOKEN_CREDENTIALS"] == "ManagedIdentityCredential"


def test_the_hub_s_default_is_the_code_s(infra: Infra) -> None:
    bare = {
        "WebPubSubConnectionString": "Endpoint=https://x.y;AccessKey=k;",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    }
    deployment = infra.deploy()
    hub = deployment.one("Microsoft.SignalRService/webPubSub/hubs")
    assert hub.name.split("/")[1] == Settings.from_env(bare).hub == deployment.outputs["WEB_PUBSUB_HUB"]


def test_another_hub_is_the_same_in_service_and_app(infra: Infra) -> None:
    deployment = infra.deploy(hubName="orders")
    assert deployment.one("Microsoft.SignalRService/webPubSub/hubs").name.endswith("/orders")
    assert app_settings(deployment)["WebPubSubHub"] == "orders"


def test_the_event_handler_s_url_is_the_route_of_the_function(infra: Infra) -> None:
    deployment = infra.deploy()
    settings = Settings.from_env(app_settings(deployment))
    store, service = TableStore("chat", settings.storage), Service("chat", settings.endpoints[0])
    app = function_app.build(settings, store, service, Outbox(store, service))
    (route,) = {
        function.get_dict_repr()["bindings"][0]["route"]
        for function in app.get_functions()
        if function.get_function_name() == "eventhandler"
    }
    site = f"https://{deployment.one('Microsoft.Web/sites').name}-x1.westeurope-01.azurewebsites.net"
    handler = deployment.one("Microsoft.SignalRService/webPubSub/hubs").body["properties"]["eventHandlers"][0]
    assert route == "eventhandler/{event?}"
    assert handler["urlTemplate"] == f"{site}/api/eventhandler" == deployment.outputs["EVENT_HANDLER_URL"]
    assert infra.deploy(clientAuth="anonymous").outputs["DEMO_URL"] == f"{site}/api/demo/"


def test_no_demo_is_shown_where_the_page_is_not_served_or_cannot_connect(infra: Infra) -> None:
    assert infra.deploy(demoPage=False).outputs["DEMO_URL"] == ""
    assert infra.deploy(clientAuth="function_key").outputs["DEMO_URL"] == ""


def test_the_hub_sends_every_event_that_the_app_handles(infra: Infra) -> None:
    (handler,) = infra.deploy().one("Microsoft.SignalRService/webPubSub/hubs").body["properties"]["eventHandlers"]
    assert handler["systemEvents"] == ["connect", "connected", "disconnected"]
    assert handler["userEventPattern"] == "*"


def test_the_tables_are_the_code_s(infra: Infra) -> None:
    deployment = infra.deploy()
    tables = deployment.of_type("Microsoft.Storage/storageAccounts/tableServices/tables")
    assert {table.name.split("/")[-1] for table in tables} == {TABLE_NAME, OUTBOX_TABLE_NAME, MEMBERS_TABLE_NAME}
    account = tables[0].name.split("/")[0]
    settings = Settings.from_env(app_settings(deployment))
    assert settings.storage.table_url == f"https://{account}.table.core.windows.net"
    assert app_settings(deployment)["AzureWebJobsStorage__accountName"] == account


def test_the_app_sends_with_its_identity_to_the_deployed_service(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        service = deployment.one("Microsoft.SignalRService/webPubSub")
        sender = Settings.from_env(app_settings(deployment)).endpoints[0]
        assert sender.url == f"https://{service.name}.webpubsub.azure.com"
        assert sender.access_key is None


def test_an_existing_application_takes_the_place_of_a_new_one(infra: Infra) -> None:
    for client_auth in CLIENT_AUTHS:
        new = infra.deploy(clientAuth=client_auth)
        existing = infra.deploy(clientAuth=client_auth, webhookAppClientId=EXISTING_APPLICATION)
        assert len(new.of_type("Microsoft.Graph/applications")) == 1
        assert not [r for r in existing.resources.values() if r.type.startswith("Microsoft.Graph/")]
        assert app_settings(existing)["WEBHOOK_APP_CLIENT_ID"] == EXISTING_APPLICATION
        assert app_settings(new)["WEBHOOK_TENANT_ID"] == TENANT


def test_no_application_is_registered_where_none_is_needed(infra: Infra) -> None:
    for client_auth in ("function_key", "anonymous"):
        deployment = infra.deploy(eventAuthentication="accessKey", clientAuth=client_auth)
        assert not [r for r in deployment.resources.values() if r.type.startswith("Microsoft.Graph/")]
