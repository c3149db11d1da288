"""The command ``check``: what it finds wrong with an event handler, each with its fix."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from email.utils import formatdate
from pathlib import Path
from types import MappingProxyType

import pytest
import pytest_asyncio

from tests.certificates import self_signed
from tests.emulator.fakes import PRIMARY_KEY, Answer, RecordingHandler
from webpubsub_emulator import DEFAULT_ACCESS_KEY, check

pytestmark = pytest.mark.external

WRONG_SIGNATURE, SIGNED, WITHOUT_BODY, IN_CHUNKS = range(4)
GOOD = {WRONG_SIGNATURE: 401, SIGNED: 200, WITHOUT_BODY: 411, IN_CHUNKS: 200}


class Said:
    """Runs the command, and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.text = ""

    async def check(self, *arguments: str) -> int:
        # The command has an event loop of its own.
        code = await asyncio.to_thread(check.main, arguments)
        self.text = self._capsys.readouterr().out
        return code

    def lines(self, check: str) -> str:
        """The line of a check, and those below it."""
        blocks = self.text.replace("\n  ", "\0").splitlines()
        [found] = [block for block in blocks if block[8:].startswith(f"{check}: ")]
        return found.replace("\0", "\n")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


def scripted(changed: Mapping[int, Answer] = MappingProxyType({})) -> list[Answer]:
    return [changed.get(event, Answer(status)) for event, status in GOOD.items()]


@pytest.fixture
def sound(handler: RecordingHandler) -> RecordingHandler:
    """A handler with which nothing is wrong."""
    handler.script["connect"] = scripted()
    return handler


async def test_a_sound_handler_is_ok_in_every_check(sound: RecordingHandler, said: Said) -> None:
    assert await said.check(f"{sound.url}/{{event}}") == 0
    verdicts = [line.split(":")[0].split(maxsplit=1) for line in said.text.splitlines() if line.startswith("ok")]
    assert [check for _, check in verdicts] == ["handshake", "proof", "clock", "signed event", "chunked event"]
    assert f"OK: {sound.url}/{{event}} takes events from localhost." in said.text


@pytest.mark.parametrize(("words", "key"), [([], DEFAULT_ACCESS_KEY), (["--access-key", PRIMARY_KEY], PRIMARY_KEY)])
async def test_the_four_events_differ_only_in_what_is_asked(
    sound: RecordingHandler, said: Said, words: list[str], key: str
) -> None:
    await said.check(f"{sound.url}/{{hub}}/{{event}}?code=secret", "--hub", "Other", *words)
    events = sound.events("connect")
    signature = hmac.new(key.encode(), events[0].headers["ce-connectionId"].encode(), hashlib.sha256)
    good = f"sha256={signature.hexdigest()}"
    assert [event.headers["ce-signature"] == good for event in events] == [False, True, True, True]
    assert ["Content-Length" in event.headers for event in events] == [True, True, False, False]
    assert [event.headers.get("Transfer-Encoding") for event in events] == [None, None, "chunked", "chunked"]
    assert [bool(event.body) for event in events] == [True, True, False, True]
    assert {event.path for event in events} == {"/other/connect?code=secret"}
    assert {(event.headers["ce-type"], event.headers["ce-userId"]) for event in events} == {
        ("azure.webpubsub.sys.connect", "check")
    }


async def test_neither_keys_nor_the_query_of_a_url_are_shown(handler: RecordingHandler, said: Said) -> None:
    handler.script["connect"] = scripted({SIGNED: Answer(401)})
    await said.check(f"{handler.url}/{{event}}?code=secret", "--access-key", PRIMARY_KEY)
    handler.consent_status = {"OPTIONS": 500}
    said_before = said.text
    await said.check(f"{handler.url}/{{event}}?code=secret", "--access-key", PRIMARY_KEY)
    for text in (said_before, said.text):
        assert "FAILED" in text
        assert "secret" not in text
        assert PRIMARY_KEY not in text


