"""From a typed response to an HTTP message."""

from __future__ import annotations

from webpubsub_handler.exceptions import ConnectionStateError, InvalidDataError
from webpubsub_handler.protocol.answers import connack_error, json_bytes
from webpubsub_handler.protocol.event_kinds import kind_of_request
from webpubsub_handler.protocol.events import ConnectEventRequest, Event, UserEventRequest
from webpubsub_handler.protocol.http import HttpResponse
from webpubsub_handler.protocol.mqtt import connect_code, connect_status
from webpubsub_handler.protocol.responses import EventErrorResponse, MqttConnectEventErrorResponse

__all__ = ["encode", "encode_error", "encode_invalid_data"]


def encode(event: Event, response: object) -> HttpResponse:
    """Make the answer to an event from what its function returned; None becomes 204.

    Raises:
        TypeError: This event cannot have such an answer, or the data of a reply does not match its data type.
        ValueError: The response holds what the service or a header cannot carry.
        ConnectionStateError: The state cannot be carried, or was changed inside by a function that cannot set it.
    """
    if isinstance(response, EventErrorResponse | MqttConnectEventErrorResponse):
        return encode_error(event, response)
    kind = kind_of_request(event)
    if response is not None and (kind.response is None or not isinstance(response, kind.response)):
        allowed = "EventErrorResponse" if kind.response is None else f"{kind.response.__name__}, EventErrorResponse"
        raise TypeError(f"the function returned {type(response).__name__}; it may return {allowed} or None")
    # A list in the state can be changed without the state noticing.
    if not kind.is_blocking and event.context.state.encode() is not None:
        raise ConnectionStateError(
            f"the state changed in {event.context.event_name!r} is lost: {event.context.state!r}"
        )
    return kind.write(event, response)


def encode_error(event: Event, response: EventErrorResponse | MqttConnectEventErrorResponse) -> HttpResponse:
    """Make the answer that refuses an event; it never changes the state.

    An MQTT client that connects gets JSON with a code of its protocol version, everyone else status and text.

    Raises:
        TypeError: An MQTT code was returned for something other than a connecting MQTT client.
        ValueError: The client's protocol version has no such code.
    """
    mqtt = event.mqtt if isinstance(event, ConnectEventRequest) else None
    if isinstance(response, EventErrorResponse):
        if mqtt is None:
            return HttpResponse.text(response.status, response.message)
        return connack_error(
            response.status, connect_code(mqtt.protocol_version, response.status), response.message, ()
        )
    if mqtt is None:
        raise TypeError("an MQTT code refuses an MQTT client that connects: use EventErrorResponse for others")
    status = connect_status(mqtt.protocol_version, response.code)
    return connack_error(status, response.code, response.reason, response.user_properties)


def encode_invalid_data(event: UserEventRequest, error: InvalidDataError) -> HttpResponse:
    """Tell the sender of a user event what was wrong with it; this never changes the state.

    Any status but 2xx drops a plain WebSocket client, so the error is a reply of 200:
    ``{"type":"error","code":"invalid_data","message":"…"}``. An MQTT client gets 400: it is told that its event failed,
    and stays.
    """
    body = json_bytes({"type": "error", "code": error.code, "message": str(error)})
    return HttpResponse(400 if event.context.is_mqtt else 200, {"Content-Type": "application/json"}, body)
