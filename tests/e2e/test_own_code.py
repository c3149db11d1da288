"""The code that the pages of docs/develop tell users to paste, pasted where they say."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

import chat.event_handler
import chat.events
import chat.policy
import function_app
from tests.e2e.conftest import StartSystem, System

ROOT = Path(__file__).resolve().parents[2]


def blocks(page: str, info: str) -> list[str]:
    found = re.findall(rf"^```{info}\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    assert found, info
    return list(found)


def edited(module: types.ModuleType, behind: str, code: str, *, before: str = "") -> dict[str, Any]:
    """Run a module's source with code pasted behind one line, or before another, as an editor would."""
    assert module.__file__
    source = Path(module.__file__).read_text()
    line = behind or before
    assert source.count(line) == 1, line
    source = source.replace(line, line + code if behind else code + line)
    name = f"edited_{module.__name__.replace('.', '_')}"
    made = types.ModuleType(name)
    made.__file__ = module.__file__
    sys.modules[name] = made  # dataclasses and annotations are looked up there
    try:
        exec(compile(source, module.__file__, "exec"), vars(made))
    finally:
        del sys.modules[name]
    return vars(made)


async def test_an_event_of_your_own_is_three_lines(start_system: StartSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = blocks("docs/develop/events.md", "python event")
    assert len(code.splitlines()) == 3
    registered_last = '        handler.on_user_event("typing")(self.typing)\n'
    made = edited(chat.events, registered_last, "\n" + indent(code, " " * 8))
    monkeypatch.setattr(chat.event_handler, "ChatEvents", made["ChatEvents"])
    system = await start_system()
    ana, ben = await system.connect("w1", "ana"), await system.connect("w1", "ben")
    await ana.event("wave", {})
    told = await ben.until(lambda frame: isinstance(frame.get("data"), dict) and frame["data"]["type"] == "wave")
    assert told["data"] == {"type": "wave", "from": "ana", "room": "w1"}
    assert await system.history("w1") == []


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app with every recipe for ``function_app.py`` in it."""
    pages = ("docs/develop/events.md", "docs/develop/rules.md")
    code = "".join(indent(block, "    ") + "\n" for page in pages for block in blocks(page, "python recipe"))
    monkeypatch.setattr(
        function_app, "build", edited(function_app, "", code, before="    return app\n\n\ndef refuse")["build"]
    )


@pytest.mark.usefixtures("recipes")
async def test_the_recipe_for_an_announcement_tells_the_room(start_system: StartSystem) -> None:
    system = await start_system()
    ana = await system.connect("w2", "ana")
    async with system.http.post(f"{system.url}/api/announcements/w2", data="tea is ready") as answer:
        assert answer.status == 204
    told = await ana.until(
        lambda frame: isinstance(frame.get("data"), dict) and frame["data"]["type"] == "announcement"
    )
    assert told["data"] == {"type": "announcement", "text": "tea is ready", "room": "w2"}


@pytest.mark.usefixtures("recipes")
async def test_the_recipe_for_a_removal_takes_a_silent_listener_out_and_leaves_the_others(
    start_system: StartSystem,
) -> None:
    system = await start_system()
    await system.connect("w3", "ana")
    await system.connect("w3", "mallory")
    await system.connect("w3", "mallory")
    async with system.http.delete(f"{system.url}/api/members/w3/mallory") as answer:
        assert answer.status == 204
    assert await members(system, "w3") == ["ana"]


async def members(system: System, room: str) -> list[str | None]:
    async with WebPubSubServiceClient.from_connection_string(system.emulator.connection_string, "chat") as service:
        return [member.user_id async for member in service.list_connections(group=room)]
