"""A client of Web PubSub, as the event handler under test sees it."""

from __future__ import annotations

import json
import string
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from webpubsub_handler.authentication import AccessKeyAuthenticator
from webpubsub_handler.handler import WebPubSubEventHandler
from webpubsub_handler.protocol.answers import payload
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import DataType
from webpubsub_handler.protocol.http import Headers, HttpRequest, HttpResponse
from webpubsub_handler.protocol.properties import METADATA_PREFIX, metadata_fields, properties_of
from webpubsub_handler.protocol.responses import ConnectEventResponse, EventErrorResponse, UserEventResponse
from webpubsub_handler.protocol.signature import sign
from webpubsub_handler.testing.factories import encode_state, make_user_event

__all__ = ["EventClient", "Sender"]

Sender: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponse]]
_Lists: TypeAlias = Mapping[str, str | Sequence[str]]

_JSON: Final = "application/json; charset=utf-8"
# What CloudEvents leaves as it is in a header (HTTP protocol binding 3.1.3.2).
_SAFE: Final = "".join(set(string.printable) - set(string.whitespace) - set('"%'))


class EventClient:
    """A client's connection to Web PubSub, as a handler sees it: one event after the other.

    It signs with a key that the handler knows, counts the ids of events, carries the connection state on from one
    answer to the next event, and returns what the functions answered. For WebSocket clients; an MQTT client's events
    can be sent with ``send``.

        client = EventClient(handler, user_id="ana")
        assert await client.connect(query={"room": "lobby"}) == ConnectEventResponse(groups=["lobby"])
        assert await client.user_event("message", "hi") == UserEventResponse("you said hi")
        await client.disconnected()

    An exception in a function becomes a ``webpubsub_handler.EventErrorResponse`` of 500, as for the service, and is
    logged.

    Args:
        handler: The handler, or a function that sends a request to one, such as a server's under test.
        hub: The hub; the handler's own by default.
        user_id: Who connects; None for a client without a user id.
        connection_id: The connection.
        state: What the service already keeps for the connection.
        access_key: What to sign with; a key that the handler knows by default. ``""`` sends unsigned events.
        origin: The host that the service names; that of the key by default.
        headers: Header fields to add to every event, such as ``Authorization``.
    """

    def __init__(
        self,
        handler: WebPubSubEventHandler | Sender,
        *,
        hub: str | None = None,
        user_id: str | None = None,
        connection_id: str = "conn-1",
        state: Mapping[str, Any] | None = None,
        access_key: str | None = None,
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._handler = handler if isinstance(handler, WebPubSubEventHandler) else None
        self._send: Sender = handler.handle if isinstance(handler, WebPubSubEventHandler) else handler
        self.hub = hub or (self._handler.hub if self._handler else "chat")
        self.user_id = user_id
        self.connection_id = connection_id
        self.subprotocol: str | None = None
        self._state = None if state is None else encode_state(state)
        self._access_key = access_key
        self._origin = origin
        self._headers = dict(headers or {})
        self._sent = 0

    @property
    def state(self) -> Mapping[str, Any]:
        """Return what the service keeps for the connection now."""
        return dict(ConnectionState(self._state))

    async def validate(self, origin: str | None = None) -> HttpResponse:
        """Ask whether the endpoint takes the service's events (OPTIONS)."""
        host, _ = await self._service()
        return await self._send(HttpRequest("OPTIONS", Headers({"WebHook-Request-Origin": origin or host})))

    async def connect(
        self,
        *,
        user_id: str | None = None,
        query: _Lists | None = None,
        claims: _Lists | None = None,
        headers: _Lists | None = None,
        subprotocols: Sequence[str] = (),
    ) -> ConnectEventResponse | EventErrorResponse:
        """Send a connect event. An accepted one gives later events the user id and subprotocol of the answer.

        Args:
            user_id: Who connects, if not the client's own.
            query: The parameters of the client's URL, each a value or a list of values.
            claims: The claims of its token; ``sub`` is the user id by default.
            headers: The headers of its handshake.
            subprotocols: The subprotocols that it offers.
        """
        self.user_id = user_id or self.user_id
        by_default = {} if self.user_id is None else {"sub": self.user_id}
        body = {
            "claims": _listed(by_default if claims is None else claims),
            "query": _listed(query or {}),
            "headers": _listed(headers or {}),
            "subprotocols": list(subprotocols),
            "clientCertificates": [],
        }
        response = await self.send("azure.webpubsub.sys.connect", json.dumps(body).encode())
        if _is_error(response):
            return _error(response)
        answer = json.loads(response.body or b"{}")
        accepted = ConnectEventResponse(
            user_id=answer.get("userId"),
            groups=answer.get("groups"),
            roles=answer.get("roles"),
            subprotocol=answer.get("subprotocol"),
        )
        self.user_id = accepted.user_id or self.user_id
        self.subprotocol = accepted.subprotocol or (subprotocols[0] if len(subprotocols) == 1 else None)
        return accepted

    async def connected(self) -> EventErrorResponse | None:
        """Send the event that the client is connected."""
        return _notified(await self.send("azure.webpubsub.sys.connected", b"{}"))

    async def disconnected(self, reason: str | None = None) -> EventErrorResponse | None:
        """Send the event that the client is gone."""
        body = json.dumps({"reason": reason}).encode()
        return _notified(await self.send("azure.webpubsub.sys.disconnected", body))

    async def joined(self, group: str) -> EventErrorResponse | None:
        """Send the event that the connection joined a group."""
        return _notified(await self.send("azure.webpubsub.gp.joined", json.dumps({"group": group}).encode()))

    async def left(self, group: str) -> EventErrorResponse | None:
        """Send the event that the connection left a group."""
        return _notified(await self.send("azure.webpubsub.gp.left", json.dumps({"group": group}).encode()))

    async def user_event(
        self,
        name: str,
        data: Any,
        *,
        data_type: DataType | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> UserEventResponse | EventErrorResponse | None:
        """Send a user event; ``message`` is the name of a plain WebSocket client's frames.

        Args:
            name: The event.
            data: The data: a str is text, bytes are binary, everything else is JSON.
            data_type: The data type if it is another one, such as JSON for a str.
            content_type: A MIME type to send instead of the data type's own.
            metadata: The metadata of the message.
        """
        mime_type, body = payload(data, data_type)
        response = await self.send(
            f"azure.webpubsub.user.{_header(name)}",
            body,
            {"Content-Type": content_type or mime_type, **metadata_fields((metadata or {}).items())},
        )
        if _is_error(response):
            return _error(response)
        return _reply(response) if response.body else None

    async def send(self, event_type: str, body: bytes, headers: Mapping[str, str | None] | None = None) -> HttpResponse:
        """Send an event of any type, and return the answer as it is.

        Args:
            event_type: The ``ce-type``; what follows its third dot is the event's name.
            body: The body.
            headers: Header fields to send in addition, or instead of one of the event's own; None leaves one out.
        """
        # The service counts the events of each connection.
        self._sent += 1
        origin, access_key = await self._service()
        fields: dict[str, str | None] = {
            "WebHook-Request-Origin": origin,
            "Content-Type": _JSON,
            "Content-Length": str(len(body)),
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": event_type,
            "ce-source": f"/hubs/{self.hub}/client/{_header(self.connection_id)}",
            "ce-id": str(self._sent),
            "ce-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ce-signature": sign(access_key, self.connection_id) if access_key else None,
            "ce-userId": _header(self.user_id) if self.user_id else None,
            "ce-connectionId": _header(self.connection_id),
            "ce-hub": self.hub,
            "ce-eventName": event_type.split(".", 3)[-1],
            "ce-subprotocol": self.subprotocol,
            "ce-connectionState": self._state,
            **self._headers,
        }
        replaced = {name.lower() for name in headers or {}}
        fields = {name: value for name, value in fields.items() if name.lower() not in replaced} | dict(headers or {})
        sent = Headers([(name, value) for name, value in fields.items() if value is not None])
        response = await self._send(HttpRequest("POST", sent, body))
        if not _is_error(response):
            self._state = Headers(response.headers).get("ce-connectionState") or self._state
        return response

    async def _service(self) -> tuple[str, str]:
        """Return the host of the service and the key that it signs with."""
        if self._access_key is not None:
            return self._origin or "localhost", self._access_key
        for authenticator in self._handler.authenticators if self._handler else ():
            if isinstance(authenticator, AccessKeyAuthenticator):
                keys = await authenticator.keys_by_host()
                host = next(iter(keys))
                named = self._origin or ("localhost" if host == "*" else host)
                return named, keys.get(named, keys[host])[0]
        return self._origin or "localhost", ""


def _header(text: str) -> str:
    return quote(text, safe=_SAFE)


def _listed(values: _Lists) -> dict[str, list[str]]:
    return {name: [value] if isinstance(value, str) else list(value) for name, value in values.items()}


def _is_error(response: HttpResponse) -> bool:
    return not 200 <= response.status <= 299


def _error(response: HttpResponse) -> EventErrorResponse:
    return EventErrorResponse(response.status, response.body.decode(errors="replace"))


def _notified(response: HttpResponse) -> EventErrorResponse | None:
    return _error(response) if _is_error(response) else None


def _reply(response: HttpResponse) -> UserEventResponse:
    headers = Headers(response.headers)
    # An answer is read as an event is: by its content type.
    read = make_user_event(response.body, content_type=headers.get("Content-Type"))
    # Set only if it does not follow from the data, so that the result equals what a function returns.
    data_type = DataType.JSON if read.data_type is DataType.JSON and isinstance(read.data, str) else None
    is_usual = payload(read.data, data_type)[0] == read.content_type
    return UserEventResponse(
        read.data,
        data_type,
        None if is_usual else read.content_type,
        dict(properties_of(headers, METADATA_PREFIX)),
    )
