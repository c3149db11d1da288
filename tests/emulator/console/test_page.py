"""The traffic view in a browser: what it shows, what its filters hide, what it copies, and what its buttons break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.curl import run_shell
from tests.emulator.conftest import JSON_SUBPROTOCOL, Service, StartService
from tests.emulator.fakes import Answer, RecordingHandler, sign
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import DEFAULT_ACCESS_KEY, DelayedPart, Emulator, EmulatorSettings, Fault, FaultKind
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.upstream.cloud_events import user_event
from webpubsub_emulator.upstream.traffic import MAX_ENTRIES

pytestmark = pytest.mark.asyncio(loop_scope="session")


class View:
    """The view of one emulator, and how a person finds their way in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.shown = page.locator("#shown")

    def event(self, name: str) -> Any:
        """The rows of events of a name."""
        return self.page.locator(".entry:visible:not(.log)", has=self.page.get_by_text(name, exact=True))

    async def opened(self, name: str) -> Any:
        """The details of the newest event of a name."""
        row = self.event(name).first
        # In its middle may be a button, depending on the machine's fonts.
        await row.locator("summary").first.click(position={"x": 4, "y": 4})
        detail = row.locator(".detail")
        await expect(detail).to_be_visible()
        return detail

    async def filter(self, text: str) -> None:
        await self.page.get_by_role("searchbox").fill(text)


@pytest_asyncio.fixture(loop_scope="session")
async def view(browser: Browser, service: Service) -> AsyncIterator[View]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    await page.goto(service.url)
    await expect(page.locator("#line")).to_have_text("live")
    yield View(page)
    assert problems == []
    await context.close()


async def test_events_appear_as_they_happen_with_their_headers_and_the_answer(
    handler: RecordingHandler, service: Service, view: View
) -> None:
    await expect(view.page.get_by_text("Nothing has happened yet.")).to_be_visible()
    handler.script["order"] = [Answer(200, b"thank you", {"Content-Type": "text/plain", "X-Own": "1"})]
    socket = await service.connect(sub="ana")
    await socket.send({"type": "event", "event": "order", "dataType": "text", "data": "two teas"})
    await expect(view.event("connect")).to_have_count(1)
    await expect(view.event("order")).to_contain_text("two teas")
    await expect(view.event("order").locator(".status")).to_have_text("200")
    await expect(view.page.get_by_text("Nothing has happened yet.")).to_be_hidden()
    detail = await view.opened("order")
    request, answers = detail.locator(".request"), detail.locator(".answers")
    for name, value in handler.events("order")[0].headers.items():
        if name.lower().startswith("ce-"):
            await expect(request.get_by_role("row", name=name, exact=False).first).to_contain_text(value)
    await expect(request.locator("pre")).to_have_text("two teas")
    await expect(answers).to_contain_text("X-Own")
    await expect(answers.locator("pre")).to_have_text("thank you")


async def test_retries_and_faults_are_marked_and_each_answer_is_shown(
    handler: RecordingHandler, service: Service, view: View
) -> None:
    socket = await service.connect()
    handler.script["a"] = [Answer(503, b"not now"), Answer(204)]
    await view.page.get_by_role("button", name="Duplicate event").click()
    await expect(view.page.locator("#armed")).to_contain_text("duplicate_event")
    await socket.request(type="event", event="a", data=1, ackId=1)
    marks = view.event("a").locator(".marks")
    await expect(marks).to_contain_text("↻ 2")
    await expect(marks).to_contain_text("duplicate_event")
    await expect(view.page.locator("#armed")).to_be_empty()
    detail = await view.opened("a")
    await expect(detail.locator(".attempt")).to_have_count(3)
    await expect(detail.locator(".attempt").nth(0)).to_contain_text("not now")
    await expect(detail.locator(".attempt").nth(2)).to_contain_text("Duplicate on purpose")
    await expect(view.page.locator(".log", has_text="FAULT duplicate_event affects a")).to_have_count(1)


