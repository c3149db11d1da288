"""What the page looks like: to people, to axe-core, and after a thousand messages."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

import chat.policy
from local.azurite import Azurite
from tests.e2e.conftest import System
from tests.page.conftest import NARROW, WIDE, OpenTab, Tab, announce
from tests.page.looks import findings, keep_screenshot
from tests.page.made import BOMB, PICTURE, envelope, fill, png
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def tell_a_story(ana: Tab, ben: Tab, system: System) -> None:
    """Fill the page with all that it can show."""
    await ana.say("Morning! The new menu is ready: https://example.com/menu")
    await ben.write("A long story. " * 120)
    await announce(system, "tea-room", envelope("tea-room", BOMB, "binary", "Ben"))
    await announce(system, "tea-room", envelope("tea-room", PICTURE, "binary", "Ben"))
    await ben.say("Lovely. Which teas are in?")
    await ana.see("Lovely. Which teas are in?")
    await ana.page.click("#json")
    await ana.write('{"teas":["assam","sencha"],"price":1.00}')
    await expect(ana.page.locator(".own:has(pre) .badge.stored")).to_be_attached()
    await ana.page.click("#json")
    await ana.say("More of them will come.")
    await ana.page.click("#duplicate")
    await expect(ana.page.locator(".chip")).to_be_visible()
    await ana.say("The service delivers this one twice.")
    await expect(ana.page.locator(".badge.repeat")).to_be_visible()
    await ana.page.click("#offline")
    await ana.until_state("Offline")
    await ben.say("Did you lose your line?")
    await ana.page.click("#again")
    await ana.until_connected()
    await ana.see("Did you lose your line?")
    await ana.say("Yes, and I missed nothing.")
    await ben.see("Yes, and I missed nothing.")
    await ana.page.locator(".stored summary").last.click()
    await ben.page.locator("#text").press_sequentially("Wow")
    await expect(ana.page.locator("#typing")).not_to_be_empty()
    await ana.page.click("#slow")
    await expect(ana.page.locator(".chip")).to_be_visible()


SIZES = {"wide": WIDE, "narrow": NARROW}
# The list from its end upwards, so that all that the story shows is looked at.
LOOK_HIGHER = """() => {
  const list = document.getElementById("messages");
  list.scrollTop -= list.clientHeight - 40;
  return list.scrollTop;
}"""


async def test_axe_finds_nothing_in_any_size_and_theme_and_screenshots_are_taken(
    join: OpenTab, axe: str, system: System
) -> None:
    ana, ben = await join("tea-room", "Ana"), await join("tea-room", "Ben")
    await tell_a_story(ana, ben, system)
    page = ana.page
    for size, viewport in SIZES.items():
        await page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            assert await findings(page, axe) == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await keep_screenshot(page, f"page-{size}-{theme}")
    for number in range(1, 9):
        is_more = await page.evaluate(LOOK_HIGHER)
        assert await findings(page, axe) == []
        await keep_screenshot(page, f"page-narrow-higher-{number}")
        if not is_more:
            break


async def test_axe_finds_nothing_in_trouble_and_in_the_dialogs(
    open_tab: OpenTab, axe: str, fragile_system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_send", lambda message: b"spam" not in message.body)
    may_log = ("ERR_CONNECTION_REFUSED", "WebSocket connection to", "503")
    ana = await open_tab(fragile_system.url, "l2", "Ana", may_log=may_log)
    await ana.until_connected()
    await ana.write("spam")
    await expect(ana.page.locator(".badge.failed")).to_be_attached()
    await ana.page.click("#json")
    await ana.write('{"cake": maybe}')
    await fragile_system.emulator.stop()
    await ana.until_state("Offline")
    for size, viewport in SIZES.items():
        await ana.page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            await ana.page.emulate_media(color_scheme=theme)
            assert await findings(ana.page, axe) == []
            await keep_screenshot(ana.page, f"trouble-{size}-{theme}")
    await ana.page.click("#try")
    assert await findings(ana.page, axe) == []
    await keep_screenshot(ana.page, "try-narrow-dark")
    await ana.page.click("#try")
    await ana.page.click("#switch")
    assert await findings(ana.page, axe) == []


async def test_axe_finds_nothing_in_a_crowd_on_a_small_screen(join: OpenTab, axe: str, system: System) -> None:
    ana = await join("l6", "Ana", viewport=NARROW)
    told = {"event": "connected", "time": "9999-12-31T00:00:00.000Z"}
    events = [{**told, "userId": f"person {number}", "connectionId": str(number)} for number in range(12)]
    await announce(system, "l6", {"type": "presence", "room": "l6", "events": events})
    await expect(ana.page.locator("#people li")).to_have_count(13)
    assert await findings(ana.page, axe) == []
    assert await ana.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_long_name_and_a_long_word_break_nothing(join: OpenTab) -> None:
    ana = await join("l3-" + "r" * 90, "n" * 100, viewport=NARROW)
    await ana.say("w" * 700)
    assert await ana.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await ana.page.locator("#send").is_visible()


# Only the lines around what is seen are in the document.
READ_TO_THE_BEGINNING = """async (count) => {
  const list = document.getElementById("messages");
  const seen = new Map();
  while (seen.size < count) {
    for (const line of list.children) seen.set(line.dataset.id, line.querySelector(".bubble").textContent);
    list.scrollTop = 0;
    await new Promise(requestAnimationFrame);
  }
  return [...seen].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
}"""


async def test_a_reader_who_scrolls_up_reads_a_thousand_messages_once_and_in_order(
    azurite: Azurite, join: OpenTab
) -> None:
    await fill(azurite, "l4", 1000)
    tab = await join("l4", "Ana")
    texts = await asyncio.wait_for(tab.page.evaluate(READ_TO_THE_BEGINNING, 1000), PATIENCE_SECONDS)
    assert [int(text.split()[1]) for text in texts] == list(range(1000))


@pytest.mark.parametrize("image", [None, png(4, 200)], ids=["text", "images"])
async def test_older_messages_come_in_above_without_moving_what_is_seen(
    azurite: Azurite, join: OpenTab, image: bytes | None
) -> None:
    room = f"l5-{bool(image)}"
    await fill(azurite, room, 120, image)
    tab = await join(room, "Ana")
    moved = await tab.page.evaluate("""async () => {
      const list = document.getElementById("messages");
      while (list.childElementCount === 0) await new Promise(requestAnimationFrame);
      const decoded = () => Promise.all([...list.querySelectorAll("img")].map((image) => image.decode()));
      const frame = () => new Promise(requestAnimationFrame);
      await decoded();
      const count = list.childElementCount;
      list.scrollTop = 200;
      const { top } = list.getBoundingClientRect();
      const seen = [...list.children].find((line) => line.getBoundingClientRect().top > top);
      const before = seen.getBoundingClientRect().top;
      while (list.childElementCount === count) await frame();
      await decoded();
      for (let i = 0; i < 3; i += 1) await frame();
      return Math.abs(seen.getBoundingClientRect().top - before);
    }""")
    assert moved < 2
