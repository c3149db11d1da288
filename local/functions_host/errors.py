"""The traceback for a developer whose app cannot be imported."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["app_traceback"]


def app_traceback(error: BaseException, folder: Path) -> str:
    """Return a traceback that begins in ``function_app.py``, without the frames of the host before it."""
    start = error.__traceback__
    while start is not None and Path(start.tb_frame.f_code.co_filename) != folder / "function_app.py":
        start = start.tb_next
    return "".join(traceback.format_exception(type(error), error, start))