@pytest.mark.parametrize(
    ("status", "consent", "words", "found"),
    [
        (200, {"WebHook-Allowed-Origin": "elsewhere"}, [], ["elsewhere", "--public-endpoint"]),
        (200, {}, ["--origin", "X.webpubsub.azure.com"], ["(none)", "header WebHook-Allowed-Origin: x.webpubsub."]),
        (400, {}, ["--origin", "x.webpubsub.azure.com"], ["Endpoint must be x.webpubsub.azure.com"]),
        (401, {}, [], ["status 401", "?code=", "App Service authentication"]),
        (302, {"Location": "https://login.example/a?k=secret"}, [], ["https://login.example/a\n", "page to sign in"]),
        (404, {}, [], ["{event} is validate"]),
        (503, {}, [], ["handler's log"]),
    ],
)
async def test_a_handler_that_does_not_consent_gets_no_event(
    handler: RecordingHandler, said: Said, status: int, consent: Mapping[str, str], words: list[str], found: list[str]
) -> None:
    handler.consent_status, handler.consent = {"OPTIONS": status}, consent
    assert await said.check(f"{handler.url}/{{event}}", *words) == 1
    assert handler.events("connect") == []
    assert said.text.startswith("FAILED  handshake: ")
    for text in found:
        assert text in said.lines("handshake")
    assert "secret" not in said.text
    assert "NOT OK: " in said.text


@pytest.mark.parametrize(
    ("event", "answer", "check", "found"),
    [
        (WRONG_SIGNATURE, Answer(204), "proof", ["anyone who knows the URL", "let the handler check ce-signature"]),
        (WRONG_SIGNATURE, Answer(404), "proof", ["status 404", "its route must take POST"]),
        (WRONG_SIGNATURE, Answer(405), "proof", ["status 405", "take POST beside OPTIONS"]),
        (WRONG_SIGNATURE, Answer(307), "proof", ["status 307", "follows no redirect"]),
        (WRONG_SIGNATURE, Answer(503, b'{"settings":["X"]}'), "proof", ['503: {"settings":["X"]}', "its settings"]),
        (SIGNED, Answer(401), "signed event", ["status 401", "not the handler's", "tokens of Entra ID"]),
        (SIGNED, Answer(400, b"ce-time is\x1b[31m off"), "signed event", ["ce-time is [31m off", "--hub"]),
        (SIGNED, Answer(404), "signed event", ["--hub"]),
        (SIGNED, Answer(411), "signed event", ["keep the Content-Length"]),
        (SIGNED, Answer(500), "signed event", ["handler's log"]),
        (WITHOUT_BODY, Answer(200), "chunked event", ["no rule can have looked", "must send a Content-Length"]),
        (IN_CHUNKS, Answer(502), "chunked event", ["Transfer-Encoding: chunked", "handler's log"]),
    ],
)
async def test_what_is_wrong_with_the_answer_to_an_event_is_found_with_its_fix(
    handler: RecordingHandler, said: Said, event: int, answer: Answer, check: str, found: list[str]
) -> None:
    handler.script["connect"] = scripted({event: answer})
    assert await said.check(f"{handler.url}/{{event}}") == 1
    assert said.text.count("FAILED") == 1
    assert said.lines(check).startswith("FAILED")
    for text in found:
        assert text in said.lines(check)


async def test_a_rule_that_refuses_the_user_proves_that_the_signature_holds(
    handler: RecordingHandler, said: Said
) -> None:
    handler.script["connect"] = scripted({SIGNED: Answer(403), IN_CHUNKS: Answer(403)})
    assert await said.check(f"{handler.url}/{{event}}") == 0
    assert "a rule refuses the user 'check'" in said.lines("signed event")
    assert said.lines("chunked event").startswith("skipped")


async def test_where_everything_is_refused_alike_nothing_is_proven(handler: RecordingHandler, said: Said) -> None:
    handler.script["connect"] = [Answer(403)] * 4
    assert await said.check(f"{handler.url}/{{event}}") == 1
    assert "firewall" in said.lines("signed event")


async def test_a_host_that_passes_on_no_chunks_is_reported_and_is_not_a_fault(
    handler: RecordingHandler, said: Said
) -> None:
    handler.script["connect"] = scripted({IN_CHUNKS: Answer(411)})
    assert await said.check(f"{handler.url}/{{event}}") == 0
    assert "this host does not pass on a body in chunks" in said.lines("chunked event")


