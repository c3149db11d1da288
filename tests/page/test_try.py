"""*Try it*: what the buttons say will be seen is seen, and only messages are struck."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import System
from tests.page.conftest import OpenTab, inject

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_client_that_was_offline_reads_what_it_missed(join: OpenTab) -> None:
    ana, ben = await join("y1", "ana"), await join("y1", "ben", has_own_clock=True)
    await ben.page.click("#offline")
    await ben.until_state("Offline")
    await expect(ben.page.locator("#reason")).to_have_text("Offline on purpose.")
    await expect(ben.page.locator("#countdown")).to_contain_text("Back in")
    for text in ("one", "two", "three"):
        await ana.say(text)
    await ben.write("written while offline")
    assert await ben.texts() == ["written while offline"]
    await ben.page.clock.fast_forward(10_000)
    await ben.until_connected()
    note = ben.page.locator(".note")
    await expect(note).to_contain_text("3 missed messages read from the history.")
    await expect(note).to_contain_text("Reconnected after 1")  # 10 s, and what passed meanwhile
    await ana.see("written while offline")
    assert await ben.texts() == ["one", "two", "three", "written while offline"]
    await ben.page.click("#offline")
    await ben.page.click("#again")
    await expect(note.nth(1)).to_contain_text("You missed nothing.")


async def test_a_lost_answer_costs_a_delivery_and_no_message(join: OpenTab, system: System) -> None:
    ana, ben = await join("y2", "ana"), await join("y2", "ben")
    await ana.page.click("#lose")
    chip = ana.page.locator(".chip")
    await expect(chip).to_contain_text("the answer gets lost")
    await ana.page.locator("#text").press_sequentially("h")  # who writes is told, and no fault is used up
    await expect(ben.page.locator("#typing")).to_have_text("ana is writing …")
    await expect(chip).to_be_visible()
    await ana.say("hello")
    for tab in (ana, ben):
        await expect(tab.page.locator(".badge.repeat")).to_be_visible()
        assert await tab.texts() == ["hello"]
    await expect(chip).to_have_count(0)
    assert len(await system.history("y2")) == 1


async def test_a_fault_that_waits_can_be_cancelled_and_those_of_others_stay(join: OpenTab, system: System) -> None:
    ana, ben = await join("y3", "ana"), await join("y3", "ben")
    system.emulator.clear_faults()  # of tests before, whose tabs are gone
    for tab in (ana, ben):
        await tab.page.click("#slow")
        await expect(tab.page.locator(".chip")).to_contain_text("the app takes 5 s")
    await ana.page.get_by_role("button", name="Cancel: Next message").click()
    await expect(ana.page.locator(".chip")).to_have_count(0)
    assert len(system.emulator.armed_faults) == 1
    await ana.say("at once")
    await expect(ben.page.locator(".chip")).to_be_visible()
    system.emulator.clear_faults()


async def test_what_nobody_confirmed_says_so_until_it_is_stored(join: OpenTab, system: System) -> None:
    ana = await join("y4", "ana", has_own_clock=True)
    await inject(system.emulator, fault="delay", event="send", seconds=3, count=1)
    await ana.write("slow")
    await expect(ana.page.locator(".badge.sending")).to_be_visible()
    await ana.page.clock.fast_forward(15_000)
    await expect(ana.page.locator(".badge.unconfirmed")).to_contain_text("Not confirmed.")
    await expect(ana.page.locator(".own .badge.stored")).to_be_attached()
    assert await ana.texts() == ["slow"]
    assert len(await system.history("y4")) == 1


async def test_a_part_that_fails_is_named_with_the_error_s_id_and_people_may_be_gone(join: OpenTab) -> None:
    ana = await join("y5", "ana", may_log=("503",), has_own_clock=True)
    await expect(ana.page.locator("#storage")).to_have_attribute("data-state", "ok")
    error = {"type": "error", "code": "unavailable", "message": "Try again.", "id": "3f2a9c"}
    health = {"status": "unhealthy", "storage": "unavailable", "webpubsub": "ok", "outbox": None}
    await ana.page.route("**/api/presence?**", lambda route: route.fulfill(status=503, json=error))
    await ana.page.route("**/api/health", lambda route: route.fulfill(status=503, json=health))
    await ana.page.clock.fast_forward(30_000)
    await ana.until_state("Storage failing")
    await expect(ana.page.locator("#storage")).to_have_attribute("data-state", "failing")
    await expect(ana.page.locator("#app")).to_have_attribute("data-state", "ok")
    await expect(ana.page.locator("#reason")).to_contain_text("(error 3f2a9c)")
    await ana.page.unroute_all()
    await ana.say("and it works again")
    await ana.page.clock.fast_forward(30_000)
    await ana.until_connected()
    await expect(ana.page.locator("#trouble")).to_be_hidden()
    await expect(ana.page.locator("#people .name")).to_have_css("font-style", "normal")
    await ana.page.click("#offline")
    await expect(ana.page.locator("#people .name")).to_have_css("font-style", "italic")
