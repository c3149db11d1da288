"""When a server begins to read the body of a request, and when it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

__all__ = ["BodyRead"]


@dataclass(frozen=True, slots=True)
class BodyRead:
    """``begun`` is set when a body is awaited, ``ended`` when it came, or never will."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
