"""The flags of the program, and how they go together with environment and file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from webpubsub_emulator import DEFAULT_ACCESS_KEY, EmulatorSettings, EventHandler, Fault, FaultKind, SettingsError
from webpubsub_emulator.command_line import parser, settings


def parsed(*arguments: str, **environ: str) -> EmulatorSettings:
    return settings(parser().parse_args(arguments), environ)


def test_without_flags_all_is_as_code_has_it() -> None:
    assert parsed() == EmulatorSettings()


@pytest.mark.parametrize(
    ("words", "handler"),
    [
        ([], EventHandler("http://h/{event}?a=b")),
        (["system-event=none"], EventHandler("http://h/{event}?a=b", frozenset())),
        (
            ["system-event=connect", "system-event=connected", "event-pattern=a,b"],
            EventHandler("http://h/{event}?a=b", frozenset({"connect", "connected"}), "a,b"),
        ),
        (["event-pattern="], EventHandler("http://h/{event}?a=b", event_pattern="")),
        (
            ["group-event=joined", "group-event=left", "group-filter=a*", "group-filter=b"],
            EventHandler("http://h/{event}?a=b", group_events=frozenset({"joined", "left"}), group_filters=("a*", "b")),
        ),
    ],
)
def test_words_after_an_event_handler_choose_its_events(words: list[str], handler: EventHandler) -> None:
    arguments = ["--event-handler", "Chat=http://h/{event}?a=b", *words]
    assert parsed(*arguments).event_handlers == {"chat": (handler,)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--event-handler", "chat"], "--event-handler 'chat' must be HUB=URL_TEMPLATE"),
        (["--event-handler", "chat=nonsense"], "--event-handler chat: The URL template"),
        (["--event-handler", "chat=http://h", "system-event=x"], "'x' is not a system event"),
        (["--event-handler", "chat=http://h", "pattern=x"], "'pattern=x' must be WORD=VALUE with system-event"),
        (["--event-handler", "chat=http://h", "system-event"], "'system-event' must be WORD=VALUE"),
        (["--event-handler", "1x=http://h"], "'1x' cannot name a hub"),
        (["--anonymous-hub", "a b"], "'a b' cannot name a hub"),
        (["--fault", '{"fault":"explode"}'], "'fault' must be one of"),
        (["--fault", "drop_answer"], "it is not valid JSON"),
        (["--access-key", ""], "The AccessKey is empty"),
    ],
)
def test_a_flag_that_cannot_work_is_an_error_that_names_it(arguments: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parsed(*arguments)
    assert said in str(raised.value)


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "1e9"])
@pytest.mark.parametrize("flag", ["--retry-delays", "--upstream-timeout"])
def test_a_time_that_cannot_be_is_an_error(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(f"{flag}={value}")
    assert f"{flag}: '{value}' must be 0 to 3600 seconds" in capsys.readouterr().err


def test_times_and_faults_are_taken() -> None:
    taken = parsed("--retry-delays", "0.5,2", "--upstream-timeout", "7", "--fault", '{"fault":"drop_answer","count":3}')
    assert (taken.retry_delays, taken.upstream_timeout) == ((0.5, 2.0), 7)
    assert taken.faults == (Fault(FaultKind.DROP_ANSWER, count=3),)
    assert parsed("--retry-delays", "").retry_delays == ()


def test_keys_come_from_the_flag_then_the_environment_then_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"WebPubSub": {"AccessKey": "of-file", "SecondaryAccessKey": "second-of-file"}}))
    environ = {"WebPubSub__AccessKey": "of-environment"}
    assert parsed().access_keys == (DEFAULT_ACCESS_KEY,)
    assert parsed("--settings", str(file)).access_keys == ("of-file", "second-of-file")
    assert parsed("--settings", str(file), **environ).access_keys == ("of-environment", "second-of-file")
    assert parsed("--access-key", "of-flag", **environ).access_key == "of-flag"


def test_handlers_of_flags_come_before_those_of_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"WebPubSub": {"Hubs": {"chat": {"EventHandlers": [{"UrlTemplate": "http://f"}]}}}}))
    handlers = parsed("--settings", str(file), "--event-handler", "chat=http://c").event_handlers["chat"]
    assert [handler.url_template for handler in handlers] == ["http://c", "http://f"]


def test_anonymous_hubs_are_those_of_flags_and_settings() -> None:
    taken = parsed("--anonymous-hub", "A", WebPubSub__Hubs__b__AnonymousConnectPolicy="allow")
    assert taken.anonymous_hubs == {"a", "b"}