async def test_the_copied_curl_command_sends_the_event_again_and_gets_its_answer(
    handler: RecordingHandler, service: Service, view: View, tmp_path: Path
) -> None:
    await view.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    handler.script["ask"] = [Answer(204), Answer(200, b"the answer to curl", {"Content-Type": "text/plain"})]
    socket = await service.connect(sub="Grüße '张' $HOME")
    await socket.request(type="event", event="ask", dataType="json", data={"it's": ["ü", "\n"]}, ackId=1)
    detail = await view.opened("ask")
    await detail.get_by_role("button", name="Copy as curl").click()
    await expect(detail.get_by_role("status")).to_have_text("Copied.")
    output = await run_shell(await view.page.evaluate("navigator.clipboard.readText()"), tmp_path)
    assert output.startswith("HTTP/1.1 200")
    assert output.endswith("the answer to curl")
    by_service, by_curl = handler.events("ask")
    assert by_curl.body == by_service.body
    assert by_curl.path == by_service.path
    own = {"accept", "accept-encoding", "user-agent"}
    headers = [{n: v for n, v in r.headers.items() if n.lower() not in own} for r in (by_service, by_curl)]
    assert headers[0] == headers[1]
    assert "sha256=" in headers[1]["ce-signature"]


async def test_a_command_that_cannot_be_copied_is_selected(service: Service, view: View) -> None:
    await view.page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('denied'); }; }")
    await service.connect()
    detail = await view.opened("connect")
    await detail.get_by_role("button", name="Copy as curl").click()
    await expect(detail.get_by_role("status")).to_contain_text("selected")
    assert (await view.page.evaluate("getSelection().toString()")).startswith("curl ")


async def test_hubs_are_shown_with_their_event_handlers(
    handler: RecordingHandler, service: Service, view: View
) -> None:
    await service.connect("other")
    hubs = view.page.locator(".hub")
    await expect(hubs).to_have_count(2)
    await expect(hubs.first).to_contain_text(f"{handler.url}/api/eventhandler/{{event}}")
    await expect(hubs.last).to_contain_text("no event handler")


async def test_a_connection_that_is_chosen_hides_all_others(service: Service, view: View) -> None:
    ana = await service.connect(sub="ana", groups=["lobby"])
    await service.connect(sub="ben")
    chosen = view.page.get_by_role("button", name="ana")
    await expect(chosen).to_contain_text("lobby")
    await chosen.click()
    await expect(view.event("connect")).to_have_count(1)
    await expect(view.event("connect")).to_contain_text("ana")
    await ana.request(type="event", event="more", data=1, ackId=1)
    await expect(view.event("more")).to_have_count(1)
    await view.page.locator("#connection-filter").click()
    await expect(view.event("connect")).to_have_count(2)


async def test_text_filters_what_is_shown_and_what_comes(
    handler: RecordingHandler, service: Service, view: View
) -> None:
    handler.script["b"] = [Answer(400)]
    socket = await service.connect(sub="ana")
    for ack_id, event in enumerate(("a", "b", "c")):
        await socket.request(type="event", event=event, dataType="text", data=f"data of {event}", ackId=ack_id)
    await view.filter("DATA ana of")
    await expect(view.shown).to_contain_text("3 of ")
    await view.filter("data 400")
    await expect(view.event("b")).to_have_count(1)
    await expect(view.event("a")).to_have_count(0)
    await socket.request(type="event", event="d", dataType="text", data="data 400", ackId=9)
    await expect(view.event("d")).to_have_count(1)
    await view.filter("")
    await view.page.get_by_text("Problems").click()
    await expect(view.event("b")).to_have_count(1)
    await expect(view.event("a")).to_have_count(0)
    await expect(view.page.locator(".log:visible")).to_have_count(0)


