"""A film of a page: screenshots, each shown for a while, as an animated GIF."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.async_api import Page

__all__ = ["Film"]

_COLORS: Final = 255  # and one for what stays as it was


class Film:
    """Screenshots of one page, all of one size."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pictures: list[Image.Image] = []
        self._milliseconds: list[int] = []

    async def take(self, seconds: float) -> None:
        """Add what the page shows now, for so long."""
        self._pictures.append(Image.open(io.BytesIO(await self._page.screenshot())).convert("RGB"))
        self._milliseconds.append(round(seconds * 1000))

    def save(self, path: Path) -> None:
        """Write the film, which begins again at its end."""
        palette = self._palette()
        # One palette and no dithering: what did not change between two frames has the same bytes, and is left out.
        frames = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in self._pictures]
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=self._milliseconds, loop=0, optimize=True
        )

    def _palette(self) -> Image.Image:
        width, height = self._pictures[0].size
        all_of_them = Image.new("RGB", (width, height * len(self._pictures)))
        for number, picture in enumerate(self._pictures):
            all_of_them.paste(picture, (0, number * height))
        return all_of_them.quantize(_COLORS)
