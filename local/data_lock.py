"""The lock that keeps a folder of data for one stack at a time: two would overwrite each other's files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local.exceptions import DataLockError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["DataLock", "lock_data"]

_NAME: Final = "stack.lock"
# On Windows locked bytes cannot be read, so the locked one is beyond the text.
_LOCKED_BYTE: Final = 1 << 30


class DataLock:
    """A held lock on ``folder``; its file has a line ``name pid`` for each process that may hold it.

    A child process that inherits the ``descriptor`` also holds the lock. It is released when the last of them ends.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self.descriptor = descriptor
        os.ftruncate(descriptor, 0)
        self.add_holder("dev.py", os.getpid())

    def add_holder(self, name: str, pid: int) -> None:
        """Add another process to the file, for the message of the next stack."""
        os.lseek(self.descriptor, 0, os.SEEK_END)
        os.write(self.descriptor, f"{name} {pid}\n".encode())


@contextmanager
def lock_data(folder: Path) -> Iterator[DataLock]:
    """Create a folder and hold its lock.

    Raises:
        DataLockError: The folder cannot be made, or another stack holds it.
    """
    path = folder / _NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataLockError(f"{folder} cannot be used ({error.strerror}): choose another folder with --data") from None
    try:
        try:
            _lock(descriptor)
        except OSError:
            raise DataLockError(
                f"the data in {folder} is in use by {_holder(path)}: stop it, or choose another folder with --data"
            ) from None
        yield DataLock(folder, descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(path: Path) -> str:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, pid = line.rpartition(" ")
        if pid.isdecimal() and (sys.platform == "win32" or _is_alive(int(pid))):
            return f"process {pid} ({name})"
    return "another process"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
