"""Clients of our own: the JSON subprotocol, its reliable form, and a plain WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

from tests.soak.clients.lines import OPEN_SECONDS, PATIENT_SECONDS, Access, Answer, Hear, LineLostError, Replies

__all__ = ["JsonLine", "PlainLine", "ReliableLine"]

_RECOVERY_TRIES: Final = 20
_ACKNOWLEDGE_EVERY: Final = 10
# The service closes a connection so when it does not know it any more.
_UNKNOWN: Final = 1008


class JsonLine:
    """A connection of ``json.webpubsub.azure.v1``; into private rooms, one event is asked at a time."""

    subprotocol = "json.webpubsub.azure.v1"
    patience = PATIENT_SECONDS

    def __init__(self, access: Access, hear: Hear) -> None:
        self.lost = asyncio.Event()
        self._access, self._hear = access, hear
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._replies = Replies()

    async def open(self) -> None:
        """Connect, and wait for the first frame."""
        greeting = await self._connect(await self._access.url())
        self._greet(greeting)
        self._reading = asyncio.create_task(self._read())

    async def ask(self, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Send an event with an ack id."""
        frame = {"type": "event", "event": event, "dataType": "text" if isinstance(data, str) else "json", "data": data}
        ack = await self._request(frame, "ackId")
        if not ack["success"] and ack["error"]["name"] != "Duplicate":
            return Answer(str(ack["error"]["name"]))
        return self._replies.answer(data)

    async def invoke(self, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Send an invocation; a refusal is an error with its code."""
        data_type = "text" if isinstance(data, str) else "json"
        frame = {"type": "invoke", "target": "event", "event": event, "dataType": data_type, "data": data}
        response = await self._request(frame, "invocationId")
        if not response["success"]:
            return Answer(str(response["error"]["name"]))
        result = response.get("data")
        if isinstance(result, dict) and set(result) == {"code", "message"}:
            return Answer(str(result["code"]), result)
        return Answer(None, result)

    async def close(self) -> None:
        """End it."""
        await _end(self._reading, self._socket)

    async def _connect(self, url: str | URL) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                self._socket = await self._access.http.ws_connect(url, protocols=[self.subprotocol], heartbeat=20)
                greeting: Mapping[str, Any] = json.loads(await self._socket.receive_str())
        except (aiohttp.ClientError, TimeoutError, TypeError, OSError) as error:
            raise LineLostError(f"connect: {error!r}") from None
        if greeting.get("event") != "connected":
            raise LineLostError(f"connect: {greeting}")
        return greeting

    def _greet(self, greeting: Mapping[str, Any]) -> None:
        """Keep what the first frame says."""

    async def _request(self, frame: dict[str, Any], id_name: str) -> Mapping[str, Any]:
        number = next(self._ids)
        frame[id_name] = str(number) if id_name == "invocationId" else number
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._write(frame)
            async with asyncio.timeout(self.patience):
                answer: Mapping[str, Any] = await future
                return answer
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            await self._drop()
            raise LineLostError(f"{frame['event']}: {error!r}") from None
        finally:
            del self._answers[number]

    async def _write(self, frame: Mapping[str, Any]) -> None:
        if self._socket is None or self._socket.closed or self.lost.is_set():
            raise ConnectionResetError("there is no line")
        await self._socket.send_json(frame)

    async def _drop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._socket.close()

    async def _read(self) -> None:
        try:
            await self._receive()
        finally:
            self.lost.set()
            for future in self._answers.values():
                if not future.done():
                    future.set_exception(ConnectionResetError("the line is lost"))

    async def _receive(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._take(json.loads(message.data))

    async def _take(self, frame: Mapping[str, Any]) -> None:
        number = frame.get("ackId") or int(frame.get("invocationId") or 0)
        future = self._answers.get(number) if frame["type"] in {"ack", "invokeResponse"} else None
        if future is not None:
            if not future.done():
                future.set_result(frame)
            return
        if frame["type"] != "message":
            return
        if not self._replies.take(data := frame.get("data")):
            self._hear(data)


class ReliableLine(JsonLine):
    """A connection of ``json.reliable.webpubsub.azure.v1``: it comes back after it was cut, and misses nothing."""

    subprotocol = "json.reliable.webpubsub.azure.v1"

    def __init__(self, access: Access, hear: Hear) -> None:
        super().__init__(access, hear)
        self._address = ""
        self._query: dict[str, str] = {}
        self._sequence = self._told = 0
        self._sent: dict[int, Mapping[str, Any]] = {}
        self._is_recovering = False

    def _greet(self, greeting: Mapping[str, Any]) -> None:
        self._query = {
            "awps_connection_id": greeting["connectionId"],
            "awps_reconnection_token": greeting["reconnectionToken"],
        }

    async def _write(self, frame: Mapping[str, Any]) -> None:
        if self.lost.is_set():
            raise ConnectionResetError("there is no line")
        if "ackId" in frame:
            self._sent = {frame["ackId"]: frame}  # one at a time
        if not self._is_recovering:
            with contextlib.suppress(OSError, aiohttp.ClientError):  # it is sent again when the line is back
                await super()._write(frame)

    async def _receive(self) -> None:
        while True:
            await super()._receive()
            assert self._socket is not None
            if self._socket.close_code == _UNKNOWN or not await self._recover():
                return

    async def _recover(self) -> bool:
        """Come back to the connection at the same address, as long as the service may know it."""
        self._is_recovering = True
        tries = itertools.count(1)
        while next(tries) <= _RECOVERY_TRIES:
            try:
                await self._connect(URL(self._address).with_query(self._query))
            except LineLostError:
                if self._socket is not None and self._socket.close_code == _UNKNOWN:
                    return False
                await asyncio.sleep(0.5)
                continue
            self._is_recovering = False
            await self._write({"type": "sequenceAck", "sequenceId": self._sequence})
            for number, frame in self._sent.items():
                if number in self._answers:
                    await self._write(frame)
            return True
        return False

    async def _connect(self, url: str | URL) -> Mapping[str, Any]:
        self._address = str(URL(url).with_query(None))
        return await super()._connect(url)

    async def _take(self, frame: Mapping[str, Any]) -> None:
        sequence = frame.get("sequenceId")
        if sequence is not None:
            if sequence <= self._sequence:
                return  # sent again after a recovery
            self._sequence = sequence
            if sequence - self._told >= _ACKNOWLEDGE_EVERY:
                self._told = sequence
                await self._write({"type": "sequenceAck", "sequenceId": sequence})
        await super()._take(frame)


class PlainLine:
    """A WebSocket without a subprotocol: every frame is a message, and nothing is acknowledged."""

    def __init__(self, access: Access, hear: Hear) -> None:
        self.lost = asyncio.Event()
        self._access, self._hear = access, hear
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect."""
        url = await self._access.url()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                self._socket = await self._access.http.ws_connect(url, heartbeat=20)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LineLostError(f"connect: {error!r}") from None
        self._reading = asyncio.create_task(self._read())

    async def ask(self, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Send a text; nobody says what becomes of it."""
        assert self._socket is not None
        try:
            await self._socket.send_str(str(data))
        except (aiohttp.ClientError, OSError) as error:
            raise LineLostError(f"{event}: {error!r}") from None
        return Answer()

    async def close(self) -> None:
        """End it."""
        await _end(self._reading, self._socket)

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    with contextlib.suppress(ValueError):
                        self._hear(json.loads(message.data))
        finally:
            self.lost.set()


async def _end(reading: asyncio.Task[None] | None, socket: aiohttp.ClientWebSocketResponse | None) -> None:
    if reading is not None:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    if socket is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await socket.close()
