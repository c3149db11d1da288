"""The same requests to the JavaScript event handler and to ours; every difference is one of a known table."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from local.node_tools import ensure_node, ensure_packages
from tests.cross.differences import DIFFERENCES
from tests.cross.rules import Answer, Difference
from tests.cross.shapes import KINDS, SHAPES, make_handler
from tests.node_packages import TEST_PACKAGES
from tests.patience import PATIENCE_SECONDS
from tests.wire import event, event_names
from webpubsub_handler import HttpRequest

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parents[1] / "docs" / "differences.md"


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The JavaScript event handler in Node; gives its address."""
    folder = tmp_path_factory.mktemp("express")
    (folder / "node_modules").symlink_to(ensure_packages(TEST_PACKAGES) / "node_modules", target_is_directory=True)
    script = shutil.copy(HERE / "server.mjs", folder)
    with subprocess.Popen([ensure_node().node, script], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def answer(status: int, fields: list[tuple[str, str]], body: bytes) -> Answer:
    headers = [(name.lower(), value) for name, value in fields]
    named = dict(headers)
    without_id = re.sub(rb"error [0-9a-f]{12}", b"error ID", body)
    is_json = named.get("content-type", "").startswith("application/json")
    state = named.get("ce-connectionstate")
    return Answer(
        status,
        json.loads(without_id) if is_json else without_id,
        None if state is None else json.loads(base64.b64decode(state)),
        frozenset(value for name, value in headers if name == "webhook-allowed-origin"),
    )


async def ask_theirs(express: str, shape: str, request: HttpRequest) -> Answer:
    skip = ["Content-Type", "Accept", "Accept-Encoding", "User-Agent"]
    async with (
        aiohttp.ClientSession(skip_auto_headers=skip, timeout=aiohttp.ClientTimeout(PATIENCE_SECONDS)) as session,
        session.request(
            request.method, f"{express}/{shape}/validate", headers=list(request.headers), data=request.body
        ) as response,
    ):
        return answer(response.status, list(response.headers.items()), await response.read())


async def ask_ours(shape: str, request: HttpRequest) -> Answer:
    response = await make_handler(shape).handle(request)
    return answer(response.status, list(response.headers.items()), response.body)


def header(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


REQUESTS: Final = {
    **{name: event(name) for name in event_names()},
    **{f"JSON {body}": event("user_json", body.encode()) for body in ['"ü"', "null", "false", "0.1", "[]", '{"":{}}']},
    **{
        f"state {state}": event("user_text", headers={"ce-connectionState": state})
        for state in [header({"n": 4, "k": ["ü", None]}), header({"n": 5}), header({}), header([1]), header(None), "%%"]
    },
    "state in several members": event("connect", headers={"ce-connectionState": header({"a": {"b": 1}, "n": "5"})}),
    "content type with parameters": event("user_text", headers={"Content-Type": "text/plain;charset=utf-8"}),
    "content type in capitals": event("user_text", headers={"Content-Type": "TEXT/PLAIN"}),
    "empty text": event("user_text", b""),
    "empty bytes": event("user_binary", b""),
    "NUL and CR LF": event("user_text", b"\x00\r\n"),
    "connect without claims": event("connect", b"{}"),
    "connect with keys of the future": event("connect", b'{"claims":{"a":["b","c"]},"future":{"x":[1]}}'),
    "validation of one": event("quirks/validation", headers={"WebHook-Request-Origin": "chat.contoso.com"}),
    "validation of another": event("quirks/validation", headers={"WebHook-Request-Origin": "evil.example"}),
}


# Refused before a function is looked for: every set of functions gives the same answer.
REFUSED: Final = {"quirks/user_contradicting_hub", "quirks/user_contradicting_name", "quirks/user_unsigned"}


def kind(request: HttpRequest) -> str:
    """Which functions a request is for."""
    event_type = request.headers.get("ce-type") or ""
    if request.method == "OPTIONS":
        return "validation"
    if event_type.startswith("azure.webpubsub.user."):
        return "user"
    return "connect" if event_type == "azure.webpubsub.sys.connect" else "notification"


def rows() -> Iterator[object]:
    """Every request, with the shapes whose functions it is for; the others answer as those without functions do."""
    for name, request in REQUESTS.items():
        for shape, kinds in KINDS.items():
            if kind(request) in kinds and (name not in REFUSED or shape == "reply"):
                yield pytest.param(shape, name, id=f"{shape}-{name}")


@pytest.mark.parametrize(("shape", "request_name"), list(rows()))
async def test_both_answer_alike_but_for_the_known_differences(express: str, shape: str, request_name: str) -> None:
    request = understood = REQUESTS[request_name]
    for difference in DIFFERENCES:
        understood = difference.instead(understood)
    expected = await ask_theirs(express, shape, understood)
    for difference in DIFFERENCES:
        expected = difference.expected(request, expected)

    assert await ask_ours(shape, request) == expected


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.sent)
async def test_a_known_difference_is_still_one(express: str, difference: Difference) -> None:
    assert await ask_theirs(express, difference.shape, difference.request) == difference.their_answer
    assert await ask_ours(difference.shape, difference.request) == difference.our_answer
    assert difference.theirs.startswith(str(difference.their_answer.status))
    assert difference.ours.startswith(str(difference.our_answer.status)) or "200 or 204" in difference.ours


def test_every_shape_is_asked() -> None:
    assert set(KINDS) == set(SHAPES)


def test_the_page_has_every_difference_and_no_other() -> None:
    rows = re.findall(r"^\| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)[1:]

    assert rows == [" | ".join([row.sent, row.theirs, row.ours, row.why]) for row in DIFFERENCES]
