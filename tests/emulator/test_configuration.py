"""Settings from a file and from the environment: one tree, the environment first, and every problem named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from webpubsub_emulator import EventHandler, SettingsError
from webpubsub_emulator.configuration import Configuration, read_configuration

HANDLER = "WebPubSub__Hubs__chat__EventHandlers__0__"


def read(tmp_path: Path, section: Any, **environ: str) -> Configuration:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"WebPubSub": section}))
    return read_configuration(environ, file)


def problems(tmp_path: Path, section: Any, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        read(tmp_path, section, **environ)
    return str(raised.value)


def test_nothing_is_said_by_nothing() -> None:
    assert read_configuration({"PATH": "/bin", "WebPubSubConnectionString__serviceUri": "x"}) == Configuration()


def test_the_environment_has_the_key_names_of_microsofts_emulator_in_any_case() -> None:
    environ = {
        "WebPubSub__AccessKey": "one",
        "WEBPUBSUB__SECONDARYACCESSKEY": "two",
        "WebPubSub__AllowUnvalidatedEntraTokens": "True",
        "WebPubSub__Hubs__Chat__AnonymousConnectPolicy": "Allow",
        "WebPubSub__Hubs__other__AnonymousConnectPolicy": "deny",
        "WebPubSub__Hubs__Chat__EventHandlers__1__UrlTemplate": "http://h/second",
        "WebPubSub__Hubs__Chat__EventHandlers__0__UrlTemplate": "http://h/{event}",
        "WebPubSub__Hubs__Chat__EventHandlers__0__SystemEvents__0": "connect",
        "WebPubSub__Hubs__Chat__EventHandlers__0__SystemEvents__1": "Connected",
        "WEBPUBSUB__HUBS__CHAT__EVENTHANDLERS__0__EVENTPATTERN": "*",
        "WebPubSub__Hubs__chat__EventHandlers__0__GroupPresenceEvents__EventNames__0": "joined",
        "WebPubSub__Hubs__chat__EventHandlers__0__GroupPresenceEvents__GroupFilters__0": "Room-*",
        "WebPubSub__Hubs__chat__EventHandlers__0__Auth__Type": "None",
    }
    assert read_configuration(environ) == Configuration(
        "one",
        "two",
        allow_unvalidated_entra_tokens=True,
        event_handlers={
            "chat": [
                EventHandler(
                    "http://h/{event}",
                    frozenset({"connect", "connected"}),
                    "*",
                    frozenset({"joined"}),
                    ("Room-*",),
                ),
                EventHandler("http://h/second", frozenset(), ""),
            ]
        },
        anonymous_hubs=frozenset({"chat"}),
    )


def test_a_file_is_the_same_tree_in_json(tmp_path: Path) -> None:
    section = {
        "accessKey": "one",
        "AllowUnvalidatedEntraTokens": True,
        "Hubs": {
            "Chat": {
                "AnonymousConnectPolicy": "allow",
                "EventHandlers": [
                    {
                        "UrlTemplate": "http://h/{event}",
                        "SystemEvents": ["connect"],
                        "EventPattern": "a,b",
                        "GroupPresenceEvents": {"EventNames": ["joined", "left"], "GroupFilters": None},
                        "Auth": {"Type": "None"},
                    },
                    {"UrlTemplate": "http://h/second", "SystemEvents": []},
                ],
            }
        },
    }
    assert read(tmp_path, section) == Configuration(
        "one",
        None,
        allow_unvalidated_entra_tokens=True,
        event_handlers={
            "chat": [
                EventHandler("http://h/{event}", frozenset({"connect"}), "a,b", frozenset({"joined", "left"})),
                EventHandler("http://h/second", frozenset(), ""),
            ]
        },
        anonymous_hubs=frozenset({"chat"}),
    )


def test_handlers_beyond_the_tenth_keep_their_order(tmp_path: Path) -> None:
    handlers = [{"UrlTemplate": f"http://h/{number}"} for number in range(12)]
    read_handlers = read(tmp_path, {"Hubs": {"chat": {"EventHandlers": handlers}}}).event_handlers["chat"]
    assert [handler.url_template for handler in read_handlers] == [f"http://h/{number}" for number in range(12)]


def test_the_environment_goes_before_the_file_key_by_key(tmp_path: Path) -> None:
    section = {"Hubs": {"chat": {"EventHandlers": [{"UrlTemplate": "http://file/", "EventPattern": "*"}]}}}
    configuration = read(tmp_path, section, **{f"{HANDLER}UrlTemplate": "http://environment/"})
    assert configuration.event_handlers == {"chat": [EventHandler("http://environment/", frozenset(), "*")]}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("UrlTemplate", "no url", "WebPubSub__Hubs__chat__EventHandlers__0: The URL template"),
        ("UrlTemplate", "", "EventHandlers__0__UrlTemplate is missing: set it"),
        ("EventPattern", "*", "EventHandlers__0__UrlTemplate is missing: set it"),
        ("UserEventPattern", "*", "call it EventPattern"),
        ("SystemEvents", "connect", 'must be a list, such as ["connect"]'),
        ("SystemEvents__x", "connect", "must be a list"),
        ("GroupPresenceEvents__Groups__0", "a", "GroupPresenceEvents has EventNames and GroupFilters"),
        ("GroupPresenceEvents__EventNames__0", "connect", "UrlTemplate is missing"),
        ("Auth__Type", "ManagedIdentity", "remove Auth"),
        ("Auth__ManagedIdentity__Resource", "api://x", "remove Auth"),
        ("Url", "http://h", "an event handler has UrlTemplate, SystemEvents, EventPattern and GroupPresenceEvents"),
    ],
)
def test_a_key_of_a_handler_that_cannot_work_is_an_error_that_names_it(key: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_configuration({f"{HANDLER}{key}": value})
    assert said in str(raised.value)
    assert "WebPubSub__Hubs__chat__EventHandlers__0" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WebPubSub__Hubs__chat__EventHandlers__x__UrlTemplate", "http://h", "is not known"),
        ("WebPubSub__Hubs__chat__EventHandlers__0", "http://h", "is not known"),
        ("WebPubSub__Hubs__chat__EventListeners__0__EventHubName", "h", "Event Hubs"),
        ("WebPubSub__Hubs__chat__AnonymousConnectPolicy", "yes", "must be allow or deny, not 'yes'"),
        ("WebPubSub__AllowUnvalidatedEntraTokens", "1", "must be true or false, not '1'"),
        ("WebPubSub__Urls", "http://localhost", "is not known"),
    ],
)
def test_a_key_that_cannot_work_is_an_error_that_names_it(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_configuration({name: value})
    assert str(raised.value).startswith(name)
    assert said in str(raised.value)


def test_all_problems_are_named_together_with_their_places(tmp_path: Path) -> None:
    section = {
        "Colour": "red",
        "Hubs": {"chat": {"EventHandlers": [{"UrlTemplate": "ftp://h"}, {"Auth": {"Type": "ManagedIdentity"}}]}},
    }
    said = problems(tmp_path, section, WebPubSub__Hubs__x__AnonymousConnectPolicy="maybe").splitlines()
    assert len(said) == 5
    for start in (
        f"WebPubSub:Colour in {tmp_path / 'settings.json'} is not known",
        f"WebPubSub:Hubs:chat:EventHandlers:0 in {tmp_path / 'settings.json'}: The URL template 'ftp://h'",
        "WebPubSub:Hubs:chat:EventHandlers:1:Auth:Type in",
        "WebPubSub:Hubs:chat:EventHandlers:1:UrlTemplate in",
        "WebPubSub__Hubs__x__AnonymousConnectPolicy",
    ):
        assert any(line.startswith(start) for line in said), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "has no WebPubSub section"),
        ('{"Hubs": {}}', "has no WebPubSub section"),
    ],
)
def test_a_file_that_is_none_is_an_error_that_names_it(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "settings.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read_configuration({}, file)
    assert f"{file} " in str(raised.value)
    assert said in str(raised.value)


def test_other_sections_of_a_file_are_for_other_programs(tmp_path: Path) -> None:
    file = tmp_path / "appsettings.json"
    file.write_text('\ufeff{"Logging": {"LogLevel": {"Default": "Debug"}}, "webpubsub": {"AccessKey": "k"}}')
    assert read_configuration({}, file).access_key == "k"
