"""The subprotocols that a client can ask for, and which of them a connection gets.

Names are case-insensitive, as in Microsoft's emulator. A client gets the name back as it offered it, because it would
not recognize another spelling (RFC 6455 §4.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from webpubsub_emulator.core.client_protocol import ClientProtocol
from webpubsub_emulator.subprotocols.json import JsonProtocol
from webpubsub_emulator.subprotocols.protobuf import ProtobufProtocol

__all__ = [
    "MQTT",
    "MQTT_REFUSAL",
    "SUBPROTOCOLS",
    "Subprotocol",
    "SubprotocolError",
    "choose",
    "known_subprotocol",
    "offered_as",
]

MQTT: Final = "mqtt"
MQTT_REFUSAL: Final = (
    "The subprotocol mqtt is not implemented by this emulator: let the client use json.webpubsub.azure.v1 or "
    "json.reliable.webpubsub.azure.v1 at /client/hubs/{hub}, or a real Web PubSub service."
)


@dataclass(frozen=True, slots=True)
class Subprotocol:
    """A subprotocol: its codec, and whether its clients can recover a connection after they lost the socket."""

    name: str
    protocol: ClientProtocol
    is_reliable: bool


SUBPROTOCOLS: Final[Mapping[str, Subprotocol]] = {
    subprotocol.name: subprotocol
    for subprotocol in (
        Subprotocol("json.webpubsub.azure.v1", JsonProtocol(), is_reliable=False),
        Subprotocol("json.reliable.webpubsub.azure.v1", JsonProtocol(), is_reliable=True),
        Subprotocol("protobuf.webpubsub.azure.v1", ProtobufProtocol(), is_reliable=False),
        Subprotocol("protobuf.reliable.webpubsub.azure.v1", ProtobufProtocol(), is_reliable=True),
    )
}


class SubprotocolError(ValueError):
    """No subprotocol can be agreed on; the message says why and what to use instead."""


def known_subprotocol(name: str | None) -> Subprotocol | None:
    """Return the subprotocol of that name; ``None`` for a custom one, and without one."""
    return None if name is None else SUBPROTOCOLS.get(name.lower())


def offered_as(name: str, offered: Sequence[str]) -> str | None:
    """Return how the client spells a subprotocol; ``None`` when it does not offer it."""
    if name in offered:
        return name
    return next((spelling for spelling in offered if spelling.lower() == name.lower()), None)


def choose(offered: Sequence[str], chosen: str | None) -> str | None:
    """Return the event handler's choice, or the first known one that was offered, or None for a simple client.

    Raises:
        SubprotocolError: when the handler chose what was not offered, and for MQTT.
    """
    if chosen is None:
        name = next((name for name in offered if known_subprotocol(name)), None) or offered_as(MQTT, offered)
    else:
        name = offered_as(chosen, offered)
        if name is None:
            raise SubprotocolError(
                f"The connect handler chose subprotocol {chosen[:100]!r}, which the client did not offer."
            )
    if name is not None and name.lower() == MQTT:
        raise SubprotocolError(MQTT_REFUSAL)
    return name