async def test_a_link_leads_to_one_message_by_its_key(service: Service, view: View) -> None:
    socket = await service.connect(groups="g")
    for ack_id, key in enumerate(("key-of-the-first", "key-of-the-second")):
        data = {"key": key, "dataType": "text", "data": "x" * 5000}
        await socket.request(type="event", event=key[-5:], dataType="json", data=data, ackId=ack_id)
        await service.rest("POST", "/groups/g/:send", body=b'{"type":"message","id":"0","key":"%s"}' % key.encode())
    await view.page.goto(f"{service.url}/?filter=key-of-the-second")
    await expect(view.page.locator(".entry:visible .name")).to_have_text(["send", "econd"])


async def test_a_fault_of_a_button_concerns_the_chosen_connection(service: Service, view: View) -> None:
    ana, ben = await service.connect(sub="ana"), await service.connect(sub="ben")
    await view.page.get_by_role("button", name="ana").click()
    await view.page.get_by_role("button", name="Cut connections").click()
    await expect(view.page.locator("#fault-said")).to_have_text("Cut 1 connection.")
    await ana.raw.receive(timeout=PATIENCE_SECONDS)
    assert ana.raw.close_code == 1006
    await ben.assert_alive()
    await expect(view.page.locator("#connection-count")).to_have_text("1")


async def test_faults_take_their_numbers_and_are_cleared(service: Service, view: View) -> None:
    await view.page.get_by_label("times").fill("3")
    await view.page.get_by_label("seconds").fill("60")
    await view.page.get_by_role("button", name="Delay event").click()
    await view.page.get_by_role("button", name="503 to sends").click()
    await expect(view.page.locator("#armed li")).to_have_count(2)
    assert [fault["fault"] for fault in service.emulator.armed_faults] == ["delay", "unavailable"]
    assert service.emulator.armed_faults[0] | {"count": 3, "seconds": 60} == service.emulator.armed_faults[0]
    await view.page.get_by_role("button", name="Clear all faults").click()
    await expect(view.page.locator("#armed li")).to_have_count(0)
    assert service.emulator.armed_faults == []


async def test_everything_is_text_and_nothing_is_markup(
    handler: RecordingHandler, service: Service, view: View
) -> None:
    evil = "<img src=x onerror=\"document.body.innerHTML='taken'\">"
    handler.script["a"] = [Answer(200, evil.encode(), {"Content-Type": "text/plain", "X-Own": evil})]
    socket = await service.connect(sub=evil, groups=[evil])
    await socket.send({"type": "event", "event": "a", "dataType": "text", "data": evil})
    await expect(view.event("a")).to_contain_text(evil)
    await view.opened("a")
    await expect(view.page.locator(".connection")).to_contain_text(evil)
    assert await view.page.locator("img[src='x']").count() == 0
    await expect(view.page.get_by_role("heading", name="Traffic")).to_be_visible()


async def test_paused_the_view_stands_still_and_then_catches_up(service: Service, view: View) -> None:
    await view.page.get_by_role("button", name="Pause").click()
    await service.connect()
    await expect(view.page.get_by_role("button", name="Resume (")).to_be_visible()
    await expect(view.event("connect")).to_have_count(0)
    await view.page.get_by_role("button", name="Resume (").click()
    await expect(view.event("connect")).to_have_count(1)


async def test_cleared_entries_stay_away(service: Service, view: View) -> None:
    await service.connect()
    await expect(view.event("connected")).to_have_count(1)
    await view.page.get_by_role("button", name="Clear", exact=True).click()
    await expect(view.event("connect")).to_have_count(0)
    await view.page.reload()
    await expect(view.page.locator("#line")).to_have_text("live")
    await expect(view.page.locator("#connection-count")).to_have_text("1")
    await expect(view.event("connect")).to_have_count(0)


