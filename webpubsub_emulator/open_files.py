"""How many files, and so how many clients, this process may have open at once."""

from __future__ import annotations

import sys
from typing import Final

if sys.platform != "win32":
    import resource

__all__ = ["allow_many_files"]

# The maximum on macOS, which reports its limit as infinite.
_WANTED: Final = 10_240


def allow_many_files() -> None:
    """Raise the limit as far as a user may: a thousand clients use up the default of shells."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
