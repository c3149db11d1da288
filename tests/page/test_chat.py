"""Two people and a room, in a real browser."""

from __future__ import annotations

import base64
import json

import pytest
from playwright.async_api import Browser, FilePayload, Route, expect

import chat.policy
from local.azurite import Azurite
from tests.e2e.conftest import System, running_system
from tests.page.conftest import NARROW, OpenTab, Tab, announce
from tests.page.made import envelope

pytestmark = pytest.mark.asyncio(loop_scope="session")

AZURE = "https://func-chat.azurewebsites.net"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DOT = FilePayload(name="dot.png", mimeType="image/png", buffer=PNG)


async def test_two_people_chat_in_one_room_and_not_across_rooms(join: OpenTab) -> None:
    ana, ben, cleo = await join("c1", "ana"), await join("c1", "ben"), await join("c1-other", "cleo")
    await ana.say("hello ben")
    await ben.see("hello ben")
    await ben.say("hello ana")
    await ana.see("hello ana")
    await cleo.say("anybody?")
    assert await cleo.texts() == ["anybody?"]
    assert await ana.texts() == await ben.texts() == ["hello ben", "hello ana"]


async def test_two_tabs_have_two_names_and_keep_them_over_a_reload(join: OpenTab) -> None:
    one, other = await join("c2"), await join("c2")
    names = [await tab.page.locator("#me").inner_text() for tab in (one, other)]
    assert len(set(names)) == 2
    assert all(name.startswith("as ") for name in names)
    await one.page.reload()
    await one.until_connected()
    assert await one.page.locator("#me").inner_text() == names[0]


NOTHING_KEPT = """
for (const kept of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, kept, { get() { throw new DOMException("Access is denied.", "SecurityError"); } });
}
navigator.locks.request = () => Promise.reject(new DOMException("Access is denied.", "SecurityError"));
"""


async def test_where_the_browser_keeps_nothing_a_tab_has_a_name_all_the_same(browser: Browser, system: System) -> None:
    context = await browser.new_context()
    await context.add_init_script(NOTHING_KEPT)
    tab = Tab(await context.new_page())
    await tab.page.goto(f"{system.url}/api/demo/?room=c3b")
    await tab.until_connected()
    await tab.say("hello")
    assert tab.errors == []
    await context.close()


async def test_a_duplicated_tab_gets_a_name_of_its_own(join: OpenTab) -> None:
    one = await join("c3")
    async with one.page.expect_popup() as popup:
        await one.page.evaluate("open(location.href)")  # takes a copy of the session along
    other = await popup.value
    await expect(other.locator("#status")).to_have_text("Connected")
    assert await other.locator("#me").inner_text() != await one.page.locator("#me").inner_text()


async def test_a_reload_shows_the_history(join: OpenTab) -> None:
    ana = await join("c4", "ana")
    for number in range(5):
        await ana.say(f"number {number}")
    await ana.page.reload()
    await ana.see("number 4")
    assert await ana.texts() == [f"number {number}" for number in range(5)]


async def test_what_another_client_sends_is_text_never_html(join: OpenTab) -> None:
    room, name = "c5", "<b>ben</b>"
    # A name with a slash can be in no private room, and the browser logs that the app said so.
    ana, ben = await join(room, "ana"), await join(room, name, may_log=("403",))
    attack = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"
    await ben.say(attack)
    await ana.see(attack)
    await ben.page.click("#json")
    await ben.write(json.dumps({"<u>": attack}))
    await expect(ana.page.locator("pre.json")).to_contain_text(attack)
    await expect(ana.page.locator(".message strong").first).to_have_text(name)
    await expect(ana.page.locator("#people .name")).to_have_text([name, "ana"])
    assert await ana.page.evaluate("window.broken") is None
    assert await ana.page.locator("#messages :is(script, b, u, img)").count() == 0


async def test_an_envelope_that_the_app_does_not_send_is_dropped_and_breaks_nothing(
    join: OpenTab, system: System
) -> None:
    ana = await join("c5b", "ana")
    wrongs: list[dict[str, object]] = [{"from": 5}, {"data": None}, {"time": "noon"}, {"dataType": "video"}]
    stranger = {"event": "joined", "userId": {}, "connectionId": 5, "time": "noon"}
    presence: list[object] = [None, [None], [stranger]]
    wrongs += [{"type": "presence", "events": events} for events in presence]
    for wrong in wrongs:
        await announce(system, "c5b", envelope("c5b", "wrong") | wrong)
    await ana.say("right")
    assert await ana.texts() == ["right"]
    await join("c5b", "ben")
    await expect(ana.page.locator("#people .name")).to_have_text(["ana", "ben"])


