"""The list of messages: it follows its end, whatever comes, and holds as much as a person can see."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import Any

import pytest
from playwright.async_api import ViewportSize, expect

from local.azurite import Azurite
from tests.e2e.conftest import System
from tests.page.conftest import NARROW, WIDE, OpenTab, announce
from tests.page.made import envelope, fill, png
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")


SIZES = [(40, 30), (1600, 200), (200, 1600), (960, 720), (1, 900), (900, 1)]


async def send_image(system: System, room: str, width: int, height: int) -> None:
    await announce(system, room, envelope(room, base64.b64encode(png(width, height)).decode(), "binary"))


# The distance to the end once all images are there and two frames have passed.
FROM_END = """async () => {
  const list = document.getElementById("messages");
  await Promise.all([...list.querySelectorAll("img")].map((image) => image.decode()));
  for (let i = 0; i < 2; i += 1) await new Promise(requestAnimationFrame);
  return list.scrollHeight - list.scrollTop - list.clientHeight;
}"""


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "phone"])
async def test_the_list_follows_its_end_through_images_of_every_size(
    join: OpenTab, system: System, azurite: Azurite, viewport: ViewportSize
) -> None:
    room = f"t1-{viewport['width']}"
    await fill(azurite, room, 30)
    tab = await join(room, "ana", viewport=viewport)
    for count, (width, height) in enumerate(SIZES, 1):
        await send_image(system, room, width, height)
        await expect(tab.page.locator(".bubble img")).to_have_count(count)
        assert await tab.page.evaluate(FROM_END) < 2, (width, height)
    # A line that gets higher by itself, just after the list was moved a little: nobody scrolled.
    await tab.page.evaluate("""() => {
      const list = document.getElementById("messages");
      list.scrollTop -= 1;
      list.lastElementChild.style.paddingBottom = "300px";
    }""")
    await announce(system, room, envelope(room, "after the images"))
    await expect(tab.page.locator("#messages").get_by_text("after the images")).to_be_in_viewport()
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_box_of_an_image_is_there_before_the_image(join: OpenTab, system: System) -> None:
    tab = await join("t13", "ana")
    without_pixels = base64.b64encode(png(400, 100)[:33]).decode()  # it never comes
    await announce(system, "t13", envelope("t13", without_pixels, "binary"))
    image = tab.page.locator(".bubble img")
    for viewport, size in ((WIDE, (400, 100)), (NARROW, (280, 70))):
        await tab.page.set_viewport_size(viewport)
        box = await image.bounding_box()
        assert box
        assert (box["width"], box["height"]) == pytest.approx(size, abs=16)
        assert box["width"] / box["height"] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "phone"])
async def test_a_room_that_ends_with_images_opens_at_its_end(
    join: OpenTab, azurite: Azurite, viewport: ViewportSize
) -> None:
    room = f"t2-{viewport['width']}"
    await fill(azurite, room, 8, png(320, 240))
    tab = await join(room, "ana", viewport=viewport)
    await expect(tab.page.locator(".bubble img")).to_have_count(8)
    assert await tab.page.evaluate(FROM_END) < 2


async def test_a_reader_who_scrolled_up_stays_there_and_is_told_of_new_messages(
    join: OpenTab, system: System, azurite: Azurite
) -> None:
    await fill(azurite, "t3", 40)
    tab = await join("t3", "ana")
    await tab.see("number 39 " + "words " * 39)
    await tab.page.mouse.move(400, 400)
    await tab.page.mouse.wheel(0, -900)
    await expect(tab.page.locator("#messages").get_by_text("number 38")).not_to_be_in_viewport()
    seen = await tab.page.evaluate("document.getElementById('messages').scrollTop")
    await send_image(system, "t3", 300, 300)
    await announce(system, "t3", envelope("t3", "the newest"))
    await expect(tab.page.locator("#latest")).to_be_visible()
    assert await tab.page.evaluate("document.getElementById('messages').scrollTop") == seen
    await tab.page.click("#latest")
    await expect(tab.page.locator("#messages").get_by_text("the newest")).to_be_in_viewport()
    await expect(tab.page.locator("#latest")).to_be_hidden()


async def test_an_image_that_is_huge_when_it_is_decoded_is_named_and_not_shown(join: OpenTab, system: System) -> None:
    tab = await join("t4", "ana")
    bomb = png(8000, 8000)
    assert len(bomb) < 16_384
    await announce(system, "t4", envelope("t4", base64.b64encode(bomb).decode(), "binary"))
    large = tab.page.locator(".large")
    await expect(large).to_contain_text("Image from ben: PNG, 8,000 × 8,000 pixels")
    await expect(large).to_contain_text("244 MiB")
    assert await tab.page.locator("#messages img").count() == 0
    assert await large.locator("button").count() == 0
    async with tab.page.expect_download() as download:
        await large.get_by_text("Save").click()
    assert (await download.value).suggested_filename == "image.png"
    await send_image(system, "t4", 3000, 3000)  # large, and harmless
    await large.nth(1).get_by_text("Open").click()
    await expect(tab.page.locator("#viewer img")).to_have_js_property("naturalWidth", 3000)


async def test_an_image_opens_large(join: OpenTab, system: System) -> None:
    tab = await join("t5", "ana")
    await send_image(system, "t5", 800, 600)
    await tab.page.locator(".bubble .image").click()
    box = await tab.page.locator("#viewer img").bounding_box()
    assert box
    assert (box["width"], box["height"]) == (800, 600)
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator("#viewer")).to_be_hidden()


WATCH = """() => {
  const list = document.getElementById("messages");
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (...frames) { window.socket = this; return send.apply(this, frames); };
  Object.assign(window, { most: 0, made: 0 });
  new MutationObserver((changes) => {
    most = Math.max(most, list.childElementCount);
    made = Math.max(made, changes.reduce((sum, { addedNodes }) => sum + addedNodes.length, 0));
  }).observe(list, { childList: true });
}"""
# As they come over a line that is fast: some at a time, between which the page may work.
BURST = """async (frames) => {
  const channel = new MessageChannel();
  while (frames.length) {
    for (const data of frames.splice(0, 50)) socket.onmessage({ data });
    await new Promise((resolve) => { channel.port1.onmessage = resolve; channel.port2.postMessage(null); });
  }
}"""
READ_TO = """async (last) => {
  const list = document.getElementById("messages");
  const frame = () => new Promise(requestAnimationFrame);
  const seen = new Set();
  while (!seen.has(last)) {
    const shown = [...list.querySelectorAll(".bubble")].map((line) => Number(line.textContent.split(" ")[1]));
    if (shown.some((number, index) => index && number !== shown[index - 1] + 1)) return shown;
    for (const number of shown) seen.add(number);
    list.scrollTop = last ? list.scrollHeight : 0;
    await frame();
    await frame();
  }
  return seen.size;
}"""


async def test_of_a_burst_of_five_thousand_a_few_are_in_the_document_and_all_are_there_in_order(join: OpenTab) -> None:
    tab = await join("t6", "ana")
    await tab.page.evaluate(WATCH)
    await tab.page.locator("#text").press_sequentially("typing")  # what is sent shows the socket
    await tab.page.wait_for_function("window.socket")
    texts = [f"number {number} {'words ' * (number % 40)}" for number in range(5000)]
    frames = [json.dumps({"type": "message", "from": "group", "group": "t6", "dataType": "json", "data": one})
              for one in (envelope("t6", text) for text in texts)]  # fmt: skip
    await tab.page.evaluate(BURST, frames)
    await expect(tab.page.locator("#messages").get_by_text("number 4999")).to_be_in_viewport()
    most, made = await tab.page.evaluate("[most, made]")
    assert most <= 240
    assert made <= 60
    for last in (0, 4999):  # up to the oldest, and down again
        read = await asyncio.wait_for(tab.page.evaluate(READ_TO, last), PATIENCE_SECONDS)
        assert read == 5000
    assert await tab.page.evaluate("most") <= 240
    assert await tab.page.locator("#text").input_value() == "typing"


async def test_a_long_message_is_folded_until_somebody_wants_all_of_it(join: OpenTab) -> None:
    ana = await join("t7", "ana")
    await ana.write("\n".join(f"line {number}" for number in range(400)))
    text = ana.page.locator(".bubble .text")
    await expect(text).to_contain_text("line 11…")
    assert "line 12" not in await text.inner_text()
    await expect(ana.page.locator(".own .badge.stored")).to_be_attached()
    before = await text.bounding_box()
    await ana.page.get_by_text("Show all 3,489 characters").click()
    await expect(text).to_contain_text("line 399")
    after = await text.bounding_box()
    assert before
    assert after
    assert after["y"] == before["y"]  # its beginning is still there to be read
    await ana.say("and the end is one step away")
    await expect(ana.page.locator("#messages").get_by_text("one step away")).to_be_in_viewport()


FOLDED_JSON = """async (text) => {
  const { body } = await import("./timeline/bodies.js");
  return body("json", text, "", { isUnfolded: false, unfold() {} }).textContent;
}"""


async def test_json_that_is_cut_off_says_so(join: OpenTab) -> None:
    tab = await join("t15", "ana")
    long = json.dumps(["x" * 100] * 10)
    shown = await tab.page.evaluate(FOLDED_JSON, long)
    assert shown.endswith(f"…Show all {len(long):,} characters")


RESET = """async ([old, late]) => {
  const { Log } = await import("./timeline/log.js");
  const { Timeline } = await import("./timeline/timeline.js");
  const list = document.createElement("ol"); // not the one that the page fills
  list.style = "height: 300px; overflow: auto";
  document.body.prepend(list);
  const log = new Log("t16", () => "ana");
  const timeline = new Timeline(list, { readOlder() {} }, log);
  // A person scrolls between two frames.
  const frame = () => new Promise((after) => requestAnimationFrame(() => setTimeout(after)));
  log.add(old, "history");
  const note = log.note("You are offline.");
  do await frame(); while (list.childElementCount < old.length);
  list.scrollTop = list.scrollHeight / 2;
  do await frame(); while (timeline.scroll.isFollowing);
  log.reset();
  log.add(late, "history");
  log.rewrite(note, "You are back.");
  await frame();
  await frame();
  return [...list.querySelectorAll(".text, .note")].map((part) => part.textContent);
}"""


async def test_a_reader_further_up_is_at_the_new_end_and_told_why_when_too_much_was_missed(join: OpenTab) -> None:
    tab = await join("t16", "ana")
    old, late = ([envelope("t16", f"{when} {number}") for number in range(50)] for when in ("old", "late"))
    shown = await asyncio.wait_for(tab.page.evaluate(RESET, [old, late]), PATIENCE_SECONDS)
    assert shown == [*(one["data"] for one in late), "You are back."]


PROGRESS = """(states) => import("./timeline/lines.js").then(({ draw }) => states.map(([state, dataType, code]) => {
  const outgoing = { key: "k", room: "r", event: "send", dataType, data: "", state, code, reason: "No." };
  const line = draw({ kind: "outgoing", isOwn: true, from: "ana", time: "2026-11-26T19:30Z", outgoing }, {}, () => {});
  return line.querySelector(".badges").textContent;
}))"""


async def test_the_state_of_a_message_is_shown_with_possible_actions(join: OpenTab) -> None:
    tab = await join("t14", "ana")
    states = {
        ("sending", "text", None): "Sending",
        ("stored", "text", None): "Stored",  # acknowledged before it is heard
        ("unconfirmed", "text", None): "Not confirmed. It is sent again until it is. Discard",
        ("failed", "text", "BadRequest"): "Not sent: No. Try again Edit Discard",
        ("failed", "text", "refused"): "Not sent: No. Edit Discard",
        ("failed", "binary", "too_large"): "Not sent: No. Discard",
    }
    assert await tab.page.evaluate(PROGRESS, [list(state) for state in states]) == list(states.values())


async def test_links_in_a_text_are_links_and_nothing_else_is(join: OpenTab) -> None:
    ana = await join("t8", "ana")
    text = "(https://example.com/a_(b)?c=1), http://b.example/\u202egpj.exe! javascript:alert(1) https:// www.c.example"
    await ana.write(text)
    links = ana.page.locator(".bubble a")
    await expect(links).to_have_text(["https://example.com/a_(b)?c=1", "http://b.example/"])
    for link in await links.all():
        assert "noopener" in (await link.get_attribute("rel") or "")
        assert await link.get_attribute("target") == "_blank"
    await expect(ana.page.locator(".bubble .text")).to_have_text(text)


async def test_hidden_characters_in_a_name_are_made_visible(join: OpenTab) -> None:
    ana, other = await join("t9", "ana"), await join("t9", "a\u200bna\u202e")
    await other.say("I am ana")
    await expect(ana.page.locator(".message strong")).to_have_text("a⟨U+200B⟩na⟨U+202E⟩")
    await expect(ana.page.locator("#people .name")).to_have_text(["ana", "a⟨U+200B⟩na⟨U+202E⟩"])
    await expect(other.page.locator("#me")).to_have_text("as a⟨U+200B⟩na⟨U+202E⟩")
    family = await join("t9", "👩‍👩‍👧 ❤️")
    await expect(family.page.locator("#me")).to_have_text("as 👩‍👩‍👧 ❤️")


async def test_messages_that_nobody_saw_are_counted_in_the_title(join: OpenTab) -> None:
    ana, ben = await join("t10", "ana"), await join("t10", "ben")
    hide = """(isHidden) => {
      Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    await ana.page.evaluate(hide, True)
    for text in ("one", "two"):
        await ben.say(text)
    await expect(ana.page).to_have_title("(2) t10 – chat")
    await ana.page.evaluate(hide, False)
    await expect(ana.page).to_have_title("t10 – chat")
    await ben.say("seen")
    await ana.see("seen")
    await expect(ana.page).to_have_title("t10 – chat")


async def test_a_stored_message_says_where_it_is_and_leads_to_its_traffic(join: OpenTab, system: System) -> None:
    ana = await join("t11", "ana")
    await ana.say("where am I?")
    await ana.page.get_by_text("Stored").first.click()
    (stored,) = await system.history("t11")
    facts = await ana.page.locator(".stored dd").all_inner_texts()
    complement = str.maketrans("0123456789abcdef", "fedcba9876543210")
    assert facts == [stored["id"], stored["id"].translate(complement), stored["time"]]
    async with ana.page.expect_popup() as popup:
        await ana.page.get_by_text("Open in Traffic").click()
    traffic = await popup.value
    await expect(traffic.locator(".entry:visible .name")).to_have_text(["send", "send"])


HEADERS: list[tuple[bytes, list[Any] | None]] = [
    (png(8000, 3), ["image/png", 8000, 3]),
    (b"GIF89a" + struct.pack("<HHBBB", 1, 2, 0, 0, 0) + b"," + struct.pack("<4HB", 1, 0, 9000, 70, 0),
     ["image/gif", 9001, 70]),
    (b"GIF89a" + struct.pack("<HHBBB", 5, 6, 0x80, 0, 0) + bytes(6) + b"!\xf9\x04\0\0\0\0\0,"
     + struct.pack("<4HB", 0, 0, 2, 2, 0), ["image/gif", 5, 6]),
    (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (7999).to_bytes(3, "little") + (9).to_bytes(3, "little"),
     ["image/webp", 8000, 10]),
    (b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"/" + (4999 | 299 << 14).to_bytes(4, "little") + bytes(8),
     ["image/webp", 5000, 300]),
    (b"RIFF\0\0\0\0WEBPVP8 " + bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", 640 | 0x4000, 480) + bytes(8),
     ["image/webp", 640, 480]),
    (b"\xff\xd8\xff\xe0\0\x04ab\xff\xc4\0\x03x\xff\xff\xc2\0\x0b\x08" + struct.pack(">HH", 70, 8000) + bytes(6),
     ["image/jpeg", 8000, 70]),
    (b"\xff\xd8\xff\xe0\xff\xff" + bytes(20), None),
    (b"\xff\xd8\xff\xda" + bytes(20), None),
    (png(8000, 0), None),
    (png(10, 10)[:20], None),
    (b"GIF89a", None),
    (b"GIF89a" + struct.pack("<HHBBB", 5, 6, 0, 0, 0) + b"!\xfe" + b"\xff" * 6000, None),
    (b"RIFF\0\0\0\0WAVEfmt " + bytes(30), None),
    (b"BM" + bytes(60), None),
]  # fmt: skip


async def test_the_size_of_an_image_is_read_from_its_header(join: OpenTab) -> None:
    tab = await join("t12", "ana")
    images = [base64.b64encode(image).decode() for image, _ in HEADERS]
    read = """(images) => import("./timeline/image-header.js").then(({ readImageHeader }) =>
      images.map((image) => { const header = readImageHeader(image); return header && Object.values(header); }))"""
    assert await tab.page.evaluate(read, images) == [size for _, size in HEADERS]
