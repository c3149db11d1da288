"""Settings are right, or each wrong one is named with its fix."""

from __future__ import annotations

import pytest

from chat.settings import ClientAuth, EntraCaller, Settings, SettingsError, WebPubSubEndpoint

ENDPOINT = "Endpoint=https://x.webpubsub.azure.com;AccessKey=secret+/key==;Version=1.0;"
STORAGE = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
GOOD = {"WebPubSubConnectionString": ENDPOINT, "AzureWebJobsStorage": STORAGE}


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(GOOD | changes)
    return caught.value.problems


def test_two_connection_strings_are_enough() -> None:
    settings = Settings.from_env(GOOD)
    assert settings.endpoints == (WebPubSubEndpoint("https://x.webpubsub.azure.com", "secret+/key=="),)
    assert settings.access_keys == {"https://x.webpubsub.azure.com": ("secret+/key==",)}
    assert settings.hub == "chat"
    assert settings.client_auth is ClientAuth.APP_SERVICE
    assert settings.max_message_bytes == 65536
    assert settings.serve_demo
    assert not settings.allow_unauthenticated_events


@pytest.mark.parametrize("separator", [",", " ", "\n", ", "])
def test_several_services_can_be_listed(separator: str) -> None:
    other = "Endpoint=https://replica.example;AccessKey=other;"
    settings = Settings.from_env(GOOD | {"WebPubSubConnectionString": ENDPOINT + separator + other})
    assert settings.access_keys == {
        "https://x.webpubsub.azure.com": ("secret+/key==",),
        "https://replica.example": ("other",),
    }
    assert settings.allowed_origins == ("https://x.webpubsub.azure.com", "https://replica.example")


def test_the_names_in_a_connection_string_have_no_case() -> None:
    settings = Settings.from_env(GOOD | {"WebPubSubConnectionString": "endpoint=https://a.b;ACCESSKEY=k"})
    assert settings.access_keys == {"https://a.b": ("k",)}


def test_an_identity_sends_and_a_key_still_proves() -> None:
    settings = Settings.from_env(GOOD | {"WebPubSubConnectionString__serviceUri": "https://x.webpubsub.azure.com/"})
    assert settings.endpoints[0] == WebPubSubEndpoint("https://x.webpubsub.azure.com")
    assert settings.access_keys == {"https://x.webpubsub.azure.com": ("secret+/key==",)}


def test_an_identity_alone_refuses_to_start_as_nothing_proves_events() -> None:
    found = problems(WebPubSubConnectionString="", WebPubSubConnectionString__serviceUri="https://x.y")
    assert len(found) == 1
    assert "ALLOW_UNAUTHENTICATED_EVENTS" in found[0]


def test_unauthenticated_events_can_be_allowed_explicitly() -> None:
    settings = Settings.from_env(
        GOOD
        | {
            "WebPubSubConnectionString": "",
            "WebPubSubConnectionString__serviceUri": "https://x.y",
            "ALLOW_UNAUTHENTICATED_EVENTS": "true",
        }
    )
    assert not settings.proves_events
    assert "ALLOW_UNAUTHENTICATED_EVENTS is on: anyone can send events as any user." in settings.warnings


def test_events_that_are_proven_need_no_warning() -> None:
    assert Settings.from_env(GOOD | {"ALLOW_UNAUTHENTICATED_EVENTS": "true"}).warnings == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AzureWebJobsStorage__tableServiceUri", "https://acc.table.core.windows.net/"),
        ("AzureWebJobsStorage__accountName", "acc"),
    ],
)
def test_storage_can_use_an_identity(name: str, value: str) -> None:
    settings = Settings.from_env(GOOD | {"AzureWebJobsStorage": "", name: value})
    assert settings.storage.table_url == "https://acc.table.core.windows.net"
    assert settings.storage.connection_string is None


@pytest.mark.parametrize("name", ["AzureWebJobsStorage__tableServiceUri", "AzureWebJobsStorage__accountName"])
def test_an_identity_goes_before_a_connection_string_of_storage_with_a_warning(name: str) -> None:
    value = "acc" if name.endswith("accountName") else "https://acc.table.core.windows.net"
    settings = Settings.from_env(GOOD | {name: value})
    assert settings.storage.connection_string is None
    assert settings.storage.table_url == "https://acc.table.core.windows.net"
    assert [warning for warning in settings.warnings if warning.startswith("AzureWebJobsStorage is not used")]


def test_a_connection_string_of_storage_alone_is_used_without_a_warning() -> None:
    settings = Settings.from_env(GOOD)
    assert settings.storage.connection_string == STORAGE
    assert not [warning for warning in settings.warnings if "AzureWebJobsStorage" in warning]