async def test_json_is_shown_as_it_was_written(join: OpenTab) -> None:
    ana, ben = await join("c6", "ana"), await join("c6", "ben")
    await ana.page.click("#json")
    await ana.write('{"order":12345678901234567890,"price":1.00,"items":[{},"tea"]}')
    for tab in (ana, ben):
        await expect(tab.page.locator("pre.json")).to_have_text(
            '{\n  "order": 12345678901234567890,\n  "price": 1.00,\n  "items": [\n    {},\n    "tea"\n  ]\n}'
        )
    await ana.page.reload()
    await expect(ana.page.locator("pre.json")).to_contain_text("12345678901234567890")


async def test_a_small_image_is_sent_as_binary_and_shown(join: OpenTab, system: System) -> None:
    ana, ben = await join("c7", "ana"), await join("c7", "ben")
    await ana.page.set_input_files("#file", [DOT])
    image = ben.page.locator(".bubble img")
    await expect(image).to_have_attribute("alt", "Image from ana")
    await expect(image).to_have_js_property("naturalWidth", 1)
    assert [message["dataType"] for message in await system.history("c7")] == ["binary"]


async def test_a_large_image_is_made_small_enough(join: OpenTab, system: System) -> None:
    ana = await join("c8", "ana")
    noise = """() => new Promise((resolve) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 1600, height: 1200 });
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(1600, 1200);
      for (let i = 0; i < pixels.data.length; i += 65536) crypto.getRandomValues(pixels.data.subarray(i, i + 65536));
      context.putImageData(pixels, 0, 0);
      canvas.toBlob((blob) => {
        const files = new DataTransfer();
        files.items.add(new File([blob], "noise.png", { type: "image/png" }));
        const paste = new ClipboardEvent("paste", { clipboardData: files, bubbles: true });
        document.getElementById("text").dispatchEvent(paste);
        resolve(blob.size);
      });
    })"""
    assert await ana.page.evaluate(noise) > 1024 * 1024
    await expect(ana.page.locator(".own .badge.stored")).to_be_attached()
    (stored,) = await system.history("c8")
    assert len(base64.b64decode(stored["data"])) <= 48 * 1024


async def test_a_pasted_text_that_brings_its_picture_along_is_text(join: OpenTab) -> None:
    ana = await join("c23", "ana")  # spreadsheets and word processors put both on the clipboard
    paste = """(png) => {
      const both = new DataTransfer();
      both.setData("text/plain", "a cell");
      both.items.add(new File([Uint8Array.from(png)], "cell.png", { type: "image/png" }));
      const paste = new ClipboardEvent("paste", { clipboardData: both, bubbles: true });
      document.getElementById("text").dispatchEvent(paste);
    }"""
    await ana.page.evaluate(paste, list(PNG))
    await ana.page.set_input_files("#file", [DOT])
    await expect(ana.page.locator(".bubble img")).to_be_visible()
    await ana.say("a cell")
    assert await ana.page.locator(".bubble img").count() == 1


async def test_the_page_shows_who_is_typing_and_then_forgets_it(join: OpenTab) -> None:
    ana, ben = await join("c9", "ana"), await join("c9", "ben")
    await ben.page.locator("#text").press_sequentially("so")
    await expect(ana.page.locator("#typing")).to_have_text("ben is writing …")
    await ben.say("done")
    await ana.see("done")
    await expect(ana.page.locator("#typing")).to_have_text("")


async def test_a_person_with_two_tabs_is_here_once_and_gone_with_the_last(join: OpenTab) -> None:
    ana, ben, other = await join("c10", "ana"), await join("c10", "ben"), await join("c10", "ben")
    people = ana.page.locator("#people li")
    await expect(people).to_have_text(["Aanayou", "Bben2 tabs"])
    await other.page.goto("about:blank")
    await expect(people).to_have_text(["Aanayou", "Bben"])
    await ben.page.goto("about:blank")
    await expect(people).to_have_text(["Aanayou"])


async def test_a_ghost_goes_with_the_next_list_of_the_service(join: OpenTab, system: System) -> None:
    ana = await join("c11", "ana", has_own_clock=True)
    ghost = {"event": "connected", "userId": "ghost", "connectionId": "gone", "time": "2026-11-24T09:30:00.000Z"}
    await announce(system, "c11", {"type": "presence", "room": "c11", "events": [ghost]})
    await expect(ana.page.locator("#people .name")).to_have_text(["ana", "ghost"])
    await ana.page.clock.fast_forward(25_000)
    await expect(ana.page.locator("#people .name")).to_have_text(["ana"])


