"""Lines over an axis, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

__all__ = ["plot"]

_WIDTH: Final = 640
_HEIGHT: Final = 300
_LEFT: Final = 70
_RIGHT: Final = 30
_TOP: Final = 50
_BOTTOM: Final = 46
_COLOURS: Final = ("#2e7d5b", "#b3372f", "#2b5f9e", "#8a6d1d")
_FONT: Final = 'font-family="system-ui, sans-serif" font-size="12"'
_TICKS: Final = 4
# Between the names of two lines.
_NAME: Final = 160

Points = Sequence[tuple[float, float]]


def plot(title: str, x_name: str, lines: Mapping[str, Points]) -> str:
    """Return a plot of named lines, all from zero."""
    most_x = _round_up(max(x for points in lines.values() for x, _ in points))
    most_y = _round_up(max(y for points in lines.values() for _, y in points))

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + x / most_x * across, _HEIGHT - _BOTTOM - y / most_y * up

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    for tick in range(_TICKS + 1):
        x, bottom = at(most_x * tick / _TICKS, 0)
        left, y = at(0, most_y * tick / _TICKS)
        right, _ = at(most_x, 0)
        parts += [
            f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="#ddd"/>',
            f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{most_y * tick / _TICKS:,.0f}</text>',
            f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{most_x * tick / _TICKS:,.4g}</text>',
        ]
    for number, ((name, points), colour) in enumerate(zip(lines.items(), _COLOURS, strict=False)):
        path = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in points)
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{_LEFT + number * _NAME}" y="38" fill="{colour}">{escape(name)}</text>',
        ]
    parts += [f'<text x="{_LEFT}" y="{_HEIGHT - 10}">{escape(x_name)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _round_up(value: float) -> float:
    """Return the next number whose quarters are round."""
    step = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * factor for factor in (1, 2, 4, 6, 8, 10) if step * factor >= value)