@pytest.mark.parametrize("url", ["http://acc.table.core.windows.net", "https://", "https://[", "acc"])
def test_a_table_service_that_is_not_an_https_url_is_named(url: str) -> None:
    found = problems(AzureWebJobsStorage="", AzureWebJobsStorage__tableServiceUri=url)
    assert len(found) == 1
    assert found[0].startswith("AzureWebJobsStorage__tableServiceUri")


@pytest.mark.parametrize("place", ["TableEndpoint=https://acc.table.core.windows.net", "AccountName=acc"])
def test_storage_can_use_a_shared_access_signature(place: str) -> None:
    text = f"{place};SharedAccessSignature=sv=2024&sig=x"
    assert Settings.from_env(GOOD | {"AzureWebJobsStorage": text}).storage.connection_string == text


def test_development_storage_is_the_emulator_s_account() -> None:
    settings = Settings.from_env(GOOD | {"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert "127.0.0.1:10002" in (settings.storage.connection_string or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WebPubSubConnectionString", ""),
        ("WebPubSubConnectionString", "nonsense"),
        ("WebPubSubConnectionString", "Endpoint=ftp://x;AccessKey=k"),
        ("WebPubSubConnectionString", "Endpoint=https://x;AccessKey="),
        ("WebPubSubConnectionString", "Endpoint=https://;AccessKey=k"),
        ("WebPubSubConnectionString", "Endpoint=https://[;AccessKey=k"),
        ("WebPubSubConnectionString", "Endpoint=https://x!y;AccessKey=k"),
        ("WebPubSubConnectionString", "Endpoint=http://x:port;AccessKey=k"),
        ("WebPubSubConnectionString__serviceUri", "http://x.y"),
        ("WebPubSubConnectionString__serviceUri", "https://"),
        ("WebPubSubConnectionString__serviceUri", "https://["),
        ("WebPubSubConnectionString__serviceUri", "https://x!y"),
        ("WebPubSubHub", "1chat"),
        ("WebPubSubHub", "a/b"),
        ("AzureWebJobsStorage", ""),
        ("AzureWebJobsStorage", "nonsense"),
        ("AzureWebJobsStorage", "AccountName=acc"),
        ("AzureWebJobsStorage", "TableEndpoint=https://acc.table.core.windows.net"),
        ("AzureWebJobsStorage", "AccountKey=c2VjcmV0;AccountName"),
        ("AzureWebJobsStorage", f"{STORAGE};garbage"),
        ("AzureWebJobsStorage", f"{STORAGE};AccountName=acc"),
        ("AzureWebJobsStorage", f"{STORAGE};accountname=acc"),
        ("AzureWebJobsStorage", f"{STORAGE};TableSecondaryEndpoint=https://acc-secondary.table.core.windows.net"),
        ("AzureWebJobsStorage", f"{STORAGE};TableEndpoint=http://[::1"),
        ("AzureWebJobsStorage", f"{STORAGE};TableEndpoint=acc.table.core.windows.net"),
        ("AzureWebJobsStorage", f"{STORAGE};TableEndpoint=http://127.0.0.1:port/acc"),
        ("AzureWebJobsStorage", f"{STORAGE}; AccountName=acc"),
        ("AzureWebJobsStorage", f"{STORAGE};TableEndpoint="),
        ("AzureWebJobsStorage", STORAGE.replace("c2VjcmV0", "c2VjcmV")),
        ("AzureWebJobsStorage", STORAGE.replace("c2VjcmV0", "<your key>")),
        ("CLIENT_AUTH", "everyone"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("MAX_MESSAGE_BYTES", "-5"),
        ("MAX_MESSAGE_BYTES", "9999999"),
        ("MAX_MESSAGE_BYTES", "64k"),
        ("DEMO_PAGE", "maybe"),
        ("ALLOW_UNAUTHENTICATED_EVENTS", "yes please"),
        ("MAX_EVENT_AGE_SECONDS", "599"),
        ("MAX_EVENT_AGE_SECONDS", "86401"),
        ("MAX_EVENT_AGE_SECONDS", "2 minutes"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    found = problems(**{name: value})
    assert len(found) == 1
    assert found[0].startswith(name)


GUID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
ENTRA = {"WEBHOOK_TENANT_ID": GUID, "WEBHOOK_APP_CLIENT_ID": GUID, "WEBHOOK_CALLER_OBJECT_IDS": GUID}


def test_a_token_of_entra_id_alone_is_enough_to_prove_events() -> None:
    settings = Settings.from_env(
        {
            "WebPubSubConnectionString__serviceUri": "https://x.webpubsub.azure.com",
            "AzureWebJobsStorage": STORAGE,
            **ENTRA,
            "WEBHOOK_CALLER_OBJECT_IDS": f"{GUID}, {GUID.upper()}",
            "WEBHOOK_CALLER_APP_IDS": GUID,
        }
    )

    assert settings.entra_caller == EntraCaller(
        GUID, GUID, (GUID, GUID.upper()), (GUID,), "https://login.microsoftonline.com"
    )
    assert settings.proves_events


@pytest.mark.parametrize(
    "value", ["login.microsoftonline.us", "https://login.microsoftonline.us", "https://login.microsoftonline.us/"]
)
def test_the_cloud_of_the_tenant_is_named_as_the_azure_sdks_and_the_deployment_name_it(value: str) -> None:
    caller = Settings.from_env(GOOD | ENTRA | {"AZURE_AUTHORITY_HOST": value}).entra_caller

    assert caller is not None
    assert caller.authority == "https://login.microsoftonline.us"


def test_no_token_is_demanded_where_none_of_its_settings_is_there() -> None:
    assert Settings.from_env(GOOD).entra_caller is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_TENANT_ID", ""),
        ("WEBHOOK_TENANT_ID", "contoso.com"),
        ("WEBHOOK_APP_CLIENT_ID", ""),
        ("WEBHOOK_APP_CLIENT_ID", "https://contoso.com"),
        ("WEBHOOK_CALLER_OBJECT_IDS", ""),
        ("WEBHOOK_CALLER_OBJECT_IDS", "me"),
        ("WEBHOOK_CALLER_OBJECT_IDS", f"{GUID},me"),
        ("WEBHOOK_CALLER_APP_IDS", "me"),
        ("AZURE_AUTHORITY_HOST", "http://login.microsoftonline.us"),
        ("AZURE_AUTHORITY_HOST", "login.microsoftonline.us:443"),
        ("AZURE_AUTHORITY_HOST", "US Government"),
    ],
)
def test_half_of_a_token_s_settings_is_named_and_never_opens_the_webhook(name: str, value: str) -> None:
    found = problems(**{**ENTRA, name: value})

    assert len(found) == 1
    assert found[0].startswith(name)


@pytest.mark.parametrize(("value", "seconds"), [("", 0), ("0", 0), ("600", 600), ("86400", 86400)])
def test_the_age_of_events_can_be_limited(value: str, seconds: int) -> None:
    assert Settings.from_env(GOOD | {"MAX_EVENT_AGE_SECONDS": value}).max_event_age_seconds == seconds


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"CLIENT_AUTH": "x", "MAX_MESSAGE_BYTES": "x"})
    assert len(caught.value.problems) == 4
    assert all(problem in str(caught.value) for problem in caught.value.problems)


