"""Somebody at the page: ``demo/client.js`` in Node does all by itself, and the person only sends and tries again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from tests.soak.clients.chatter import Person
from tests.soak.clients.node import Node
from tests.soak.ledger import Ledger, Message, Source, token

__all__ = ["PageUser"]


class PageUser:
    """A person in one room of the page."""

    def __init__(self, person: Person, node: Node, api: str, ledger: Ledger, rng: random.Random, pause: float) -> None:
        self.person = person
        self.is_quiet = False
        self._node, self._api, self._ledger, self._rng, self._pause = node, api, ledger, rng, pause
        self._sent: dict[str, Message] = {}
        self._states: dict[str, str] = {}
        self._state = ""

    @property
    def is_idle(self) -> bool:
        """Return whether all that was sent is stored, and the client connected."""
        is_done = all(self._states.get(key) == "stored" for key in self._sent)
        return self.is_quiet and is_done and self._state == "connected"

    @property
    def line(self) -> object | None:
        """Something while the client is connected."""
        return self if self._state == "connected" else None

    async def run(self) -> None:
        """Live until cancelled."""
        self._node.listen(self.person.name, self._take)
        await self._node.call(self.person.name, "startPage", f"{self._api}/", self.person.rooms[0])
        while True:
            failed = [key for key in self._sent if self._states.get(key) == "failed"]
            if failed:
                self._sent[failed[0]].overtaken = True
                await self._node.call(self.person.name, "retryPage", failed[0])
            elif not self.is_quiet and self._state == "connected":
                await self._send()
            await asyncio.sleep(self._rng.uniform(0.2, 1.8) * self._pause)

    async def close(self) -> None:
        """Node ends it."""

    async def _send(self) -> None:
        message = self._ledger.send(self.person.name, self.person.author, self.person.rooms[0], has_key=True)
        # The page's client makes the key.
        message.key = key = str(await self._node.call(self.person.name, "sendPage", "text", token(message)))
        self._sent[key] = message
        if self._states.get(key) == "stored":
            self._ledger.acknowledge(message)

    def _take(self, line: Mapping[str, Any]) -> None:
        match line["event"]:
            case "status":
                self._state = line["state"]
                self._ledger.connections += self._state == "connected"
            case "outgoing":
                key, state = line["key"], line["state"]
                self._states[key] = state
                message = self._sent.get(key)
                if state == "stored" and message is not None and message.acknowledged is None:
                    self._ledger.acknowledge(message)
            case "message" | "repeat":
                message, source = line["message"], line.get("source", "live")
                self._ledger.hear(
                    self.person.name,
                    message["id"],
                    str(message["data"]),
                    Source.LIVE if source == "live" else Source.HISTORY,
                )
