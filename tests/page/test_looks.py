"""What the page looks like: to people, to axe-core, and after a thousand messages."""

from __future__ import annotations

import asyncio
import struct
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from chat.backends.table_store import TableStore
from chat.model.keys import body_digest, message_id, partition_key
from chat.model.messages import Message
from chat.settings import StorageAccount
from local.azurite import Azurite
from tests.e2e.conftest import System
from tests.page.conftest import NARROW, WIDE, OpenTab, Tab, announce
from tests.page.looks import findings, keep_screenshot
from tests.patience import PATIENCE_SECONDS
from webpubsub_handler import DataType

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def tell_a_story(ana: Tab, ben: Tab) -> None:
    """Fill the page with all that it can show."""
    await ana.say("Morning! The new menu is ready.")
    await ben.see("Morning! The new menu is ready.")
    await ben.say("Lovely. Which teas are in?")
    await ana.see("Lovely. Which teas are in?")
    await ana.page.click("#json")
    await ana.write('{"teas":["assam","sencha"],"cake":true}')
    await expect(ana.page.locator(".own:has(pre) .badge.stored")).to_be_attached()
    await ana.page.click("#json")
    await ana.page.click("#duplicate")
    await expect(ana.page.locator("#local-note")).not_to_be_empty()
    await ana.say("The service delivers this one twice.")
    await ben.see("The service delivers this one twice.")
    await expect(ana.page.locator(".badge.repeat")).to_be_visible()
    await ana.page.evaluate("document.getElementById('cut').click()")
    await ana.until_state("Offline")
    await ben.say("Did you lose your line?")
    await ana.until_connected()
    await ana.see("Did you lose your line?")
    await ana.say("Yes, and I missed nothing.")
    await ben.see("Yes, and I missed nothing.")
    await ben.page.locator("#text").press_sequentially("Wow")
    await expect(ana.page.locator("#typing")).not_to_be_empty()


async def test_axe_finds_nothing_in_any_size_and_theme_and_screenshots_are_taken(join: OpenTab, axe: str) -> None:
    ana, ben = await join("tea-room", "Ana"), await join("tea-room", "Ben")
    await tell_a_story(ana, ben)
    page = ana.page
    for size, viewport in (("wide", WIDE), ("narrow", NARROW)):
        await page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            assert await findings(page, axe) == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await keep_screenshot(page, f"page-{size}-{theme}")


async def test_axe_finds_nothing_in_trouble_and_in_the_dialog(
    open_tab: OpenTab, axe: str, fragile_system: System
) -> None:
    may_log = ("ERR_CONNECTION_REFUSED", "WebSocket connection to")
    ana = await open_tab(fragile_system.url, "l2", "Ana", may_log=may_log)
    await ana.until_connected()
    await ana.write("x" * 70_000)
    await expect(ana.page.locator(".badge.failed")).to_be_attached()
    await fragile_system.emulator.stop()
    await ana.until_state("Offline")
    await ana.write("waiting for a line")
    for theme in ("light", "dark"):
        await ana.page.emulate_media(color_scheme=theme)
        assert await findings(ana.page, axe) == []
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
    await ana.say("w" * 2000)
    assert await ana.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await ana.page.locator("#send").is_visible()


async def fill(azurite: Azurite, room: str, count: int, image: bytes | None = None) -> None:
    store = TableStore("chat", StorageAccount(azurite.connection_string))
    start = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    partition = partition_key("chat", room)
    waiting = iter(range(count))

    async def worker() -> None:
        for number in waiting:
            time = start + timedelta(seconds=number)
            text = f"number {number} {'words ' * (number % 40)}"
            name = "Ana" if number // 3 % 2 else "Ben"
            kind, body = (DataType.BINARY, image) if image else (DataType.TEXT, text.encode())
            key = message_id(partition, time, name, str(number), body_digest(kind, body))
            await store.append(Message(key, time, room, name, name, str(number), "message", kind, "", body))

    await asyncio.gather(*(worker() for _ in range(16)))
    await store.aclose()


SCROLL_TO_THE_BEGINNING = """async (count) => {
  const list = document.getElementById("messages");
  while (list.querySelectorAll(".bubble").length < count) {
    list.scrollTop -= 600;
    await new Promise(requestAnimationFrame);
  }
}"""


async def test_who_scrolls_up_reads_a_thousand_messages_once_and_in_order(azurite: Azurite, join: OpenTab) -> None:
    await fill(azurite, "l4", 1000)
    tab = await join("l4", "Ana")
    await asyncio.wait_for(tab.page.evaluate(SCROLL_TO_THE_BEGINNING, 1000), PATIENCE_SECONDS)
    numbers = [int(text.split()[1]) for text in await tab.texts()]
    assert numbers == list(range(1000))


def tall_image() -> bytes:
    """Return a PNG of 4 × 200 grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 4, 200, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\x80\x80\x80\x80" * 200)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("image", [None, tall_image()], ids=["text", "images"])
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
