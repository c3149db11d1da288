"""The released client SDKs, and the code of the README that uses them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.models import WebPubSubDataType

from local.node_tools import ensure_node, ensure_packages
from tests.e2e.conftest import System
from tests.node_packages import TEST_PACKAGES
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def readme_block(info: str) -> str:
    found = re.search(rf"^```{info}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert found, info
    return found[1]


def node_script(folder: Path, name: str, code: str) -> Path:
    """Write a module beside a link to the installed packages, so that its imports resolve."""
    (folder / "node_modules").symlink_to(ensure_packages(TEST_PACKAGES) / "node_modules", target_is_directory=True)
    script = folder / name
    script.write_text(code)
    return script


async def run(*command: object) -> str:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_readme_s_python_client_sends_and_reads_its_message_back(system: System) -> None:
    code = readme_block("python e2e").replace("http://localhost:7071", system.url)
    assert (await run(sys.executable, "-c", code)).endswith("hello from Python\n")


async def test_the_readme_s_javascript_client_gets_what_it_sent(system: System, tmp_path: Path) -> None:
    code = readme_block("js").replace("http://localhost:7071", system.url)
    # The README's client stays; a test ends when the message came back.
    code += 'await client.sendEvent("message", "and again", "text");\nclient.stop();\n'
    code += "process.exit();\n"  # the client's own timers hold Node for 40 more seconds
    output = await run(ensure_node().node, node_script(tmp_path, "client.mjs", code))
    assert re.search(r"Connection \S+ is connected\.", output)
    assert output.count("data: 'sending custom event!'") == 1
    stored = {message["data"] for message in await system.history("lobby")}
    assert {"and again", "sending custom event!"} <= stored


JS_RECEIVER = """
import { WebPubSubClient } from "@azure/web-pubsub-client";
const [base, room] = process.argv.slice(2);
const url = async () =>
  (await (await fetch(`${base}/api/negotiate?${new URLSearchParams({ room, userId: "js" })}`)).json()).url;
const client = new WebPubSubClient({ getClientAccessUrl: url });
const got = [];
const all = new Promise((resolve) =>
  // What a server sends to a group is one or the other, depending on the service.
  ["group-message", "server-message"].forEach((kind) =>
    client.on(kind, ({ message: { data } }) => {
      if (data.type === "message" && data.from !== "js" && got.push([data.dataType, data.data]) === 3) resolve();
    })));
await client.start();
await client.sendEvent("message", "ready", "text");
await all;
console.log(JSON.stringify(got));
client.stop();
process.exit();
"""


async def test_python_and_javascript_clients_talk_in_one_room(system: System, tmp_path: Path) -> None:
    script = node_script(tmp_path, "receiver.mjs", JS_RECEIVER)
    room = "o1 / 世界"
    receiving = asyncio.create_task(run(ensure_node().node, script, system.url, room))
    ana = await system.connect(room, "ana")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await ana.message())["data"] != "ready":
            pass
    await asyncio.to_thread(send_with_python_sdk, system.url, room)
    assert await receiving == '[["text","hello"],["json",{"n":[1,null]}],["binary","AAEC/w=="]]\n'
    stored = await system.history(room)
    assert sorted(message["dataType"] for message in stored) == ["binary", "json", "text", "text"]


def send_with_python_sdk(base: str, room: str) -> None:
    with urlopen(f"{base}/api/negotiate?{urlencode({'room': room, 'userId': 'py'})}") as answer:
        url = json.load(answer)["url"]
    client = WebPubSubClient(url)
    with client:
        client.send_event("message", "hello", WebPubSubDataType.TEXT)
        client.send_event("message", {"n": [1, None]}, WebPubSubDataType.JSON)
        client.send_event("message", memoryview(b"\x00\x01\x02\xff"), WebPubSubDataType.BINARY)


async def test_the_check_that_troubleshooting_begins_with_finds_nothing_wrong(system: System) -> None:
    page = (ROOT / "docs" / "operate" / "troubleshooting.md").read_text("utf-8")
    [command] = re.findall(r'^python -m (webpubsub_emulator check) "(http://localhost:7071\S+)"$', page, re.MULTILINE)
    url = command[1].replace("http://localhost:7071", system.url)
    key = re.findall("AccessKey=([^;]+)", system.emulator.connection_string)[0]
    found = await run(sys.executable, "-m", *command[0].split(), url, "--access-key", key)
    assert f"OK: {url} takes events from localhost." in found
    assert "skipped" not in found


@pytest.mark.parametrize("subprotocol", [(), ("chat.v1",)], ids=["plain", "a subprotocol nobody knows"])
async def test_a_plain_websocket_sends_and_is_told_its_mistakes(system: System, subprotocol: tuple[str, ...]) -> None:
    _, access = await system.get("negotiate", room="o2", userId="plain")
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        system.http.ws_connect(access["url"], protocols=subprotocol) as socket,
    ):
        await socket.send_str("")
        await socket.send_str("a plain frame")
        while (frame := await socket.receive_json())["type"] != "message":
            pass
        assert frame["data"] == "a plain frame"
    assert [message["data"] for message in await system.history("o2", limit=1)] == ["a plain frame"]
