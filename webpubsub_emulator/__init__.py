"""An emulator of Azure Web PubSub: the other side of the wire, on your machine.

Four rooms: the client endpoint (``client_endpoint``, ``client_socket``, ``client_session``, the protocol codecs),
connection state (``hub``, ``connection``, ``recovery``, ``permissions``), the upstream dispatcher (``upstream``,
``cloud_events``, ``abuse_protection``, ``event_handlers``) and ``rest``. ``Emulator`` puts them behind one port.
"""

from __future__ import annotations

from webpubsub_emulator.emulator import Emulator
from webpubsub_emulator.settings import DEFAULT_ACCESS_KEY, EmulatorSettings, SettingsError
from webpubsub_emulator.upstream.event_handlers import EventHandler
from webpubsub_emulator.upstream.faults import DelayedPart, Fault, FaultError, FaultKind

__all__ = [
    "DEFAULT_ACCESS_KEY",
    "DelayedPart",
    "Emulator",
    "EmulatorSettings",
    "EventHandler",
    "Fault",
    "FaultError",
    "FaultKind",
    "SettingsError",
]