async def test_an_emulator_that_comes_back_is_shown_again(
    start_service: StartService, handler: RecordingHandler, browser: Browser
) -> None:
    first = await start_service()
    page = await browser.new_page()
    await page.goto(first.url)
    await first.connect(sub="before")
    view = View(page)
    await expect(view.event("connect")).to_contain_text("before")
    await first.emulator.stop()
    await expect(page.locator("#line")).to_contain_text("not reachable")
    second = await start_service(port=int(first_port(page.url)))
    await second.connect(sub="after")
    await expect(view.event("connect")).to_contain_text("after")
    await expect(view.event("connect")).to_have_count(1)


def first_port(url: str) -> str:
    return url.rpartition(":")[2].strip("/")


async def test_as_many_events_as_are_kept_are_shown_and_filtered(service: Service, browser: Browser) -> None:
    traffic = service.emulator.traffic
    for number in range(MAX_ENTRIES):
        payload = Payload(DataType.TEXT, f"message number {number}".encode())
        context = ConnectionContext("chat", f"conn-{number % 50}", "ana")
        with traffic.exchange(context, user_event("message", payload), number) as exchange:
            exchange.request("http://localhost/", {"ce-id": str(number)})
    page = await browser.new_page()
    await page.goto(service.url)
    await expect(page.locator("#shown")).to_have_text(f"{MAX_ENTRIES} entries")
    await expect(page.locator(".entry").first).to_contain_text(f"message number {MAX_ENTRIES - 1}")
    await View(page).filter("number 4321")
    await expect(page.locator("#shown")).to_have_text(f"1 of {MAX_ENTRIES} entries")
    await View(page).filter("")
    with traffic.exchange(ConnectionContext("chat", "new"), user_event("newest", payload), 0):
        pass
    await expect(page.locator(".entry").first).to_contain_text("newest")
    await expect(page.locator(".entry")).to_have_count(MAX_ENTRIES)
    await expect(page.locator(".entry").last).to_contain_text("message number 1")


async def test_the_view_fits_a_narrow_screen_and_works_with_the_keyboard(service: Service, browser: Browser) -> None:
    await service.connect(sub="ana" * 30, groups=["g" * 200])
    page = await browser.new_page(viewport={"width": 360, "height": 700})
    await page.goto(service.url)
    await expect(View(page).event("connect")).to_have_count(1)
    await page.get_by_text("Hubs and connections", exact=False).first.click()
    await expect(page.get_by_role("button", name="ana")).to_be_visible()
    row = View(page).event("connect").locator("summary").first
    await row.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".detail")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_page_is_served_with_strict_headers(service: Service) -> None:
    for path in ("/", "/emulator/view/main.js", "/emulator/traffic"):
        async with service.session.get(f"{service.url}{path}") as response:
            policy = response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert response.headers["Cache-Control"] == "no-store"


async def test_what_goes_to_clients_is_shown_with_its_receivers(service: Service, view: View) -> None:
    await service.connect(sub="ana", groups=["lobby"])
    ben = await service.connect(sub="ben", groups=["lobby"], role=["webpubsub.sendToGroup"])
    await ben.send({"type": "sendToGroup", "group": "lobby", "dataType": "text", "data": "of ben", "noEcho": True})
    by_client = view.page.locator(".entry[data-family=client]")
    await expect(by_client).to_contain_text("→ group lobby")
    await expect(by_client).to_contain_text("ben")
    await expect(by_client).to_contain_text("of ben")
    await expect(by_client.locator(".status")).to_have_text("1")
    await service.rest("POST", "/groups/lobby/:send", body=b"of the app")
    by_rest = view.page.locator(".entry[data-family=rest]")
    await expect(by_rest).to_contain_text("of the app")
    await expect(by_rest.locator(".status")).to_have_text("2")
    await expect(by_rest.locator(".ms")).to_have_text("clients")
    await by_rest.locator("summary").click()
    await expect(by_rest.locator(".detail")).to_contain_text("sent to group lobby of hub chat: 2 clients got it.")
    await view.page.get_by_text("Sends", exact=True).click()
    await expect(view.shown).to_contain_text("2 of ")


