"""The subprotocols that a client can ask for, and which of them a connection gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from webpubsub_emulator.core.client_protocol import ClientProtocol
from webpubsub_emulator.subprotocols.json import JsonProtocol
from webpubsub_emulator.subprotocols.protobuf import ProtobufProtocol

__all__ = ["MQTT", "MQTT_REFUSAL", "SUBPROTOCOLS", "Subprotocol", "SubprotocolError", "choose"]

MQTT: Final = "mqtt"
MQTT_REFUSAL: Final = (
    "The subprotocol mqtt is not implemented by this emulator: let the client use json.webpubsub.azure.v1 or "
    "json.reliable.webpubsub.azure.v1 at /client/hubs/{hub}, or a real Web PubSub service."
)


@dataclass(frozen=True, slots=True)
class Subprotocol:
    """A subprotocol: its codec, and whether its clients can come back to a connection after they lost the socket."""

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


def choose(offered: Sequence[str], chosen: str | None) -> str | None:
    """Return the event handler's choice, else the first offered one that is known, else none: a simple client.

    Raises:
        SubprotocolError: when the handler chose what was not offered, and for MQTT.
    """
    if chosen is not None and chosen not in offered:
        raise SubprotocolError(
            f"The connect handler chose subprotocol {chosen[:100]!r}, which the client did not offer."
        )
    name = chosen or next((name for name in offered if name in SUBPROTOCOLS), None)
    if name == MQTT or (name is None and MQTT in offered):
        raise SubprotocolError(MQTT_REFUSAL)
    return name
