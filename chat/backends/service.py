"""The Web PubSub service: broadcasts to clients and their access URLs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from chat.backends.azure_clients import REPEATABLE_POST, Calls, make_credential, make_pipeline
from chat.backends.per_loop import PerLoop
from chat.settings import WebPubSubEndpoint

__all__ = [
    "MAX_BROADCAST_BYTES",
    "MAX_LISTED_CONNECTIONS",
    "ClientAccess",
    "RoomConnection",
    "Service",
    "ServiceUnavailableError",
    "credential_of",
    "make_client",
]

# The service refuses a body over 1 MiB.
MAX_BROADCAST_BYTES: Final = 1024 * 1024
MAX_LISTED_CONNECTIONS: Final = 1000
_TOKEN_LIFETIME: Final = timedelta(minutes=60)
_API_VERSION: Final = "2024-12-01"
# What an identity's token is for.
_SCOPE: Final = "https://webpubsub.azure.com/.default"

# What an event may wait for; see the store's limits beside it.
_BROADCAST_SECONDS: Final = 3.0
_GROUP_SECONDS: Final = 2.5
_CALL_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 3.0


class ServiceUnavailableError(Exception):
    """Raised when the Web PubSub service did not do what it was asked; ``__cause__`` says why.

    ``status`` is what it answered, None when it did not answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RoomConnection:
    """A connection in a room; a user can have several."""

    connection_id: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """An URL that connects one client, token included, and when the token ends (UTC)."""

    url: str
    expires: datetime


