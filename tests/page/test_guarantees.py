"""What happens when something breaks: nothing is lost, nothing is shown twice, and the page says what is going on."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from playwright.async_api import Route, expect

from tests.e2e.conftest import System
from tests.page.conftest import MortalApp, OpenTab, cut, inject
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "WebSocket connection to")


async def test_what_was_written_while_the_line_was_down_is_there_once_and_in_order(
    join: OpenTab, system: System
) -> None:
    ana, ben = await join("g1", "ana"), await join("g1", "ben")
    await ana.say("before")
    await ben.see("before")
    await cut(system, "g1", "ben")
    for number in range(5):
        await ana.say(f"number {number}")
    await ben.until_connected()
    await ben.see("number 4")
    await ana.say("after")
    await ben.see("after")
    assert await ben.texts() == ["before", *(f"number {number}" for number in range(5)), "after"]
    await expect(ben.page.locator(".note")).to_contain_text("Reconnected after")


async def test_what_one_writes_while_the_own_line_is_down_is_sent_once_and_in_order(
    join: OpenTab, system: System
) -> None:
    ana, ben = await join("g2", "ana"), await join("g2", "ben")
    await ben.page.click("#offline")
    await ben.until_state("Offline")
    for number in range(5):
        await ben.write(f"number {number}")
    await ben.page.click("#again")
    await ben.until_connected()
    expected = [f"number {number}" for number in range(5)]
    await ana.see("number 4")
    assert await ana.texts() == await ben.texts() == expected
    await expect(ben.page.locator(".badge.sending")).to_have_count(0)
    assert sorted(message["data"] for message in await system.history("g2")) == expected


async def test_a_message_whose_ack_is_lost_with_the_line_is_sent_again_and_stored_once(
    join: OpenTab, system: System
) -> None:
    ana, ben = await join("g3", "ana"), await join("g3", "ben")
    await inject(system.emulator, fault="delay", part="answer", event="send", seconds=30, count=1)
    await ben.write("stored, but nobody said so")
    await ana.see("stored, but nobody said so")
    await cut(system, "g3", "ben")
    await ben.until_connected()
    await ben.say("next")
    await ana.see("next")
    assert await ana.texts() == await ben.texts() == ["stored, but nobody said so", "next"]
    assert len(await system.history("g3")) == 2


async def test_a_message_that_the_service_delivers_after_its_sender_sent_it_again_is_stored_once(
    join: OpenTab, system: System
) -> None:
    ana, ben = await join("g10", "ana"), await join("g10", "ben")
    await inject(system.emulator, fault="delay", part="event", event="send", seconds=6, count=1)
    await ben.write("on its way twice")
    await until_used(system.emulator)
    await cut(system, "g10", "ben")
    await ben.page.click("#again")
    await ben.until_connected()
    await ana.see("on its way twice")
    for tab in (ana, ben):
        await expect(tab.page.locator(".badge.repeat")).to_be_visible()
        assert await tab.texts() == ["on its way twice"]
    assert len(await system.history("g10")) == 1


async def until_used(emulator: Emulator) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{emulator.url}/emulator/faults") as answer:
                if not (await answer.json())["faults"]:
                    return


async def test_what_arrives_while_the_history_is_read_is_shown_too(join: OpenTab, system: System) -> None:
    ana, ben = await join("g11", "ana"), await join("g11", "ben")
    read, said = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        page = await route.fetch()
        read.set()
        await said.wait()
        await route.fulfill(response=page)

    await ben.page.route("**/api/messages?**", hold)
    await cut(system, "g11", "ben")
    await read.wait()
    await ana.say("in between")
    said.set()
    await ben.until_connected()
    await ben.see("in between")


async def test_an_event_that_is_delivered_twice_is_stored_and_shown_once(join: OpenTab, system: System) -> None:
    ana, ben = await join("g4", "ana"), await join("g4", "ben")
    await ana.page.click("#duplicate")
    await expect(ana.page.locator(".chip")).to_contain_text("delivered twice")
    await ana.say("twice")
    for tab in (ana, ben):
        await expect(tab.page.locator(".badge.repeat")).to_have_text("Delivered twice, shown once")
        assert await tab.texts() == ["twice"]
    await expect(ana.page.locator(".chip")).to_have_count(0)
    assert len(await system.history("g4")) == 1


async def test_killing_the_app_while_sending_loses_nothing_silently(mortal_app: MortalApp, open_tab: OpenTab) -> None:
    ana = await open_tab(mortal_app.url, "g5", "ana", may_log=REFUSED)
    await ana.until_connected()
    await ana.say("before")
    texts = [f"number {number}" for number in range(5)]
    killing = asyncio.create_task(mortal_app.kill())
    for text in texts:
        await ana.write(text)
    await killing
    await mortal_app.start()
    # What nobody confirmed is sent again under its key: if it was stored after all, it is not stored twice.
    await expect(ana.page.locator(".badge:is(.sending, .unconfirmed)")).to_have_count(0)
    assert sorted(await mortal_app.history("g5")) == sorted(["before", *texts])
    await expect(ana.page.locator(".badge.failed")).to_have_count(0)
    await ana.page.reload()
    await ana.until_connected()
    assert sorted(await ana.texts()) == sorted(["before", *texts])


async def test_an_app_that_is_down_is_named_and_waited_for(mortal_app: MortalApp, open_tab: OpenTab) -> None:
    ana = await open_tab(mortal_app.url, "g6", "ana", may_log=REFUSED)
    await ana.until_connected()
    await mortal_app.kill()
    await inject(mortal_app.emulator, fault="cut_connections")
    await expect(ana.page.locator("#reason")).to_have_text("The app does not answer. Is it running?")
    await expect(ana.page.locator("#countdown")).to_contain_text("Trying again")
    # From here on only the button tries again: the page itself would be back before it is pressed.
    await ana.page.evaluate("for (let id = setTimeout(() => {}); id; id--) clearTimeout(id); setTimeout = () => 0;")
    await mortal_app.start()
    await ana.page.click("#again")
    await ana.until_connected()
    await expect(ana.page.locator("#trouble")).to_be_hidden()


async def test_a_service_that_is_down_is_named(fragile_system: System, open_tab: OpenTab) -> None:
    await fragile_system.emulator.stop()
    ana = await open_tab(fragile_system.url, "g7", "ana", may_log=(*REFUSED, "503"))
    await expect(ana.page.locator("#reason")).to_have_text("Web PubSub does not answer.")
    await fragile_system.emulator.start()
    await ana.until_connected()


async def test_a_browser_that_goes_offline_says_so_at_once_and_comes_back(join: OpenTab) -> None:
    ana = await join("g9", "ana", may_log=("ERR_INTERNET_DISCONNECTED",))
    await ana.page.context.set_offline(True)
    await ana.until_state("Offline")
    await ana.write("written in a tunnel")
    await expect(ana.page.locator(".badge.sending")).to_be_visible()
    await ana.page.context.set_offline(False)
    await ana.until_connected()
    await expect(ana.page.locator(".own .badge.stored")).to_be_visible()


# What this connection sends gets lost, and not what the next one does.
LOSE_PINGS = """() => {
  const { send } = WebSocket.prototype;
  let lost;
  WebSocket.prototype.send = function (data) {
    lost ??= this;
    if (this !== lost) send.call(this, data);
  };
}"""


async def test_a_line_on_which_nothing_arrives_any_more_is_given_up(join: OpenTab) -> None:
    ana = await join("g8", "ana", has_own_clock=True)
    await ana.page.evaluate(LOSE_PINGS)
    for _ in range(2):
        await ana.page.clock.fast_forward(25_000)
    await expect(ana.page.locator(".note")).to_contain_text("Reconnected after")


FLAPPING = """async (room) => {
  const [{ ChatClient }, { inject, localOrigin }] = [await import("./client.js"), await import("./local.js")];
  Math.random = () => 1;
  const waits = [];
  return new Promise((resolve) => {
    const cut = () => inject(localOrigin(chat.service), { fault: "cut_connections", connectionId: chat.connectionId });
    const status = ({ state, retryAt }) => {
      if (state === "connected") cut();
      if (state === "waiting" && waits.push(Math.round(Math.log2((retryAt - Date.now()) / 4000))) === 3) {
        chat.stop();
        resolve(waits);
      }
    };
    const chat = new ChatClient("../", { room, userId: "ana" }, { status });
    chat.start();
  });
}"""


async def test_a_line_that_drops_as_soon_as_it_is_there_is_tried_less_and_less_often(join: OpenTab) -> None:
    ana = await join("g12", "ana")
    assert await ana.page.evaluate(FLAPPING, "g12-flapping") == [0, 1, 2]


async def test_an_app_that_is_being_deployed_is_waited_for(join: OpenTab, system: System) -> None:
    ana = await join("g13", "ana", may_log=("404",))
    await ana.page.route("**/api/negotiate?**", lambda route: route.fulfill(status=404))
    await cut(system, "g13", "ana")
    await expect(ana.page.locator("#reason")).to_have_text("The app answered 404 to negotiate.")
    await ana.until_state("Offline")
    await ana.page.unroute("**/api/negotiate?**")
    await ana.until_connected()
