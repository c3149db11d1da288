"""Rooms at the side: open and private ones, what is unread, new ones, and the people of private ones."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import ViewportSize, expect

import chat.policy
from local.azurite import Azurite
from tests.e2e.conftest import System, running_system
from tests.page.conftest import WIDE, OpenTab, Tab
from tests.page.looks import findings, keep_screenshot

pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL = ViewportSize(width=360, height=640)


async def enter(tab: Tab, room: str) -> None:
    """Go to an open room by its name."""
    await tab.page.click("#open-new-room")
    await tab.page.fill("#new-room-name", room)
    await tab.page.click("#create-room")
    await expect(tab.page.locator("#room")).to_have_text(room)


async def create(tab: Tab, title: str, people: str) -> None:
    """Make a private room."""
    await tab.page.click("#open-new-room")
    await tab.page.check("#kind-private")
    await tab.page.fill("#new-room-name", title)
    await tab.page.fill("#new-room-people", people)
    await tab.page.click("#create-room")
    await expect(tab.page.locator("#room")).to_have_text(title)


async def go(tab: Tab, name: str) -> None:
    """Go to a room of the list."""
    await tab.page.locator("#rooms a", has_text=name).click()
    await expect(tab.page.locator("#room")).to_have_text(name)


async def test_another_room_is_one_click_and_keeps_the_connection(join: OpenTab) -> None:
    ana, ben = await join("ro1-a", "ana"), await join("ro1-b", "ben")
    sockets: list[str] = []
    ana.page.on("websocket", lambda socket: sockets.append(socket.url))
    await ana.say("in the first")
    await enter(ana, "ro1-b")
    await ana.say("in the second")
    await ben.see("in the second")
    await go(ana, "ro1-a")
    assert await ana.texts() == ["in the first"]
    await expect(ana.page.locator("#people .name")).to_have_text(["ana"])
    await ana.page.go_back()
    await expect(ana.page.locator("#room")).to_have_text("ro1-b")
    assert await ana.texts() == ["in the second"]
    await expect(ana.page.locator("#people .name")).to_have_text(["ana", "ben"])
    assert sockets == []


async def test_the_rooms_that_this_browser_joined_are_there_again_until_they_are_left(join: OpenTab) -> None:
    ana = await join("ro2-a", "ana")
    rooms = ana.page.locator("#open-list .name")
    await expect(ana.page.get_by_role("button", name="Leave ro2-a")).to_be_hidden()  # it is the only one
    await enter(ana, "ro2-b")
    await ana.page.reload()
    await ana.until_connected()
    await expect(rooms).to_have_text(["ro2-a", "ro2-b"])
    await ana.page.get_by_role("button", name="Leave ro2-b").click()
    await expect(ana.page.locator("#room")).to_have_text("ro2-a")
    await expect(rooms).to_have_text(["ro2-a"])
    await ana.page.reload()
    await ana.until_connected()
    await expect(rooms).to_have_text(["ro2-a"])


async def test_a_foreign_value_in_place_of_the_rooms_breaks_nothing(join: OpenTab) -> None:
    ana = await join("ro15", "ana")
    for garbage in ("{", '{"a":1}', '["", 1, "@team", null]', "null"):
        await ana.page.evaluate("(garbage) => localStorage.setItem('rooms', garbage)", garbage)
        await ana.page.reload()
        await ana.until_connected()
        await expect(ana.page.locator("#open-list .name")).to_have_text(["ro15"])


async def test_what_came_into_another_room_is_counted_until_it_is_shown(join: OpenTab) -> None:
    ana, ben = await join("ro3-a", "ana"), await join("ro3-a", "ben")
    await ben.say("seen")
    await ana.see("seen")
    await enter(ana, "ro3-b")
    await ana.say("my own")
    await ben.say("one")
    await ben.say("two")
    await expect(ana.page.locator("#open-list .unread")).to_have_text(["2 unread", ""])
    await go(ana, "ro3-a")
    await expect(ana.page.locator("#open-list .unread")).to_have_text(["", ""])
    assert await ana.texts() == ["seen", "one", "two"]


async def test_what_is_being_written_stays_in_its_room(join: OpenTab) -> None:
    ana = await join("ro3c", "ana")
    await ana.page.click("#json")
    await ana.page.fill("#text", '{"for": "here"}')
    await create(ana, "Elsewhere", "ro3c-ben")
    await expect(ana.page.locator("#text")).to_have_value("")
    await expect(ana.page.locator("#json")).to_have_attribute("aria-pressed", "false")
    await go(ana, "ro3c")
    await expect(ana.page.locator("#text")).to_have_value('{"for": "here"}')
    await expect(ana.page.locator("#json")).to_have_attribute("aria-pressed", "true")


async def test_a_new_private_room_reaches_its_members_immediately_and_nobody_else(
    join: OpenTab, system: System
) -> None:
    ana, ben, cleo = (
        await join("ro4", "ro4-ana"),
        await join("ro4", "ro4-ben"),
        await join("ro4", "ro4-cleo", may_log=("403",)),
    )
    await create(ana, "Surprise", "ro4-ben")
    await ana.say("Shall we bake a cake?")
    await expect(ben.page.locator("#private-list .unread")).to_have_text("1 unread")
    await go(ben, "Surprise")
    await ben.say("With cherries!")
    await ana.see("With cherries!")
    assert await ana.texts() == await ben.texts() == ["Shall we bake a cake?", "With cherries!"]
    await expect(ben.page.locator("#people .name")).to_have_text(["ro4-ana", "ro4-ben"])
    await expect(cleo.page.locator("#private-list a")).to_have_count(0)
    await cleo.page.goto(ana.page.url.replace("ro4-ana", "ro4-cleo"))
    await cleo.until_connected()
    await expect(cleo.page.locator("#no-entry")).to_have_text("You may not join this room.")
    await expect(cleo.page.locator("#messages li")).to_have_count(0)
    await ben.page.reload()
    await ben.see("With cherries!")
    await expect(ben.page.locator("#room")).to_have_text("Surprise")


async def test_members_add_the_creator_removes_and_everyone_leaves(join: OpenTab) -> None:
    ana, ben, cleo = await join("ro5", "ro5-ana"), await join("ro5", "ro5-ben"), await join("ro5", "ro5-cleo")
    await create(ana, "Team", "ro5-ben")
    await go(ben, "Team")
    await ben.page.click("#open-members")
    await ben.page.fill("#new-member", "ro5-cleo")
    await ben.page.press("#new-member", "Enter")
    members = ben.page.locator("#member-list .name")
    await expect(members).to_have_text(["ro5-ana", "ro5-ben", "ro5-cleo"])
    await expect(ana.page.locator("#people .name")).to_have_text(["ro5-ana", "ro5-ben", "ro5-cleo"])
    await go(cleo, "Team")

    # What the server says no to is told where it was asked for.
    await ben.page.get_by_role("button", name="Remove ro5-cleo").click()
    refused = ben.page.locator("#member-list li", has_text="ro5-cleo").locator(".problem")
    await expect(refused).to_have_text("You may not do this in the room.")
    await ben.page.fill("#new-member", "ro5-cleo")
    await ben.page.press("#new-member", "Enter")
    await expect(ben.page.locator("#member-problem")).to_have_text("This user is in the room already.")

    await ana.page.click("#open-members")
    await ana.page.get_by_role("button", name="Remove ro5-cleo").click()
    await expect(cleo.page.locator("#private-list a")).to_have_count(0)
    await expect(cleo.page.locator("#room")).to_have_text("ro5")
    await expect(cleo.page.locator(".note")).to_have_text("You are no longer in Team.")
    await expect(members).to_have_text(["ro5-ana", "ro5-ben"])
    await cleo.page.go_back()  # not to what cleo may not read any more
    await expect(cleo.page.locator("#room")).to_have_text("ro5")

    await ben.page.click("#leave-room")
    await expect(ben.page.locator("#room")).to_have_text("ro5")
    await expect(ben.page.locator("#private-list a")).to_have_count(0)
    await expect(ana.page.locator("#member-list .name")).to_have_text(["ro5-ana"])


async def test_a_room_that_may_not_be_is_refused_in_the_dialog(join: OpenTab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: room != "ro6-staff")
    monkeypatch.setattr(chat.policy, "may_create_room", lambda _: False)
    ana = await join("ro6", "ana")
    await ana.page.click("#open-new-room")
    problem = ana.page.locator("#new-room-problem")
    for name, told in (("ro6-staff", "You may not join this room."), ("@team", "does not begin with @")):
        await ana.page.fill("#new-room-name", name)
        await ana.page.press("#new-room-name", "Enter")
        await expect(problem).to_contain_text(told)
    await ana.page.fill("#new-room-name", "é" * 100)
    await ana.page.press("#new-room-name", "Enter")
    await expect(problem).to_contain_text("1 to 128 bytes")
    await ana.page.check("#kind-private")
    await ana.page.press("#new-room-name", "Enter")
    await expect(problem).to_have_text("You may not create a room.")
    await ana.page.click("#cancel-room")
    await ana.say("still here")


async def test_a_remembered_room_that_may_not_be_joined_any_more_keeps_nobody_from_the_others(
    join: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await join("ro7-a", "ana", may_log=("403",))
    await enter(ana, "ro7-b")
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: room != "ro7-b")
    await ana.page.reload()
    await ana.until_connected()
    await expect(ana.page.locator("#no-entry")).to_have_text("You may not join this room.")
    await expect(ana.page.locator("#open-list .name")).to_have_text(["ro7-a"])
    await go(ana, "ro7-a")
    await expect(ana.page.locator("#no-entry")).to_be_empty()
    await ana.say("in here")


async def test_private_rooms_are_not_offered_where_they_are_off(azurite: Azurite, open_tab: OpenTab) -> None:
    async with running_system(azurite, PRIVATE_ROOMS="false") as system:
        ana = await open_tab(system.url, "ro8", "ana", may_log=("403",))
        await ana.until_connected()
        await expect(ana.page.locator("#private-rooms")).to_be_hidden()
        await ana.say("hello")
        await ana.page.goto("about:blank")  # before its service goes


async def test_the_page_warns_beside_private_rooms_only_where_anyone_can_take_any_name(join: OpenTab) -> None:
    ana = await join("ro9", "ro9-ana")
    await create(ana, "Secret", "")
    warnings = [ana.page.locator(f"{part}.unchecked") for part in ("#private-rooms ", "#not-private", "#members ")]
    await ana.page.click("#open-members")
    for warning in warnings:
        await expect(warning).to_be_visible()
        await expect(warning).to_contain_text("anyone can join under a member’s name")
    await ana.page.evaluate("document.documentElement.dataset.clientAuth = 'app_service'")
    for warning in warnings:
        await expect(warning).to_be_hidden()


async def test_the_rooms_are_a_drawer_where_the_window_is_narrow(join: OpenTab) -> None:
    ana, ben = await join("ro10-a", "ana", viewport=SMALL), await join("ro10-a", "ben")
    rooms, opener = ana.page.locator("#rooms"), ana.page.locator("#open-rooms")
    await expect(rooms).to_be_hidden()
    await opener.click()
    await enter(ana, "ro10-b")
    await expect(rooms).to_be_hidden()
    await ben.say("hello")
    await expect(opener).to_have_accessible_name("Rooms, 1 unread")
    await opener.press("Enter")
    await ana.page.keyboard.press("Escape")
    await expect(rooms).to_be_hidden()
    await opener.click()
    await go(ana, "ro10-a")
    await expect(rooms).to_be_hidden()
    await expect(opener).to_have_accessible_name("Rooms")
    await ana.page.set_viewport_size(WIDE)
    await expect(rooms).to_be_visible()
    await expect(opener).to_be_hidden()


async def test_axe_finds_nothing_in_rooms_people_and_dialogs(join: OpenTab, axe: str) -> None:
    ana, ben = await join("ro11", "Ana"), await join("ro11", "Ben")
    page = ana.page
    await create(ana, "Surprise for Cleo", "Ben, Dan")
    await ben.say("Where are you?")
    await expect(page.locator("#open-list .unread")).to_have_text("1 unread")
    for size, viewport in (("wide", WIDE), ("narrow", SMALL)):
        await page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            if size == "narrow":
                await page.click("#open-rooms")
            assert await findings(page, axe) == []
            await keep_screenshot(page, f"rooms-{size}-{theme}")
            await page.click("#open-new-room")
            await page.check("#kind-private")
            assert await findings(page, axe) == []
            await keep_screenshot(page, f"new-room-{size}-{theme}")
            await page.keyboard.press("Escape")
            await page.click("#open-members")
            assert await findings(page, axe) == []
            await keep_screenshot(page, f"people-{size}-{theme}")
            await page.keyboard.press("Escape")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


CARDS = ["Open a second person", "Go offline and catch up", "Edit chat/policy.py"]


async def test_an_empty_room_shows_three_things_to_try_until_somebody_writes(join: OpenTab, axe: str) -> None:
    ana = await join("ro12", "Ana")
    page = ana.page
    await expect(page.locator("#cards h2:visible")).to_have_text(CARDS)
    for size, viewport in (("wide", WIDE), ("narrow", SMALL)):
        await page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            assert await findings(page, axe) == []
            await keep_screenshot(page, f"cards-{size}-{theme}")
    await page.set_viewport_size(WIDE)
    await page.get_by_role("link", name="Open Ana and Ben").click()
    await expect(page).to_have_url(re.compile(r"/split\.html\?room=ro12$"))
    ben = page.frame_locator("iframe[title='The page of Ben']")
    # In the split view the second person is there already.
    await expect(ben.locator("#cards h2:visible")).to_have_text(CARDS[1:])
    await ben.locator("#text").fill("hello")
    await ben.locator("#text").press("Enter")
    await expect(ben.locator("#cards")).to_be_hidden()


async def test_the_three_lines_for_the_policy_do_what_the_card_says(
    join: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await join("ro13", "ana")
    lines = (await ana.page.locator("#cards pre").inner_text()).splitlines()
    assert len(lines) == 3
    names: dict[str, object] = {}
    exec("\n".join(["def may_send(message):", *(f"    {line}" for line in lines)]), names)
    monkeypatch.setattr(chat.policy, "may_send", names["may_send"])
    await ana.write("this is spam")
    await expect(ana.page.locator(".badge.failed")).to_contain_text("No spam, please.")
    await ana.say("this is not")


async def test_the_card_goes_offline_and_what_was_missed_is_there_afterwards(join: OpenTab) -> None:
    ana, ben = await join("ro14", "ana", has_own_clock=True), await join("ro14", "ben")
    await ana.page.locator("#cards").get_by_role("button", name="Go offline for 10 s").click()
    await ana.until_state("Offline")
    await ben.say("You will read this")
    await ana.page.clock.run_for(11_000)
    await ana.see("You will read this")
    await expect(ana.page.locator(".note")).to_contain_text("1 missed message")
