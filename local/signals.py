"""The signals that end a program of the local stack. Standard library only, as ``dev.py`` uses it too."""

from __future__ import annotations

import signal
import sys

__all__ = ["interrupt_on_signals", "stop_signals"]


def stop_signals() -> list[signal.Signals]:
    """Return the signals that mean stop; a program started with nohup outlives its terminal."""
    found = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


def interrupt_on_signals() -> None:
    """Make each of them raise KeyboardInterrupt, even SIGINT, which shells ignore for background jobs."""
    for number in stop_signals():
        signal.signal(number, signal.default_int_handler)