async def test_a_failed_send_and_its_tries_are_one_row_that_opens(service: Service, view: View) -> None:
    headers = {"x-ms-client-request-id": "one-call"}
    service.emulator.inject(Fault(FaultKind.UNAVAILABLE, seconds=60))
    async with service.session.post(f"{service.url}/api/hubs/chat/:send", data=b"hello", headers=headers) as answer:
        assert answer.status == 503
    row = view.page.locator(".entry[data-family=rest]")
    await expect(row.locator(".problem")).to_have_text("HTTP 503 on purpose")
    await expect(row.locator(".status")).to_have_text("503")
    service.emulator.clear_faults()
    await service.rest("POST", "/:send", body=b"hello", headers=headers)
    await expect(row.locator(".marks")).to_have_text("↻ 2")
    await expect(row).to_have_count(1)
    await expect(row.locator(".snippet")).to_have_text("hello")
    await row.locator("summary").click()
    await expect(row.locator(".detail tr")).to_have_count(2)
    await expect(row.locator(".detail tr").first).to_contain_text("HTTP 503 on purpose")


async def test_a_failed_event_says_its_cause_first_and_its_text_at_every_width(
    handler: RecordingHandler, start_service: StartService, browser: Browser
) -> None:
    service = await start_service(retry_delays=(60,))
    handler.script["send"] = [Answer(503, b"the store is down")]
    socket = await service.connect(sub="ana")
    await socket.send({"type": "event", "event": "send", "data": {"key": "k" * 200, "data": "Are you there?"}})
    for width in (360, 1000, 1400):
        # The panels are open or not by the width at the start.
        page = await browser.new_page(viewport={"width": width, "height": 700})
        await page.goto(service.url)
        row = View(page).event("send")
        await expect(row.locator(".snippet")).to_be_visible()
        assert await row.locator(".snippet").inner_text() == "HTTP 503, again in 60 sAre you there?"
        await expect(row.locator(".problem")).to_be_in_viewport(ratio=1)
        await expect(page.locator(".log", has_text="503")).to_have_count(0)
        await page.close()


async def test_ids_are_short_and_the_whole_one_is_shown_on_hover_and_copied(
    start_service: StartService, browser: Browser
) -> None:
    # With the ids of connections as they are.
    async with Emulator(EmulatorSettings(port=0)) as emulator:
        await see_short_ids(emulator, await start_service(), browser)


async def see_short_ids(emulator: Emulator, service: Service, browser: Browser) -> None:
    url = f"{emulator.url}/client/hubs/chat"
    context = await browser.new_context()
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    await page.goto(emulator.url)
    token = sign({"aud": url}, DEFAULT_ACCESS_KEY)
    async with service.session.ws_connect(f"{url}?access_token={token}", protocols=[JSON_SUBPROTOCOL]) as client:
        connection_id = (await client.receive_json(timeout=5))["connectionId"]
        await client.send_json({"type": "event", "event": "e", "data": 1, "ackId": 1})
        row = page.locator(".connection")
        await expect(row.locator(".id")).to_have_text(f"{connection_id[:8]}…")
        assert connection_id in (await row.get_attribute("title") or "")
        await page.locator("#hubs button.copy").click()
        await expect(page.locator("#hubs button.copy")).to_have_attribute("data-state", "copied")
        assert await page.evaluate("navigator.clipboard.readText()") == connection_id
        await row.click()
        await page.get_by_role("button", name="Drop answer").click()
        await expect(page.locator("#armed li")).to_contain_text(f"connection {connection_id[:8]}…")
        for shown in (
            page.locator(".log .text", has_text="event failed").first,
            page.locator(".log .text", has_text="is injected: connectionId").first,
            page.locator("#scope"),
            page.locator("#armed li"),
        ):
            await expect(shown).to_contain_text(f"{connection_id[:8]}…")
            await expect(shown).not_to_contain_text(connection_id)
            assert connection_id in (await shown.get_attribute("title") or "")
    await context.close()


