"""The exceptions of the emulator that users can see, in one tree.

::

    EmulatorError
    ├── PortTakenError       another program listens on the port
    └── SettingsError        a setting is not valid; the message names it and the fix
        ├── EventHandlerError    … in an event handler
        └── FaultError           … in a fault
"""

from __future__ import annotations

__all__ = ["EmulatorError", "EventHandlerError", "FaultError", "PortTakenError", "SettingsError"]


class EmulatorError(Exception):
    """The emulator cannot do what it was asked to; the message names the fix."""


class PortTakenError(EmulatorError):
    """Another program listens on the emulator's port."""


class SettingsError(EmulatorError, ValueError):
    """A setting is not valid; the message names it and the fix."""


class EventHandlerError(SettingsError):
    """An event handler cannot work as it is written; the message says what to write."""


class FaultError(SettingsError):
    """A fault is not valid; the message names the field."""