async def test_without_a_key_of_the_service_no_event_is_signed(handler: RecordingHandler, said: Said) -> None:
    handler.script["connect"] = [Answer(401), Answer(411)]
    assert await said.check(f"{handler.url}/{{event}}", "--origin", "x.webpubsub.azure.com") == 0
    assert "WebPubSub__AccessKey" in said.lines("signed event")
    assert said.lines("chunked event").startswith("ok")
    assert "(1 skipped)" in said.text
    assert "OK:" not in said.text
    assert "takes events" not in said.text.splitlines()[-1]
    assert len(handler.events("connect")) == 2


async def test_the_key_can_come_from_the_environment(
    sound: RecordingHandler, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WebPubSub__AccessKey", PRIMARY_KEY)
    assert await said.check(f"{sound.url}/{{event}}", "--origin", "x.webpubsub.azure.com") == 0
    assert len(sound.events("connect")) == 4


@pytest.mark.parametrize(("minutes", "found"), [(6, "s ahead of this one"), (-6, "s behind this one")])
async def test_a_clock_that_is_far_off_is_found(
    handler: RecordingHandler, said: Said, minutes: int, found: str
) -> None:
    date = formatdate(time.time() + minutes * 60, usegmt=True)
    handler.script["connect"] = scripted({WRONG_SIGNATURE: Answer(401, headers={"Date": date})})
    assert await said.check(f"{handler.url}/{{event}}") == 1
    assert found in said.lines("clock")
    assert "set the clock that is wrong" in said.lines("clock")


async def test_a_clock_that_cannot_be_read_is_skipped(handler: RecordingHandler, said: Said) -> None:
    handler.script["connect"] = scripted({WRONG_SIGNATURE: Answer(401, headers={"Date": "soon"})})
    assert await said.check(f"{handler.url}/{{event}}") == 0
    assert said.lines("clock").startswith("skipped")


async def test_nobody_there_is_told_with_the_fix(said: Said) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    assert await said.check(f"http://127.0.0.1:{port}/api?code=secret") == 1
    assert "start the handler" in said.lines("handshake")
    assert "secret" not in said.text


async def test_a_name_that_nobody_has_is_told_with_the_fix(said: Said) -> None:
    assert await said.check("https://nobody.invalid/api") == 1
    assert "is the name of the host right" in said.lines("handshake")


async def test_a_handler_that_takes_too_long_is_told_with_the_fix(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webpubsub_emulator.upstream.abuse_protection._TIMEOUT_SECONDS", 0.05)
    # It accepts connections, and never answers.
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        assert await said.check(f"http://127.0.0.1:{silent.getsockname()[1]}/api") == 1
    assert "nothing within 0.05 s" in said.lines("handshake")
    assert "cold start" in said.lines("handshake")


async def test_tls_where_there_is_none_is_told_with_the_fix(handler: RecordingHandler, said: Said) -> None:
    assert await said.check(f"{handler.url.replace('http:', 'https:')}/api") == 1
    assert "write http:// if the handler has no TLS" in said.lines("handshake")


@pytest_asyncio.fixture
async def tls_port(tmp_path: Path) -> AsyncIterator[int]:
    """A port with TLS whose certificate nobody trusts."""

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self_signed(tmp_path)) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_certificate_that_nobody_trusts_is_told_with_the_fix(tls_port: int, said: Said) -> None:
    assert await said.check(f"https://127.0.0.1:{tls_port}/api") == 1
    assert "the certificate is not valid" in said.lines("handshake")
    assert "SSL_CERT_FILE" in said.lines("handshake")


async def test_a_port_that_expects_tls_is_told_with_the_fix(tls_port: int, said: Said) -> None:
    assert await said.check(f"http://127.0.0.1:{tls_port}/api") == 1
    assert "Write https://" in said.lines("handshake")


async def test_a_handler_on_the_internet_needs_tls(said: Said) -> None:
    assert await said.check("http://nobody.invalid/api") == 1
    assert "nobody.invalid is asked without TLS" in said.lines("TLS")
    assert "write https://" in said.lines("TLS")


def test_an_invalid_handler_url_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        check.main(["tunnel:///api"])
    assert raised.value.code == 2
    assert "write the URL that the tool would call" in capsys.readouterr().err
