"""Two people in one window, side by side or as tabs; and the film of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, FrameLocator, Page, ViewportSize, expect

from tests.e2e.conftest import System
from tests.page.conftest import NARROW, WIDE
from tests.page.film import Film
from tests.page.test_looks import SCREENSHOTS, axe, findings

__all__ = ["axe"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "split-view.gif"
MADE = SCREENSHOTS / "split-view.gif"
MAX_BYTES = 1_500_000


class Split:
    """The split view, and the page of each person in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.ana, self.ben = self._frame("Ana"), self._frame("Ben")
