"""Editing and deleting what one wrote: by menu, keyboard and long press; what others see of it, also afterwards."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

import chat.policy
from tests.e2e.conftest import System
from tests.page.conftest import WIDE, OpenTab, Tab
from tests.page.looks import findings, keep_screenshot
from tests.page.test_chat import DOT
from tests.page.test_rooms import SMALL, create, go

pytestmark = pytest.mark.asyncio(loop_scope="session")


def line(tab: Tab, text: str) -> Locator:
    return tab.page.locator(".message", has_text=text)


async def open_menu(tab: Tab, text: str) -> None:
    await line(tab, text).hover()
    await line(tab, text).locator(".more").click()


async def edit(tab: Tab, text: str, new: str) -> None:
    """Change what a message says, and wait until it does."""
    await open_menu(tab, text)
    await tab.page.get_by_role("menuitem", name="Edit").click()
    await tab.page.fill("#text", new)
    await tab.page.press("#text", "Enter")
    await tab.see(new)


async def delete(tab: Tab, text: str) -> None:
    """Delete a message, and wait until it is gone."""
    await open_menu(tab, text)
    await tab.page.get_by_role("menuitem", name="Delete").click()
    await tab.page.click("#confirm-delete")
    await expect(line(tab, text)).to_have_count(0)


async def test_an_edit_is_seen_by_everyone_and_says_when_it_was_made(join: OpenTab, system: System) -> None:
    ana, ben = await join("ch1", "ana"), await join("ch1", "ben")
    await ana.say("Tee at four?")
    await edit(ana, "Tee at four?", "Tea at four?")
    await ben.see("Tea at four?")
    for tab in (ana, ben):
        assert await tab.texts() == ["Tea at four?"]
        await tab.page.get_by_text("edited", exact=True).click()
        (stored,) = [message for message in await system.history("ch1") if message["type"] == "message"]
        when = tab.page.locator(".edited span")
        await expect(when).to_be_visible()
        await expect(when).to_contain_text(re.compile(rf"{stored['editedAt'][:4]}.*\d:\d\d:\d\d"))
    await expect(ana.page.locator("#text")).to_have_value("")
    await ana.say("a new message")
    assert await ana.texts() == ["Tea at four?", "a new message"]


async def test_of_a_deleted_message_one_grey_line_is_left(join: OpenTab, system: System) -> None:
    ana, ben = await join("ch2", "ana"), await join("ch2", "ben")
    await ana.say("a secret")
    await ana.say("no secret")
    await ben.see("a secret")
    await open_menu(ana, "a secret")
    await ana.page.get_by_role("menuitem", name="Delete").click()
    await ana.page.click("#keep-message")
    await ana.see("a secret")
    await delete(ana, "a secret")
    for tab in (ana, ben):
        await expect(tab.page.locator(".gone > :not(.day)")).to_have_text("Message deleted")
        assert await tab.texts() == ["no secret"]
    await ben.page.reload()
    await ben.see("no secret")
    await expect(ben.page.locator(".gone > :not(.day)")).to_have_text("Message deleted")
    assert "a secret" not in [message.get("data") for message in await system.history("ch2")]


async def test_only_one_s_own_messages_have_a_menu_and_an_image_can_only_be_deleted(join: OpenTab) -> None:
    ana, ben = await join("ch3", "ana"), await join("ch3", "ben")
    await ana.say("by ana")
    await ben.see("by ana")
    await ben.page.set_input_files("#file", [DOT])
    image = ben.page.locator(".own:has(img)")
    await expect(image.locator(".badge.stored")).to_be_attached()
    await expect(line(ben, "by ana").locator(".more")).to_have_count(0)
    await image.hover()
    await image.locator(".more").click()
    await expect(ben.page.get_by_role("menuitem")).to_have_text(["Delete"])


async def test_the_keyboard_edits_and_deletes(join: OpenTab) -> None:
    ana = await join("ch4", "ana")
    await ana.say("first")
    await ana.say("secnod")
    text, keyboard = ana.page.locator("#text"), ana.page.keyboard
    await text.press("ArrowUp")
    await expect(text).to_have_value("secnod")
    await text.press("Escape")
    await expect(text).to_have_value("")
    await text.press("ArrowUp")
    await text.fill("second")
    await text.press("Enter")
    await ana.see("second")

    more = line(ana, "first").locator(".more")
    await text.fill("what I was writing")
    await more.press("Enter")
    await keyboard.press("Enter")
    await expect(text).to_have_value("first")
    await text.press("Escape")
    await expect(text).to_have_value("what I was writing")

    await more.press("Enter")
    await expect(ana.page.get_by_role("menuitem", name="Edit")).to_be_focused()
    await keyboard.press("Escape")
    await expect(more).to_be_focused()
    await keyboard.press("Shift+F10")
    await keyboard.press("ArrowDown")
    await expect(ana.page.get_by_role("menuitem", name="Delete")).to_be_focused()
    await keyboard.press("Enter")
    await ana.page.locator("#confirm-delete").press("Enter")
    await expect(ana.page.locator(".gone")).to_have_count(1)
    assert await ana.texts() == ["second"]


async def test_a_long_press_opens_the_menu_and_a_scroll_does_not(join: OpenTab) -> None:
    ana = await join("ch5", "ana", viewport=SMALL, has_own_clock=True)
    await ana.say("press me")
    bubble, menu = ana.page.locator(".own .bubble"), ana.page.locator("#message-menu")
    down = {"pointerType": "touch", "clientX": 250, "clientY": 300, "bubbles": True}
    await bubble.dispatch_event("pointerdown", down)
    await bubble.dispatch_event("pointermove", down | {"clientY": 330})
    await ana.page.clock.run_for(600)
    await expect(menu).to_be_hidden()
    await bubble.dispatch_event("pointerdown", down)
    await ana.page.clock.run_for(600)
    await expect(menu).to_be_visible()
    await ana.page.get_by_role("menuitem", name="Edit").click()
    await expect(ana.page.locator("#text")).to_have_value("press me")


async def test_an_edit_that_is_refused_is_told_at_the_message_and_can_be_edited_or_discarded(
    join: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await join("ch6", "ana")
    await ana.say("as it was")
    monkeypatch.setattr(chat.policy, "may_change", lambda *_: "It is too late for that.")
    await ana.page.press("#text", "ArrowUp")
    await ana.page.fill("#text", "as it is now")
    await ana.page.press("#text", "Enter")
    refused = line(ana, "as it was").locator(".badge.failed")
    await expect(refused).to_contain_text("The edit was refused: It is too late for that.")
    await expect(refused.locator("button")).to_have_text(["Edit", "Discard"])  # the same would be refused again
    monkeypatch.setattr(chat.policy, "may_change", lambda *_: True)
    await refused.get_by_role("button", name="Edit").click()
    await expect(ana.page.locator("#text")).to_have_value("as it is now")
    await ana.page.press("#text", "Enter")
    await ana.see("as it is now")
    await expect(ana.page.locator(".badge.failed")).to_have_count(0)
    monkeypatch.setattr(chat.policy, "may_change", lambda *_: "No.")
    await open_menu(ana, "as it is now")
    await ana.page.get_by_role("menuitem", name="Delete").click()
    await ana.page.click("#confirm-delete")
    failed = ana.page.locator(".badge.failed")
    await expect(failed).to_contain_text("The deletion was refused: No.")
    await failed.get_by_role("button", name="Discard").click()
    await expect(failed).to_have_count(0)
    assert await ana.texts() == ["as it is now"]


async def test_changes_that_happened_while_one_was_offline_are_there_after_catching_up(join: OpenTab) -> None:
    ana, ben = await join("ch7", "ana"), await join("ch7", "ben", has_own_clock=True)
    for text in ("to be edited", "to be deleted", "to be left"):
        await ana.say(text)
        await ben.see(text)
    await ben.page.click("#offline")
    await ben.until_state("Offline")
    await edit(ana, "to be edited", "edited since")
    await delete(ana, "to be deleted")
    assert await ben.texts() == ["to be edited", "to be deleted", "to be left"]
    await ben.page.clock.run_for(11_000)
    await ben.see("edited since")
    await expect(ben.page.locator(".gone")).to_have_count(1)
    assert await ben.texts() == ["edited since", "to be left"]


async def test_a_change_that_waits_for_the_connection_says_so(join: OpenTab) -> None:
    ana = await join("ch7b", "ana")
    await ana.say("before")
    await ana.page.click("#offline")
    await ana.until_state("Offline")
    await ana.page.press("#text", "ArrowUp")
    await ana.page.fill("#text", "after")
    await ana.page.press("#text", "Enter")
    await expect(line(ana, "before").locator(".badge.sending")).to_have_text("Saving the edit")
    await ana.page.click("#again")
    await ana.see("after")
    await expect(ana.page.locator(".badge.sending")).to_have_count(0)


async def test_messages_of_private_rooms_can_be_changed_too(join: OpenTab) -> None:
    ana, ben = await join("ch8", "ch8-ana"), await join("ch8", "ch8-ben")
    await create(ana, "Pair", "ch8-ben")
    await go(ben, "Pair")
    await ana.say("one")
    await ana.say("two")
    await ben.see("two")
    await edit(ana, "one", "won")
    await delete(ana, "two")
    await ben.see("won")
    await expect(ben.page.locator(".gone")).to_have_count(1)


async def test_a_user_who_edits_and_goes_to_another_room_writes_a_new_message_there(join: OpenTab) -> None:
    ana = await join("ch9-a", "ana")
    await ana.say("here")
    await ana.page.press("#text", "ArrowUp")
    await expect(ana.page.locator("#send")).to_have_text("Save")
    await ana.page.click("#open-new-room")
    await ana.page.fill("#new-room-name", "ch9-b")
    await ana.page.click("#create-room")
    await expect(ana.page.locator("#room")).to_have_text("ch9-b")
    await expect(ana.page.locator("#send")).to_have_text("Send")
    await ana.say("there")
    await go(ana, "ch9-a")
    assert await ana.texts() == ["here"]


async def test_axe_finds_nothing_in_changed_messages_and_their_menu(join: OpenTab, axe: str) -> None:
    ana, ben = await join("ch10", "Ana"), await join("ch10", "Ben")
    await ana.say("The menue is ready.")
    await ana.say("Wrong room, sorry.")
    await ben.say("Lovely!")
    await ana.see("Lovely!")
    await ana.say("Who wants a sencha?")
    await edit(ana, "The menue is ready.", "The menu is ready.")
    await delete(ana, "Wrong room, sorry.")
    page = ana.page
    await page.get_by_text("edited", exact=True).click()
    for size, viewport in (("wide", WIDE), ("narrow", SMALL)):
        await page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            await open_menu(ana, "Who wants a sencha?")
            assert await findings(page, axe) == []
            await keep_screenshot(page, f"changes-{size}-{theme}")
            await page.get_by_role("menuitem", name="Edit").click()
            assert await findings(page, axe) == []
            await keep_screenshot(page, f"editing-{size}-{theme}")
            await page.keyboard.press("Escape")
            await open_menu(ana, "Who wants a sencha?")
            await page.get_by_role("menuitem", name="Delete").click()
            assert await findings(page, axe) == []
            await page.keyboard.press("Escape")
