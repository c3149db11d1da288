"""How long a test waits for what must happen."""

from __future__ import annotations

from typing import Final

__all__ = ["PATIENCE_SECONDS"]

# Reached only where something is broken: a loaded machine may take its time.
PATIENCE_SECONDS: Final = 60
