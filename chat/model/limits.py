"""How often a user may do something: token buckets in this process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["BURST_SECONDS", "MAX_BUCKETS", "RateLimiter"]

# A user who was quiet for this long may do in one burst what is allowed in this time.
BURST_SECONDS: Final = 2.0
MAX_BUCKETS: Final = 10_000
# In tokens: times are sums of fractions, which floats cannot hold exactly.
_ROUNDING: Final = 1e-6


class RateLimiter:
    """A token bucket for each name; a full one is the same as none, and is dropped.

    The ``MAX_BUCKETS`` that were used last are kept. One process could not serve more busy names than that.

    Args:
        clock: Returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Of each bucket the tokens, the time at which it had them, and when it is full again; the last used comes last.
        self._buckets: OrderedDict[tuple[str, ...], tuple[float, float, float]] = OrderedDict()

    def take(self, *name: str, per_second: float) -> float:
        """Take one token; return 0.0, or how many seconds it takes until there is one.

        ``per_second`` is how fast a bucket fills; 0 or less means no limit.
        """
        if per_second <= 0:
            return 0.0
        now = self._clock()
        self._forget_full_ones(now)
        # A bucket holds at least one token; otherwise, a rate below one in two seconds would let nothing pass.
        most = max(1.0, per_second * BURST_SECONDS)
        tokens, since, _ = self._buckets.get(name, (most, now, now))
        tokens = min(most, tokens + (now - since) * per_second)
        is_allowed = tokens >= 1 - _ROUNDING
        left = tokens - 1 if is_allowed else tokens
        self._buckets[name] = (left, now, now + (most - left) / per_second)
        self._buckets.move_to_end(name)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if is_allowed else (1 - tokens) / per_second

    def _forget_full_ones(self, now: float) -> None:
        while self._buckets:
            name, (_, _, full) = next(iter(self._buckets.items()))
            if full > now:
                return
            del self._buckets[name]
