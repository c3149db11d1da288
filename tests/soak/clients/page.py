"""Somebody at the page: ``demo/client.js`` in Node does it all, and the person only sends, changes and looks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final

from tests.soak.clients.chatter import Person
from tests.soak.clients.node import Node
from tests.soak.ledger import Ledger, Message, Source, token

__all__ = ["PageUser"]

_KEPT: Final = 20


class PageUser:
    """A person in the rooms of the page; private ones are opened when they are there."""

    def __init__(self, person: Person, node: Node, api: str, ledger: Ledger, rng: random.Random, pause: float) -> None:
        self.person = person
        self.is_quiet = False
        self._node, self._api, self._ledger, self._rng, self._pause = node, api, ledger, rng, pause
        self._sent: dict[str, tuple[str, Message, float]] = {}
        self._states: dict[str, Mapping[str, Any]] = {}
        self._own: list[Message] = []
        self._state = ""

    @property
    def is_idle(self) -> bool:
        """Return whether all that was sent is stored, and the client connected."""
        return self.is_quiet and not self._sent and self._state == "connected"

    @property
    def line(self) -> object | None:
        """Something while the client is connected."""
        return self if self._state == "connected" else None

    async def run(self) -> None:
        """Live until cancelled."""
        self._node.listen(self.person.name, self._take)
        await self._node.call(self.person.name, "startPage", f"{self._api}/", self.person.rooms)
        while True:
            if not self.is_quiet and self._state == "connected":
                await self._act()
            await asyncio.sleep(self._rng.uniform(0.2, 1.8) * self._pause)

    async def close(self) -> None:
        """Node ends it."""

    async def _act(self) -> None:
        changeable = [message for message in self._own if message.id is not None]
        choice = self._rng.random()
        if not (self.person.changes and changeable and choice < 0.3):
            message = self._ledger.send(
                self.person.name, self.person.author, self._rng.choice(self.person.rooms), has_key=True
            )
            message.key = await self._call("send", message, "text", token(message))
            return
        message = self._rng.choice(changeable)
        if choice < 0.12:
            self._own.remove(message)
            await self._call("delete", message, message.id)
        else:
            message.version += 1
            await self._call("edit", message, message.id, "text", token(message))

    async def _call(self, event: str, message: Message, *arguments: Any) -> str:
        """Send, edit or delete; return the key of what is on its way."""
        asked = self._ledger.clock()
        key = str(await self._node.call(self.person.name, f"{event}Page", message.room, *arguments))
        self._sent[key] = (event, message, asked)
        self._heed(key)
        return key

    def _heed(self, key: str) -> None:
        """Note what became of what is on its way: the client itself sends again what is not answered."""
        outgoing = self._states.get(key, {})
        if key not in self._sent or outgoing.get("state") not in {"stored", "failed"}:
            return
        # The client does not tell when it last sent it.
        event, message, asked = self._sent.pop(key)
        match event, outgoing["state"]:
            case "send", "stored":
                message.acknowledged = self._ledger.done(asked)
                self._own = [*self._own[-_KEPT:], message]
            case "send", _:
                message.refused = str(outgoing.get("code"))
            case "edit", "stored":
                message.edited = self._ledger.done(asked)
            case "delete", "stored":
                message.deleted = self._ledger.done(asked)
            case _:
                message.refused_change = f"{event}: {outgoing.get('code')}"

    def _take(self, line: Mapping[str, Any]) -> None:
        source = Source.LIVE if line.get("source") == "live" else Source.HISTORY
        match line["event"]:
            case "status":
                self._state = line["state"]
                self._ledger.connections += self._state == "connected"
            case "outgoing":
                self._states[line["outgoing"]["key"]] = line["outgoing"]
                self._heed(line["outgoing"]["key"])
            case "message" if line["message"].get("deletedAt") is not None:
                self._ledger.hear_deleted(self.person.name, line["message"]["id"], source)
            case "message":
                self._ledger.hear(self.person.name, line["message"]["id"], line["message"]["data"], source)
            case "change" if line["change"]["kind"] == "deleted":
                self._ledger.hear_deleted(self.person.name, line["change"]["id"], source)
            case "change" if source is Source.LIVE:
                self._ledger.hear_edited(self.person.name, line["change"]["data"])
