"""Settings that code gives."""

from __future__ import annotations

import pytest

from webpubsub_emulator import EmulatorSettings, EventHandler, EventHandlerError, SettingsError


@pytest.mark.parametrize(
    ("url_template", "said"),
    [
        ("ftp://h", "http"),
        ("http://", "host"),
        ("http://{event}.h/", "{event} in its host"),
        ("http://h/{name}", "the parameter {name}"),
        ("http://[::1/{event}", "is not a URL"),
        ("http://h:port/{event}", "is not a URL"),
        ("http://h:99999/{event}", "is not a URL"),
        ("tunnel:///api/{event}", "tunnel"),
        ("{@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/url)}", "Key Vault"),
        ("http://h/?code={@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/key)}", "Key Vault"),
    ],
)
def test_a_url_that_could_never_be_called_is_an_error_that_says_why(url_template: str, said: str) -> None:
    with pytest.raises(EventHandlerError) as raised:
        EventHandler(url_template)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"system_events": frozenset({"message"})}, "'message' is not a system event; use connect, connected, disc"),
        ({"group_events": frozenset({"connect"})}, "'connect' is not a group presence event; use joined, left"),
        ({"event_pattern": "room.*"}, "no other wildcards"),
        ({"event_pattern": "a,b?"}, "no other wildcards"),
        ({"group_filters": ("a", "")}, "group filter is empty"),
    ],
)
def test_events_that_there_are_not_are_an_error(options: dict[str, frozenset[str]], said: str) -> None:
    with pytest.raises(EventHandlerError) as raised:
        EventHandler("http://h", **options)  # type: ignore[arg-type]
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("pattern", "event", "is_taken"),
    [
        ("*", "any.thing", True),
        ("a, B ,c", "b", True),
        ("a,b", "ab", False),
        ("a,*", "x", True),
        ("", "message", False),
    ],
)
def test_a_pattern_is_everything_or_names_in_any_case(pattern: str, event: str, is_taken: bool) -> None:
    assert EventHandler("http://h", event_pattern=pattern).takes_user_event(event) is is_taken


@pytest.mark.parametrize(
    ("text", "group", "is_taken"),
    [
        ("room-*", "room-", True),
        ("room-*", "a room-1", False),
        ("*-1*-2", "a-1b-2", True),
        ("*-1*-2", "a-1-2 ", False),
        ("*", "a\nb", True),
        ("[a]?.", "[a]?.", True),
        ("[a]?.", "abc", False),
        ("*a" * 30 + "*b", "a" * 1024, False),  # the client chooses the group: it must not cost hours
    ],
)
def test_a_star_in_a_group_filter_is_any_text_and_nothing_else_is(text: str, group: str, is_taken: bool) -> None:
    handler = EventHandler("http://h", group_events=frozenset({"joined"}), group_filters=(text,))
    assert handler.takes_group_event("joined", group) is is_taken


def test_values_in_a_url_are_escaped() -> None:
    assert EventHandler("http://h/{HUB}?e={event}").url("a[b]", "x/y") == "http://h/a%5Bb%5D?e=x%2Fy"


@pytest.mark.parametrize("key", ["", " padded-key", "with;semicolon", "with\ncontrol"])
def test_a_key_that_a_connection_string_cannot_hold_is_an_error_that_names_it(key: str) -> None:
    with pytest.raises(SettingsError, match="AccessKey"):
        EmulatorSettings(access_key=key)
    with pytest.raises(SettingsError, match="SecondaryAccessKey"):
        EmulatorSettings(secondary_access_key=key)


def test_a_hub_that_cannot_be_is_an_error_that_names_it() -> None:
    with pytest.raises(SettingsError, match="'1x' cannot name a hub"):
        EmulatorSettings(anonymous_hubs=["1x"])


@pytest.mark.parametrize(
    "endpoint",
    ["pubsub.example", "ws://pubsub.example", "https://", "https://a/?b", "http://a b", "http://[", "http://a:99999"],
)
def test_an_endpoint_that_no_caller_could_use_is_an_error(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="write http://host or https://host"):
        EmulatorSettings(known_endpoints=("https://good.example/", endpoint))
    with pytest.raises(SettingsError, match="write http://host or https://host"):
        EmulatorSettings(public_endpoint=endpoint)


def test_keys_are_not_in_the_representation() -> None:
    assert "primary" not in repr(EmulatorSettings(access_key="primary"))