def test_no_secret_shows_when_settings_are_printed() -> None:
    shown = repr(Settings.from_env(GOOD)) + str(problems(WebPubSubHub="!"))
    assert "secret" not in shown
    assert "c2VjcmV0" not in shown


def test_rooms_presence_and_the_rate_have_defaults() -> None:
    settings = Settings.from_env(GOOD)
    assert (settings.default_room, settings.announces_presence, settings.max_messages_per_second) == ("lobby", True, 20)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFAULT_ROOM", ".."),
        ("DEFAULT_ROOM", "@team"),
        ("DEFAULT_ROOM", "x" * 129),
        ("DEFAULT_ROOM", "a\nb"),
        ("PRESENCE", "maybe"),
        ("MAX_MESSAGES_PER_SECOND", "-1"),
        ("MAX_MESSAGES_PER_SECOND", "1001"),
        ("MAX_MESSAGES_PER_SECOND", "fast"),
    ],
)
def test_an_impossible_room_presence_or_rate_is_named(name: str, value: str) -> None:
    [problem] = problems(**{name: value})
    assert problem.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("client_auth", "private_rooms", "is_warned"),
    [("anonymous", "true", True), ("anonymous", "false", False), ("function_key", "true", False)],
)
def test_private_rooms_of_clients_that_name_themselves_are_warned_of(
    client_auth: str, private_rooms: str, is_warned: bool
) -> None:
    settings = Settings.from_env(GOOD | {"CLIENT_AUTH": client_auth, "PRIVATE_ROOMS": private_rooms})
    assert settings.has_private_rooms is (private_rooms == "true")
    assert any(warning.startswith("PRIVATE_ROOMS is on") for warning in settings.warnings) is is_warned
