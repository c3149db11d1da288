"""What keeps the stack or a part of it from starting, in one tree.

::

    LocalError
    ├── StackError            the stack cannot start, or a part of it died
    ├── NodeToolsError        Node or its packages cannot be had
    ├── DataLockError         the folder of the data cannot be used, or is in use
    ├── HostSettingsError     a file of the Functions app is missing or not readable
    └── AddressError          the host cannot listen where it should
        └── HostPortTakenError    … as another program listens there
"""

from __future__ import annotations

__all__ = [
    "AddressError",
    "DataLockError",
    "HostPortTakenError",
    "HostSettingsError",
    "LocalError",
    "NodeToolsError",
    "StackError",
]


class LocalError(Exception):
    """Something on this machine does not do; the text says what, and the fix."""


class StackError(LocalError):
    """Raised when the stack cannot start or a part of it died; the text says which and why."""


class NodeToolsError(LocalError):
    """Raised when Node or the packages cannot be had; the text says what was tried."""


class DataLockError(LocalError):
    """Raised when the folder cannot be used, or is in use; the text names the process and the flag."""


class HostSettingsError(LocalError):
    """Raised when a file is missing or unreadable; the text names it."""


class AddressError(LocalError):
    """Raised when the host cannot listen where it should; the text names the flags."""


class HostPortTakenError(AddressError):
    """Raised when another program listens on the port."""
