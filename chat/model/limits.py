"""How often a user may do something: token buckets in this process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["BURST_SECONDS", "MAX_BUCKETS", "RateLimiter"]

# A user who was quiet for so long may do at once what is allowed in this time.
BURST_SECONDS: Final = 2.0
MAX_BUCKETS: Final = 10_000


class RateLimiter:
    """A token bucket for each name, of which the ``MAX_BUCKETS`` last used are kept.

    A bucket is full again after ``BURST_SECONDS`` without use, and a full one is as good as none. So forgetting one
    matters only where more than ``MAX_BUCKETS`` names are busy within this time, which one process cannot serve.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()

    def take(self, *name: str, per_second: float) -> float:
        """Take one token; return 0.0, or how many seconds it takes until there is one.

        ``per_second`` is how fast a bucket fills; 0 or less means no limit.
        """
        if per_second <= 0:
            return 0.0
        now = self._clock()
        # A bucket holds at least one token, or a rate below one each two seconds would let nothing pass.
        most = max(1.0, per_second * BURST_SECONDS)
        tokens, since = self._buckets.get(name, (most, now))
        tokens = min(most, tokens + (now - since) * per_second)
        is_allowed = tokens >= 1
        self._buckets[name] = (tokens - 1 if is_allowed else tokens, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if is_allowed else (1 - tokens) / per_second
