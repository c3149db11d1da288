"""Settings are right, or each wrong one is named with its fix."""

import pytest

from chat.settings import ClientAuth, Settings, SettingsError, WebPubSubEndpoint

ENDPOINT = "Endpoint=https://x.webpubsub.azure.com;AccessKey=secret+/key==;Version=1.0;"
STORAGE = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
GOOD = {"WebPubSubConnectionString": ENDPOINT, "AzureWebJobsStorage": STORAGE}


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(GOOD | changes)
    return caught.value.problems


def test_two_connection_strings_are_enough() -> None:
    settings = Settings.from_env(GOOD)
    assert settings.endpoints == (WebPubSubEndpoint("https://x.webpubsub.azure.com", ENDPOINT, "secret+/key=="),)
    assert settings.access_keys == ("secret+/key==",)
    assert settings.hub == "chat"
    assert settings.client_auth is ClientAuth.APP_SERVICE
    assert settings.max_message_bytes == 65536
    assert settings.serve_demo
    assert not settings.allow_unauthenticated_events


@pytest.mark.parametrize("separator", [",", " ", "\n", ", "])
def test_several_services_can_be_listed(separator: str) -> None:
    other = "Endpoint=https://replica.example;AccessKey=other;"
    settings = Settings.from_env(GOOD | {"WebPubSubConnectionString": ENDPOINT + separator + other})
    assert settings.access_keys == ("secret+/key==", "other")
    assert settings.allowed_origins == ("https://x.webpubsub.azure.com", "https://replica.example")


def test_the_names_in_a_connection_string_have_no_case() -> None:
    settings = Settings.from_env(GOOD | {"WebPubSubConnectionString": "endpoint=https://a.b;ACCESSKEY=k"})
    assert settings.access_keys == ("k",)


def test_an_identity_sends_and_a_key_still_proves() -> None:
    settings = Settings.from_env(GOOD | {"WebPubSubConnectionString__serviceUri": "https://x.webpubsub.azure.com/"})
    assert settings.endpoints[0] == WebPubSubEndpoint("https://x.webpubsub.azure.com")
    assert settings.access_keys == ("secret+/key==",)


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
    assert settings.access_keys == ()


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
        ("WebPubSubConnectionString__serviceUri", "http://x.y"),
        ("WebPubSubHub", "1chat"),
        ("WebPubSubHub", "a/b"),
        ("AzureWebJobsStorage", ""),
        ("AzureWebJobsStorage", "nonsense"),
        ("CLIENT_AUTH", "everyone"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("MAX_MESSAGE_BYTES", "-5"),
        ("MAX_MESSAGE_BYTES", "9999999"),
        ("MAX_MESSAGE_BYTES", "64k"),
        ("DEMO_PAGE", "maybe"),
        ("ALLOW_UNAUTHENTICATED_EVENTS", "yes please"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    found = problems(**{name: value})
    assert len(found) == 1
    assert found[0].startswith(name)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"CLIENT_AUTH": "x", "MAX_MESSAGE_BYTES": "x"})
    assert len(caught.value.problems) == 4
    assert all(problem in str(caught.value) for problem in caught.value.problems)


def test_no_secret_shows_when_settings_are_printed() -> None:
    shown = repr(Settings.from_env(GOOD)) + str(problems(WebPubSubHub="!"))
    assert "secret" not in shown
    assert "c2VjcmV0" not in shown