async def test_messages_of_another_room_are_dropped(join: OpenTab, system: System) -> None:
    ana = await join("c24", "ana")
    envelope = {"type": "message", "time": "2026-11-24T09:30:00.000Z", "from": "ben", "dataType": "text"}
    stranger = {"event": "connected", "userId": "stranger", "connectionId": "s", "time": "9999-12-31T00:00:00.000Z"}
    for room in ("c24-other", None):
        await announce(system, "c24", {**envelope, "id": f"of {room}", "room": room, "data": "not for here"})
        await announce(system, "c24", {"type": "presence", "room": room, "events": [stranger]})
        await announce(system, "c24", {"type": "typing", "room": room, "userId": "stranger"})
    await announce(system, "c24", {**envelope, "id": "of c24", "room": "c24", "data": "for here"})
    await ana.see("for here")
    assert await ana.texts() == ["for here"]
    assert await ana.people() == ["ana"]
    await expect(ana.page.locator("#typing")).to_have_text("")


SUBMIT_ALL = """(texts) => {
  for (const text of texts) {
    document.getElementById("text").value = text;
    document.getElementById("composer").requestSubmit();
  }
}"""


async def test_what_was_written_too_fast_is_sent_again_in_its_order(
    join: OpenTab, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 2)
    ana, ben = await join("c25", "c25-ana"), await join("c25", "c25-ben")
    expected = [f"number {number}" for number in range(9)]
    await ana.page.evaluate(SUBMIT_ALL, expected)
    await ben.see(expected[-1])
    await expect(ana.page.locator(".badge.stored")).to_have_count(len(expected))
    assert await ana.texts() == await ben.texts() == expected
    assert [message["data"] for message in reversed(await system.history("c25"))] == expected


async def test_without_a_room_the_page_is_in_the_default_one(azurite: Azurite, open_tab: OpenTab) -> None:
    async with running_system(azurite, DEFAULT_ROOM="c26 Foyer") as system:
        tab = await open_tab(system.url, "", "ana")
        await tab.until_connected()
        await expect(tab.page.locator("#room")).to_have_text("c26 Foyer")
        await tab.say("hello")
        assert [message["data"] for message in await system.history("c26 Foyer")] == ["hello"]
        await tab.page.goto("about:blank")  # before its service goes


async def test_a_message_that_may_not_pass_can_be_edited_or_discarded(
    join: OpenTab, monkeypatch: pytest.MonkeyPatch, system: System
) -> None:
    monkeypatch.setattr(chat.policy, "may_send", lambda message: b"spam" not in message.body)
    ana = await join("c13", "ana")
    failed = ana.page.locator(".badge.failed")
    await ana.write("spam and eggs")
    await expect(failed).to_contain_text("This message may not be sent here.")
    await expect(failed.locator("button")).to_have_text(["Edit", "Discard"])  # the same again would be refused again
    await ana.page.fill("#text", "what I was writing")
    await failed.get_by_text("Edit").click()
    await expect(ana.page.locator("#text")).to_have_value("spam and eggs\nwhat I was writing")
    assert await ana.texts() == []
    await ana.say("eggs")
    await ana.write("spam")
    await failed.get_by_text("Discard").click()
    await expect(ana.page.locator(".bubble")).to_have_text(["eggs"])
    assert [message["data"] for message in await system.history("c13")] == ["eggs"]


async def test_a_user_who_may_not_join_is_told_why_and_the_page_stops_trying(
    system: System, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda user_id, _: user_id != "mallory")
    tab = await open_tab(system.url, "c14", "mallory", may_log=("403",))
    await expect(tab.page.locator("#no-entry")).to_have_text("You may not join this room.")
    await tab.until_connected()  # for other rooms
    assert await tab.page.locator("#composer").get_attribute("inert") is not None


async def test_a_user_who_is_not_signed_in_is_told_so(azurite: Azurite, open_tab: OpenTab) -> None:
    async with running_system(azurite, CLIENT_AUTH="app_service") as system:
        tab = await open_tab(system.url, "c17", "ana", may_log=("401",))
        await tab.until_state("Not connected")
        await expect(tab.page.locator("#reason")).to_have_text("Sign in first.")


async def test_without_a_list_of_who_is_here_the_rest_works(join: OpenTab) -> None:
    ana = await join("c18", "ana", may_log=("503",))
    await ana.page.route("**/api/presence?**", lambda route: route.fulfill(status=503, json={"code": "unavailable"}))
    await ana.page.reload()
    await ana.say("still here")


async def test_keys_alone_are_enough(join: OpenTab) -> None:
    ana = await join("c15", "ana")
    # Those without an id are the room in the list, and the lines of Python.
    order = ["switch", "open-new-room", "", "card-split-go", "card-offline-go", ""]
    order += ["text", "json", "image", "send", "people", "other", "try"]
    order += ["offline", "duplicate", "lose", "slow", "traffic"]
    seen = []
    for _ in order:
        await ana.page.keyboard.press("Tab")
        seen.append(await ana.page.evaluate("document.activeElement.id"))
    assert seen == order
    await ana.page.locator("#text").focus()
    await ana.page.keyboard.type("one")
    await ana.page.keyboard.press("Shift+Enter")
    await ana.page.keyboard.type("two")
    await ana.page.keyboard.press("Enter")
    await ana.see("one\ntwo")
    await ana.page.locator("#switch").press("Enter")
    await ana.page.locator("#new-room").fill("c15 new")
    await ana.page.locator("#new-room").press("Enter")
    await expect(ana.page.locator("#room")).to_have_text("c15 new")
    await ana.until_connected()
    assert await ana.texts() == []


