"""Settings from the environment, with the key names of Microsoft's emulator."""

import pytest

from local.webpubsub import DEFAULT_ACCESS_KEY, EmulatorSettings, EventHandler, SettingsError
from local.webpubsub.event_handlers import EventHandlerError
from local.webpubsub.settings import access_keys_from_env, event_handlers_from_env


def test_handlers_come_from_the_environment_in_order() -> None:
    environ = {
        "WebPubSub__Hubs__Chat__EventHandlers__1__UrlTemplate": "http://h/second",
        "WebPubSub__Hubs__Chat__EventHandlers__0__UrlTemplate": "http://h/{event}",
        "WebPubSub__Hubs__Chat__EventHandlers__0__SystemEvents__0": "connect",
        "WebPubSub__Hubs__Chat__EventHandlers__0__SystemEvents__1": "Connected",
        "WEBPUBSUB__HUBS__CHAT__EVENTHANDLERS__0__EVENTPATTERN": "*",
        "PATH": "/bin",
        "WebPubSubConnectionString__serviceUri": "http://localhost",
    }
    assert event_handlers_from_env(environ) == {
        "chat": [
            EventHandler("http://h/{event}", frozenset({"connect", "connected"}), "*"),
            EventHandler("http://h/second", frozenset(), ""),
        ]
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WebPubSub__Hubs__chat__EventHandlers__0__EventPattern", "*"),
        ("WebPubSub__Hubs__chat__EventHandlers__0__UrlTemplate", "no url"),
        ("WebPubSub__Hubs__chat__EventHandlers__x__UrlTemplate", "http://h"),
        ("WebPubSub__Hubs__chat__EventListeners__0__EventHubName", "h"),
    ],
)
def test_a_key_that_cannot_work_is_an_error_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="WebPubSub__Hubs__"):
        event_handlers_from_env({name: value})


@pytest.mark.parametrize(
    ("url_template", "system_event"),
    [("ftp://h", "connect"), ("http://{event}.h/", "connect"), ("http://h", "message")],
)
def test_a_handler_that_could_never_be_called_is_an_error(url_template: str, system_event: str) -> None:
    with pytest.raises(EventHandlerError):
        EventHandler(url_template, frozenset({system_event}))


def test_values_in_a_url_are_escaped() -> None:
    assert EventHandler("http://h/{HUB}?e={event}").url("a[b]", "x/y") == "http://h/a%5Bb%5D?e=x%2Fy"


def test_access_keys_come_from_the_environment() -> None:
    assert access_keys_from_env({}) == (DEFAULT_ACCESS_KEY, None)
    assert access_keys_from_env({"WebPubSub__AccessKey": "a", "WebPubSub__SecondaryAccessKey": "b"}) == ("a", "b")


def test_an_empty_key_is_an_error() -> None:
    with pytest.raises(SettingsError, match="WebPubSub__AccessKey"):
        EmulatorSettings(access_key="")


@pytest.mark.parametrize(
    "endpoint", ["pubsub.example", "ws://pubsub.example", "https://", "https://a/?b", "http://a b"]
)
def test_an_endpoint_that_no_caller_could_use_is_an_error(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="write http://host or https://host"):
        EmulatorSettings(known_endpoints=("https://good.example/", endpoint))
    with pytest.raises(SettingsError, match="write http://host or https://host"):
        EmulatorSettings(public_endpoint=endpoint)


def test_keys_are_not_in_the_representation() -> None:
    assert "primary" not in repr(EmulatorSettings(access_key="primary"))