class Service:
    """One hub of the Web PubSub service.

    ``after_broadcast`` is called when the service took a broadcast of any kind.

    Args:
        hub: The hub's name.
        endpoint: Where the service is.
    """

    after_broadcast: Callable[[], None] | None = None

    def __init__(self, hub: str, endpoint: WebPubSubEndpoint) -> None:
        self._path = f"/api/hubs/{quote(hub, safe='')}"
        self._credentials = PerLoop(lambda: credential_of(endpoint))
        self._clients = PerLoop(lambda: make_client(hub, endpoint, self._credentials.get()))
        self._broadcasts = Calls()
        # Apart from the others: a key makes a token without a call, which does not show that the service answers.
        self._tokens = Calls()
        self._others = Calls()

    async def broadcast(self, room: str, envelope: bytes, *, unheard_by: str | None = None) -> None:
        """Send a JSON text to everyone in a room, but not to the connection ``unheard_by``.

        Raises:
            ServiceUnavailableError: The service did not accept it.
        """
        await self._send("groups", room, envelope, {} if unheard_by is None else {"excluded": unheard_by})
        if self.after_broadcast is not None:
            self.after_broadcast()

    async def tell_others(self, room: str, user_id: str, envelope: bytes) -> None:
        """Send a JSON text to everyone in a room but one user.

        Raises:
            ServiceUnavailableError: The service did not accept it.
        """
        await self._send("groups", room, envelope, {"filter": f"userId ne {_quoted(user_id)}"})

    async def tell_user(self, user_id: str, envelope: bytes) -> None:
        """Send a JSON text to every connection of a user.

        Raises:
            ServiceUnavailableError: The service did not accept it.
        """
        await self._send("users", user_id, envelope, {})

    async def client_access(self, user_id: str | None, rooms: Sequence[str]) -> ClientAccess:
        """Make the URL for a client; the rooms travel in its query to the connect event.

        Raises:
            ServiceUnavailableError: The service did not make a token (only asked with a managed identity).
        """
        expires = datetime.now(UTC) + _TOKEN_LIFETIME
        minutes = int(_TOKEN_LIFETIME.total_seconds()) // 60
        async with self._tokens.limit(_CALL_SECONDS, ServiceUnavailableError("no client access token was made")):
            token = await self._clients.get().get_client_access_token(user_id=user_id, minutes_to_expire=minutes)
        url: str = token["url"]
        return ClientAccess(url + "".join(f"&room={quote(room, safe='')}" for room in rooms), expires)

    async def connections(self, room: str) -> Sequence[RoomConnection]:
        """Read who is connected to a room: at most ``MAX_LISTED_CONNECTIONS``.

        Raises:
            ServiceUnavailableError: The service did not answer.
        """
        async with self._client("the connections were not listed", seconds=_CALL_SECONDS) as client:
            members = client.list_connections(group=room, top=MAX_LISTED_CONNECTIONS)
            return [RoomConnection(member.connection_id, member.user_id or None) async for member in members]

    async def join(self, connection_id: str, room: str) -> bool:
        """Put one connection into a room, so that it hears the room.

        Return False if the service does not know the connection: not yet, or not any more.

        Raises:
            ServiceUnavailableError: The service did not do it.
        """
        async with self._client("the connection was not put into the room", connection_id, room) as client:
            try:
                await client.add_connection_to_group(room, connection_id)
            except ResourceNotFoundError:
                return False
        return True

    async def leave(self, connection_id: str, room: str) -> None:
        """Take one connection out of a room, so that it hears the room no more; it stays connected.

        Raises:
            ServiceUnavailableError: The service did not do it.
        """
        async with self._client("the connection was not taken out of the room", connection_id, room) as client:
            await client.remove_connection_from_group(room, connection_id)

    async def add_to_groups(self, connection_id: str, rooms: Sequence[str]) -> None:
        """Put one connection into many rooms with one call.

        Raises:
            ServiceUnavailableError: The service did not do it.
        """
        body = json.dumps({"groups": list(rooms), "filter": f"connectionId eq {_quoted(connection_id)}"}).encode()
        async with self._client("the connection was not put into its rooms", connection_id, *rooms):
            await self._request("POST", f"{self._path}/:addToGroups", 200, body)

    async def admit(self, user_id: str, room: str) -> None:
        """Put every connection that a user has now into a room; a user without one is fine.

        Raises:
            ServiceUnavailableError: The service did not do it.
        """
        async with self._client("the user was not put into the room", user_id, room) as client:
            with contextlib.suppress(ResourceNotFoundError):
                await client.add_user_to_group(room, user_id)

    async def remove(self, user_id: str, room: str) -> None:
        """Take every connection of a user out of a room, so that none of them hears it any more.

        What they send and whether they come back, ``may_join`` decides: change the rule first.

        Raises:
            ServiceUnavailableError: The service did not do it.
        """
        async with self._client("the user was not taken out of the room", user_id, room) as client:
            await client.remove_user_from_group(room, user_id)

    async def close(self, connection_id: str) -> None:
        """End one connection; the client may come back if ``may_join`` lets it.

        Raises:
            ServiceUnavailableError: The service did not do it.
        """
        async with self._client("the connection was not closed", connection_id, seconds=_CALL_SECONDS) as client:
            await client.close_connection(connection_id)

    async def check(self) -> None:
        """Ask the service whether it is there.

        Raises:
            ServiceUnavailableError: It is not.
        """
        # Health is asked to find out, so it is asked while the others are refused, too.
        async with Calls().limit(_CHECK_SECONDS, ServiceUnavailableError("the service does not answer")):
            await self._request("HEAD", "/api/health", 200, b"")

    def open(self) -> None:
        """Make the running loop's client now; else the first call does."""
        self._clients.get()

    async def aclose(self) -> None:
        """Close the running loop's client, and its identity."""
        client, credential = self._clients.pop(), self._credentials.pop()
        if client is not None:
            await client.close()
        if isinstance(credential, AsyncTokenCredential):
            await credential.close()

    @asynccontextmanager
    async def _client(
        self, failure: str, *names: str, seconds: float = _GROUP_SECONDS
    ) -> AsyncIterator[WebPubSubServiceClient]:
        """Yield the client for a call that is bounded in time and is about these names; ``failure`` is what it is."""
        _refuse_steps(*names)
        async with self._others.limit(seconds, ServiceUnavailableError(failure)):
            yield self._clients.get()

    async def _send(self, receivers: str, name: str, envelope: bytes, query: Mapping[str, str]) -> None:
        _refuse_steps(name)
        # send_to_group would encode the JSON again; here it goes out as it is stored.
        path = f"{self._path}/{receivers}/{quote(name, safe='')}/:send"
        async with self._broadcasts.limit(_BROADCAST_SECONDS, ServiceUnavailableError("the service does not answer")):
            await self._request("POST", path, 202, envelope, query)

    async def _request(
        self, method: str, path: str, expected: int, body: bytes, query: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        request = HttpRequest(
            method,
            path,
            # As the SDK writes them: the URL is what the access token is for, so it is encoded before.
            params={name: quote(value, safe="") for name, value in {"api-version": _API_VERSION, **query}.items()},
            headers={"Content-Type": "application/json"} if body else {},
            content=body or None,
        )
        response = await self._clients.get().send_request(request, **REPEATABLE_POST)
        if response.status_code != expected:
            raise ServiceUnavailableError(f"the service answered {response.status_code}", response.status_code)


def _quoted(text: str) -> str:
    """Write a text as a literal of a filter."""
    return "'" + text.replace("'", "''") + "'"


def _refuse_steps(*names: str) -> None:
    """Refuse what would lead a call elsewhere: ``groups/../:send`` reaches every client of the hub.

    Raises:
        ValueError: A name is a step in a path, or empty.
    """
    for name in names:
        if name in ("", ".", ".."):
            raise ValueError(f"{name!r} cannot be the name of a room, a user or a connection")


def credential_of(endpoint: WebPubSubEndpoint) -> AzureKeyCredential | AsyncTokenCredential:
    """Return what calls to a service are made with: its key, or the app's identity."""
    return make_credential() if endpoint.access_key is None else AzureKeyCredential(endpoint.access_key)


def make_client(
    hub: str, endpoint: WebPubSubEndpoint, credential: AzureKeyCredential | AsyncTokenCredential
) -> WebPubSubServiceClient:
    """Make the SDK's client of a hub for the running loop."""
    return WebPubSubServiceClient(endpoint.url, hub, credential, **make_pipeline(credential, _SCOPE))
