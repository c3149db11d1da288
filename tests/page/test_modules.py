"""The page's modules: their types, and what can be asked of them one by one."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from local.node_tools import ensure_node, ensure_packages
from tests.e2e.conftest import System
from tests.node_packages import TEST_PACKAGES
from tests.page.conftest import OpenTab

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run(*command: object) -> tuple[int | None, str]:
    pipe, stdout = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*map(str, command), cwd=ROOT, stdout=pipe, stderr=stdout)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_types_of_the_page_are_right() -> None:
    compiler = ensure_packages(TEST_PACKAGES) / "node_modules" / "typescript" / "bin" / "tsc"
    assert await run(ensure_node().node, compiler, "-p", "demo") == (0, "")


async def test_no_style_is_written_twice() -> None:
    sheets = [path.read_text() for path in (ROOT / "demo").rglob("*.css")]
    rules = [line for sheet in sheets for line in sheet.splitlines() if re.match(r"\S.*\{.*\}$", line)]
    assert [rule for rule, count in Counter(rules).items() if count > 1] == []


async def evaluate(tab: Any, module: str, expression: str) -> Any:
    return await tab.page.evaluate(f"import('./{module}').then((module) => {expression})")


@pytest.mark.parametrize(
    ("service", "origin"),
    [
        ("ws://localhost:8080/client/hubs/chat", "http://localhost:8080"),
        ("ws://127.0.0.1:8080/client/hubs/chat", "http://127.0.0.1:8080"),
        ("wss://contoso.webpubsub.azure.com/client/hubs/chat", None),
        ("ws://localhost.contoso.com/client/hubs/chat", None),
        ("ws://10.0.0.1:8080/client/hubs/chat", None),
        ("wss://localhost/client/hubs/chat", None),
    ],
)
async def test_faults_can_be_injected_into_the_local_service_only(
    join: OpenTab, service: str, origin: str | None
) -> None:
    tab = await join("m1", "ana")
    assert await evaluate(tab, "local.js", f"module.localOrigin(new URL('{service}'))") == origin


PRESENCE = """((module) => {
  const presence = new module.Presence();
  const told = (event, connectionId, userId, time) => presence.heed({ event, connectionId, userId, time });
  const list = (time, ...connections) => presence.correct({ time, connections }, { connectionId: "me", userId: "ana" });
  const seen = [];
  const look = () => seen.push(presence.people.map(({ userId, connections }) => `${userId} ${connections}`).join(", "));
  list("10", { connectionId: "b1", userId: "ben" }); look();
  told("connected", "b2", "ben", "11"); look();
  told("joined", "b2", "ben", "11"); look();
  told("disconnected", "b1", "ben", "12"); look();
  list("11", { connectionId: "b1", userId: "ben" }); look();
  list("13", { connectionId: "ghost", userId: "cleo" }); look();
  told("left", "ghost", "cleo", "14"); look();
  told("connected", "b3", "ben", "15"); presence.drop("b3"); list("15"); look();
  return seen;
})(module)"""


async def test_events_and_the_list_of_the_service_correct_each_other(join: OpenTab) -> None:
    tab = await join("m2", "ana")
    assert await evaluate(tab, "presence.js", PRESENCE) == [
        "ana 1, ben 1",
        "ana 1, ben 2",
        "ana 1, ben 2",  # told twice, counted once
        "ana 1, ben 1",
        "ana 1, ben 1",  # an old list: what was told since still holds
        "ana 1, cleo 1",  # a newer list: ben's end was never told
        "ana 1",
        "ana 1",  # a connection of one's own that was lost
    ]


async def test_the_readme_s_page_shows_what_it_sends(join: OpenTab, system: System) -> None:
    found = re.search(r"^```js page\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    code = found[1].replace("http://localhost:7071", system.url).replace('"lobby"', '"m3"')
    code = re.sub(r"^import (.*) from (.*);$", r"const \1 = await import(\2);", code, flags=re.MULTILINE)
    tab = await join("m4", "ana")
    async with tab.page.expect_console_message(lambda message: message.text == "ana hello from a page"):
        await tab.page.evaluate(f"async () => {{ {code} }}")
    assert [message["data"] for message in await system.history("m3")] == ["hello from a page"]
