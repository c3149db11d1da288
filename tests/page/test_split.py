"""Two people in one window, side by side or as tabs; and the film of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Locator, ViewportSize, expect

from tests.e2e.conftest import System
from tests.page.conftest import NARROW, WIDE, Tab
from tests.page.film import Film
from tests.page.looks import SCREENSHOTS, findings, keep_screenshot

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).resolve().parents[2]
FILM = ViewportSize(width=1080, height=660)
KEPT_FILM = ROOT / "docs" / "split-view.gif"
MADE_FILM = SCREENSHOTS / "split-view.gif"
MAX_FILM_BYTES = 1_500_000


class Split(Tab):
    """The split view as somebody has it who tries both sides."""

    def of(self, user: str, selector: str, text: str = "") -> Locator:
        """Return what is in the page of one person, and has this text."""
        return self.page.frame_locator(f"iframe[title='The page of {user}']").locator(selector, has_text=text)

    async def say_as(self, user: str, text: str) -> None:
        await self.of(user, "#text").fill(text)
        await self.of(user, "#text").press("Enter")
        await expect(self.bubble(user, text)).to_have_count(1)

    def bubble(self, user: str, text: str) -> Locator:
        return self.of(user, ".message:has(.badge.stored) .bubble, .message:not(.own) .bubble", text)


OpenSplit = Callable[..., Awaitable[Split]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_split(browser: Browser, system: System) -> AsyncIterator[OpenSplit]:
    """A function that opens the split view of a room and waits until both people are connected."""
    opened: list[Split] = []

    async def open_split(
        room: str, viewport: ViewportSize = WIDE, *, device_scale_factor: float = 1, has_own_clock: bool = False
    ) -> Split:
        context = await browser.new_context(
            viewport=viewport,
            color_scheme="light",
            reduced_motion="reduce",
            device_scale_factor=device_scale_factor,
        )
        split = Split(await context.new_page())
        opened.append(split)
        if has_own_clock:
            await split.page.clock.install()
        await split.page.goto(f"{system.url}/api/demo/split.html?room={room}")
        for user in ("Ana", "Ben"):
            await expect(split.of(user, "#status")).to_have_text("Connected")
        return split

    yield open_split
    for split in opened:
        await split.page.context.close()
        assert split.errors == []


async def test_two_people_side_by_side_read_what_the_other_writes(open_split: OpenSplit) -> None:
    split = await open_split("sp1")
    await split.say_as("Ana", "hello Ben")
    await split.say_as("Ben", "hello Ana")
    for user in ("Ana", "Ben"):
        await expect(split.of(user, ".bubble")).to_have_text(["hello Ben", "hello Ana"])
        await expect(split.of(user, "#people .name")).to_have_text(["Ana", "Ben"])
    assert await split.page.get_by_role("tablist").count() == 0


async def test_a_narrow_window_has_a_tab_for_each_person(open_split: OpenSplit) -> None:
    split = await open_split("sp2", NARROW)
    ana, ben = (split.page.get_by_role("tab", name=name) for name in ("Ana", "Ben"))
    await expect(ana).to_have_attribute("aria-selected", "true")
    await expect(split.of("Ben", "#text")).to_be_hidden()
    await split.say_as("Ana", "are you there?")
    await ana.press("ArrowRight")
    await expect(ben).to_be_focused()
    await expect(split.of("Ana", "#text")).to_be_hidden()
    await expect(split.of("Ben", ".bubble")).to_be_in_viewport()
    await split.say_as("Ben", "just a tab away")
    await ana.click()
    await expect(split.of("Ana", ".bubble").last).to_have_text("just a tab away")
    await expect(split.of("Ana", ".bubble").last).to_be_in_viewport()


async def test_axe_finds_nothing_in_the_split_view_in_any_size_and_theme(open_split: OpenSplit, axe: str) -> None:
    split = await open_split("sp3")
    await split.say_as("Ana", "Morning!")
    for size, viewport in (("wide", WIDE), ("narrow", NARROW)):
        await split.page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            await split.page.emulate_media(color_scheme=theme)
            for frame in split.page.frames:
                assert await findings(frame, axe) == []
            await keep_screenshot(split.page, f"split-{size}-{theme}")


async def test_the_film_of_the_split_view_shows_what_the_kept_one_shows(open_split: OpenSplit) -> None:
    """The film that is kept for the README is a copy of one that this test made; docs/architecture.md says how."""
    split = await open_split("tea", FILM, device_scale_factor=1.5, has_own_clock=True)
    film = Film(split.page)
    await tell_a_story(split, film)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    film.save(MADE_FILM)
    with Image.open(MADE_FILM) as made, Image.open(KEPT_FILM) as kept:
        assert (made.size, made.n_frames) == (kept.size, kept.n_frames)  # type: ignore[attr-defined]
    assert max(MADE_FILM.stat().st_size, KEPT_FILM.stat().st_size) < MAX_FILM_BYTES


async def tell_a_story(split: Split, film: Film) -> None:
    """Show that both read what the other writes, that nobody misses anything, and that what is said can be changed."""
    await expect(split.of("Ana", "#people .name")).to_have_text(["Ana", "Ben"])
    await expect(split.of("Ben", "#people .name")).to_have_text(["Ana", "Ben"])
    await film.take(2)
    for writer, reader, text in (
        ("Ana", "Ben", "Morning! The new menu is ready."),
        ("Ben", "Ana", "Lovely. Which teas are in?"),
    ):
        await split.of(writer, "#text").press_sequentially(text)
        await expect(split.of(reader, "#typing")).to_have_text(f"{writer} is writing …")
        await film.take(1)
        await split.say_as(writer, text)
        await expect(split.bubble(reader, text)).to_have_count(1)
        await film.take(1.5)

    await split.of("Ben", "#try").click()
    await expect(split.of("Ben", "#offline")).to_be_visible()
    await film.take(1.5)
    await split.of("Ben", "#offline").click()
    await expect(split.of("Ben", "#status")).to_have_text("Offline")
    await film.take(1.5)
    for text in ("Assam and sencah.", "And there is cake!"):
        await split.say_as("Ana", text)
        await film.take(1.2)
    await split.page.clock.run_for(9_000)
    await expect(split.of("Ben", ".note")).to_contain_text("2 missed messages read from the history")
    await expect(split.of("Ben", "#people li")).to_have_text(["AAna", "BBenyou"])
    await film.take(3)

    await split.of("Ana", ".message", "sencah").locator(".more").click()
    await film.take(1.2)
    await split.of("Ana", "#edit-message").click()
    await split.of("Ana", "#text").fill("Assam and sencha.")
    await film.take(1)
    await split.of("Ana", "#text").press("Enter")
    for user in ("Ana", "Ben"):
        await expect(split.of(user, ".message", "Assam and sencha.").locator(".edited")).to_be_visible()
    await film.take(3)