async def test_what_has_the_focus_is_seen_on_a_small_screen_too(join: OpenTab) -> None:
    ana = await join("c21", "ana", viewport=NARROW)
    for _ in range(8):
        await ana.page.keyboard.press("Tab")
        box = await ana.page.locator(":focus").bounding_box()
        assert box
        assert min(box["width"], box["height"]) > 10, await ana.page.evaluate("document.activeElement.id")


async def test_a_room_is_not_called_empty_before_it_was_read(
    system: System, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await open_tab(system.url, "c22", "ana")
    await expect(ana.page.locator("#empty")).to_be_visible()
    monkeypatch.setattr(chat.policy, "may_join", lambda user_id, _: user_id != "mallory")
    mallory = await open_tab(system.url, "c22", "mallory", may_log=("403",))
    await expect(mallory.page.locator("#no-entry")).not_to_be_empty()
    await expect(mallory.page.locator("#empty")).to_be_hidden()
    monkeypatch.undo()
    await ana.say("hello")
    await expect(ana.page.locator("#empty")).to_be_hidden()


async def test_a_screen_reader_hears_what_others_write_and_no_history(join: OpenTab) -> None:
    ana = await join("c16", "ana")
    await ana.say("before")
    ben = await join("c16", "ben")
    await ben.see("before")
    await expect(ben.page.locator("#announcer")).to_have_text("")
    await ana.say("now")
    await expect(ben.page.locator("#announcer")).to_have_text("ana: now")


async def test_a_user_who_is_not_signed_in_at_app_service_is_shown_how(azurite: Azurite, open_tab: OpenTab) -> None:
    # App Service authentication is on HTTPS, and on nobody's own machine.
    async with running_system(azurite, CLIENT_AUTH="app_service", WEBSITE_AUTH_ENABLED="true") as system:
        tab = await open_tab(system.url, "c19", None, may_log=("401",))
        await tab.until_state("Not connected")
        await expect(tab.page.locator("#sign-in")).to_be_hidden()

        async def from_system(route: Route) -> None:
            await route.fulfill(response=await route.fetch(url=route.request.url.replace(AZURE, system.url)))

        await tab.page.route(f"{AZURE}/**", from_system)
        await tab.page.goto(f"{AZURE}/api/demo/?room=c19 b")
        sign_in = "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fdemo%2F%3Froom%3Dc19%2520b"
        await expect(tab.page.locator("#sign-in")).to_be_visible()
        await expect(tab.page.locator("#sign-in")).to_have_attribute("href", sign_in)


async def test_a_user_who_signed_in_is_not_offered_another_name(azurite: Azurite, open_tab: OpenTab) -> None:
    async with running_system(azurite, CLIENT_AUTH="app_service", WEBSITE_AUTH_ENABLED="true") as system:
        tab = await open_tab(system.url, "c20", None, may_log=("401",))
        await tab.until_state("Not connected")
        await tab.page.set_extra_http_headers({"X-MS-CLIENT-PRINCIPAL-ID": "8f14e45f"})
        await tab.page.click("#again")
        await tab.until_connected()
        await expect(tab.page.locator("#other")).to_be_hidden()
        await tab.page.click("#switch")
        await expect(tab.page.locator("#new-user")).to_be_hidden()
        await tab.page.locator("#new-room").fill("c20 new")
        await tab.page.click("#go")
        await expect(tab.page.locator("#room")).to_have_text("c20 new")
        await tab.until_connected()
        assert "user=" not in tab.page.url
        await tab.page.goto("about:blank")  # before the system goes


@pytest.mark.parametrize(("mode", "is_told"), [("anonymous", True), ("function_key", False)])
async def test_the_page_says_where_anyone_can_use_any_name(
    azurite: Azurite, open_tab: OpenTab, mode: str, is_told: bool
) -> None:
    async with running_system(azurite, CLIENT_AUTH=mode) as system:
        tab = await open_tab(system.url, "c27", "ana", may_log=("401", "403"))
        await expect(tab.page.locator("#anyone")).to_be_visible(visible=is_told)
        await tab.page.evaluate("delete document.documentElement.dataset.clientAuth")
        await expect(tab.page.locator("#anyone")).to_be_visible()  # what is not known is not checked
        await tab.page.goto("about:blank")  # before its service goes
