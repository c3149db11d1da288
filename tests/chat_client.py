"""A small client that speaks what Microsoft's Chat client SDK speaks: invocations, results, notifications."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from typing import Any

import aiohttp

from tests.patience import PATIENCE_SECONDS

__all__ = ["ChatClient", "InvocationFailedError", "text_of"]


class InvocationFailedError(Exception):
    """An invocation had no result: the event handler failed."""


class ChatClient:
    """One connection; what it is told is kept in ``told`` until it is asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, user_id: str | None) -> None:
        self.user_id = user_id
        self.connection_id = ""
        self.told: deque[Any] = deque()
        self._socket = socket
        self._ids = itertools.count(1)

    async def started(self) -> None:
        """Wait until the connection is there."""
        frame = await self._next()
        assert frame["event"] == "connected", frame
        self.connection_id = frame["connectionId"]

    async def invoke(self, event: str, data: Any) -> Any:
        """Return the result of an invocation."""
        invocation_id = str(next(self._ids))
        data_type = "text" if isinstance(data, str) else "json"
        await self._socket.send_json(
            {
                "type": "invoke",
                "invocationId": invocation_id,
                "target": "event",
                "event": event,
                "dataType": data_type,
                "data": data,
            }
        )
        while (frame := await self._next()).get("invocationId") != invocation_id:
            pass
        if not frame["success"]:
            raise InvocationFailedError(frame["error"]["name"])
        return frame.get("data")

    async def login(self) -> list[str]:
        """Log in; return the ids of the rooms."""
        profile = await self.invoke("chat.login", "")
        assert profile["userId"] == self.user_id, profile
        assert profile["roomIds"] == profile["conversationIds"]
        return list(profile["roomIds"])

    async def create(self, room: str | None, *members: str, title: str = "A title") -> Any:
        """Create a room."""
        data = {"title": title, "members": [*members, self.user_id]} | ({} if room is None else {"roomId": room})
        return await self.invoke("chat.createRoom", data)

    async def room(self, room: str) -> Any:
        """Return a room with its members."""
        return await self.invoke("chat.getRoom", {"id": room, "withMembers": True})

    async def add(self, room: str, user_id: str) -> Any:
        """Add a member."""
        return await self.invoke("chat.manageRoomMember", {"roomId": room, "operation": "Add", "userId": user_id})

    async def remove(self, room: str, user_id: str) -> Any:
        """End a membership."""
        return await self.invoke("chat.manageRoomMember", {"roomId": room, "operation": "Delete", "userId": user_id})

    async def send(self, room: str, text: str, **fields: Any) -> Any:
        """Send a text."""
        data = {"conversation": {"conversationId": room}, "content": text, **fields}
        return await self.invoke("chat.sendTextMessage", data)

    async def history(self, room: str, **query: Any) -> Any:
        """Return a page of messages."""
        data = {"conversation": {"conversationId": room}, "start": None, "end": None, "maxCount": 100} | query
        return await self.invoke("chat.queryMessageHistory", data)

    async def event(self, name: str, data: Any) -> Any:
        """Send a user event with an ack; return what was answered before it, None for nothing."""
        ack_id = next(self._ids) + 1_000_000
        await self._socket.send_json(
            {"type": "event", "event": name, "ackId": ack_id, "dataType": "json", "data": data}
        )
        answer = None
        while (frame := await self._next()).get("ackId") != ack_id:
            if frame.get("from") == "server" and "notificationType" not in frame["data"]:
                answer = frame["data"]
        return answer

    async def next(self, kind: str) -> Any:
        """Return the body of the next notification of a kind, and pass over others."""
        while True:
            while self.told:
                notification = self.told.popleft()
                if notification["notificationType"] == kind:
                    return notification["body"]
            await self._next()

    async def text(self) -> str:
        """Return the text of the next message."""
        return text_of(await self.next("MessageCreated"))

    async def told_until(self, end: str) -> list[str]:
        """Return the kinds of notifications, messages by their texts, before the message whose text is the end."""
        found: list[str] = []
        while True:
            while self.told:
                notification = self.told.popleft()
                kind = notification["notificationType"]
                name = text_of(notification["body"]) if kind == "MessageCreated" else kind
                if name == end:
                    return found
                found.append(name)
            await self._next()

    async def close(self) -> None:
        """End the connection."""
        await self._socket.close()

    async def _next(self) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame = json.loads(await self._socket.receive_str())
        if isinstance(frame.get("data"), dict) and "notificationType" in frame["data"]:
            self.told.append(frame["data"])
        return frame


def text_of(body: Any) -> str:
    """Return the text of a message's notification."""
    return str(body["message"]["content"]["text"])