async def test_a_fault_that_waits_says_its_connection_and_how_late_it_makes_an_event(
    service: Service, view: View
) -> None:
    ana = await service.connect(sub="ana")
    await view.page.get_by_role("button", name="ana").click()
    await view.page.get_by_label("times").fill("2")
    await view.page.get_by_role("button", name="Delay event").click()
    await expect(view.page.locator("#armed li")).to_have_text(
        f"delay: user events except typing, connection {ana.greeting['connectionId']}, 5 s late2 times left"
    )


async def test_a_fault_that_waits_says_its_hub_and_what_is_late(service: Service, view: View) -> None:
    service.emulator.inject(Fault(FaultKind.DELAY, hub="chat", seconds=2, part=DelayedPart.ANSWER))
    service.emulator.inject(Fault(FaultKind.UNAVAILABLE, hub="chat", seconds=60))
    armed = view.page.locator("#armed li")
    await expect(armed.first).to_contain_text("delay: user events except typing, hub chat, answer 2 s late")
    await expect(armed.last).to_contain_text("unavailable, hub chat")


async def test_a_button_says_so_when_the_emulator_is_not_reachable(service: Service, browser: Browser) -> None:
    page = await browser.new_page()
    unhandled: list[str] = []
    page.on("pageerror", lambda error: unhandled.append(str(error)))
    await service.connect(sub="ana")
    await page.goto(service.url)
    service.emulator.inject(Fault(FaultKind.DROP_ANSWER))
    await expect(page.locator("#armed li")).to_have_count(1)
    await page.route("**/emulator/faults", lambda route: route.abort())
    await page.route("**/emulator/traffic/*", lambda route: route.abort())
    said = page.locator("#fault-said")
    for button in ("Drop answer", "Clear all faults"):
        await page.get_by_role("button", name=button).click()
        await expect(said).to_have_text("The emulator is not reachable.")
        await page.evaluate("document.getElementById('fault-said').textContent = ''")
    row = View(page).event("connect").first
    await row.locator("summary").first.click()
    await expect(row.locator(".detail")).to_have_text("The emulator is not reachable.")
    assert unhandled == []
    await page.close()


async def test_every_fault_says_whether_times_or_seconds_count(view: View) -> None:
    await view.page.get_by_label("times").fill("3")
    await view.page.get_by_label("seconds").fill("7")
    for name, extent in {
        "Duplicate event": "3 times",
        "Drop answer": "3 times",
        "Delay event": "3 times, 7 s late",
        "503 to sends": "for 7 s",
        "Refuse validation": "for 7 s",
        "Cut connections": "at once",
    }.items():
        await expect(view.page.get_by_role("button", name=name).locator("small")).to_have_text(extent)


async def test_a_fault_is_about_the_event_that_is_chosen(service: Service, view: View) -> None:
    socket = await service.connect()
    await socket.request(type="event", event="order", data=1, ackId=1)
    choice = view.page.get_by_role("combobox")
    for value, armed in (("", None), ("*", "*"), ("order", "order")):
        await choice.select_option(value)
        await view.page.get_by_role("button", name="Drop answer").click()
        await expect(view.page.locator("#fault-said")).to_contain_text("waits for")
        await expect(view.page.locator("#armed li")).to_have_count(1)
        assert service.emulator.armed_faults[0].get("event") == armed
        await view.page.get_by_role("button", name="Clear all faults").click()
        await expect(view.page.locator("#armed li")).to_have_count(0)


async def test_the_page_of_the_app_is_one_click_away_where_it_is_known(
    start_service: StartService, service: Service, view: View, browser: Browser
) -> None:
    await expect(view.page.locator("#endpoint")).to_have_text(service.url)
    await expect(view.page.locator("#app")).to_be_hidden()
    known = await start_service(app_url="http://localhost:7071/api/demo/")
    page = await browser.new_page()
    await page.goto(known.url)
    await expect(page.get_by_role("link", name="Open the app")).to_have_attribute(
        "href", "http://localhost:7071/api/demo/"
    )
    await page.close()
