"""An emulator of Azure Web PubSub: the other side of the wire, on your machine.

``core`` has connections, hubs and messages, and ``subprotocols`` how they are encoded for clients. ``upstream`` calls
event handlers. ``clients`` and ``rest`` are the two ways in. ``console`` is the traffic view with its faults.
``Emulator`` puts all of them behind one port. Imports go one way: from the later of these folders to the earlier.
"""

from __future__ import annotations

from webpubsub_emulator.core.exceptions import (
    EmulatorError,
    EventHandlerError,
    FaultError,
    PortTakenError,
    SettingsError,
)
from webpubsub_emulator.emulator import Emulator
from webpubsub_emulator.settings import DEFAULT_ACCESS_KEY, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import EventHandler
from webpubsub_emulator.upstream.faults import DelayedPart, Fault, FaultKind

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_ACCESS_KEY",
    "DelayedPart",
    "Emulator",
    "EmulatorError",
    "EmulatorSettings",
    "EventHandler",
    "EventHandlerError",
    "Fault",
    "FaultError",
    "FaultKind",
    "PortTakenError",
    "SettingsError",
]
