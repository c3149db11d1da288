"""A stand-in for ``func start`` if Core Tools are not installed; ``python -m local.functions_host`` serves an app."""

from __future__ import annotations

from local.functions_host.host import FunctionsHost

__all__ = ["FunctionsHost"]
