"""What tests need that look at the page as people do: axe-core, and screenshots for a person to see."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Frame, Page

__all__ = ["SCREENSHOTS", "findings", "keep_screenshot"]

SCREENSHOTS = Path(__file__).resolve().parents[2] / ".local" / "screenshots"

_FINDINGS = """async () => {
  const { violations } = await axe.run({ iframes: false });
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
}"""


async def findings(page: Page | Frame, axe: str) -> list[str]:
    """Return what axe-core has against the page as it is now, without the frames in it: each is a page by itself."""
    await page.evaluate(axe)
    found: list[str] = await page.evaluate(_FINDINGS)
    return found


async def keep_screenshot(page: Page, name: str) -> None:
    """Save what the page shows now as ``.local/screenshots/<name>.png``."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png")
