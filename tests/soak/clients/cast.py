"""The twenty people of a run: who they are, and which client each of them uses."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import aiohttp

from tests.soak.clients.chatter import Chatter, MakeLine, Person
from tests.soak.clients.lines import Access
from tests.soak.clients.node import JavaScriptSdkLine, Node
from tests.soak.clients.page import PageUser
from tests.soak.clients.private import ChatUser, Keeper
from tests.soak.clients.python_sdk import PythonSdkLine
from tests.soak.clients.sockets import JsonLine, PlainLine, ReliableLine
from tests.soak.ledger import Author, Ledger

__all__ = ["OPEN_ROOMS", "PEOPLE", "PRIVATE_ROOMS", "Somebody", "make_cast"]

Somebody: TypeAlias = Chatter | PageUser

OPEN_ROOMS: Final = ("lobby", "garden", "kitchen", "attic")
PRIVATE_ROOMS: Final = ("@red", "@blue")

_JSON: Final = "JSON"
_RELIABLE: Final = "reliable JSON"
_PLAIN: Final = "plain WebSocket"
_PYTHON: Final = "Python SDK"
_JAVASCRIPT: Final = "JavaScript SDK"
_PAGE: Final = "demo/client.js"
_CHAT: Final = "Chat client"
_KEEPER: Final = "Chat client, keeper of the private rooms"

PEOPLE: Final[Sequence[tuple[str, Person]]] = (
    (_KEEPER, Person("sam", ("@red", "@blue"))),
    (_CHAT, Person("quinn", ("@red", "@blue"), changes=True)),
    (_JSON, Person("ana", ("lobby", "garden"), changes=True)),
    (_JSON, Person("ben", ("lobby", "@red"), changes=True)),
    (_JSON, Person("cem", ("kitchen",), Author.ONCE)),
    (_JSON, Person("dia", ("attic",), Author.ONCE)),
    (_JSON, Person("rob", ("lobby", "@red"), roams=True)),
    (_JSON, Person("roy", ("garden", "@red", "@blue"), roams=True)),
    (_RELIABLE, Person("eva", ("garden", "kitchen"), changes=True)),
    (_RELIABLE, Person("fay", ("attic", "@blue"), changes=True)),
    (_RELIABLE, Person("gus", ("lobby",))),
    (_PLAIN, Person("hal", ("lobby",), Author.UNTOLD)),
    (_PLAIN, Person("ida", ("kitchen",), Author.UNTOLD)),
    (_PYTHON, Person("jon", ("lobby",))),
    (_PYTHON, Person("kim", ("garden", "@red"))),
    (_JAVASCRIPT, Person("lea", ("kitchen",), changes=True)),
    (_JAVASCRIPT, Person("max", ("attic", "@blue"))),
    (_PAGE, Person("nia", ("lobby",))),
    (_PAGE, Person("oli", ("garden", "kitchen"), changes=True)),
    (_PAGE, Person("pia", ("attic", "@blue"))),
)


def make_cast(
    http: aiohttp.ClientSession, api: str, node: Node, ledger: Ledger, seed: int, pause: float
) -> tuple[Keeper, Sequence[Somebody]]:
    """Return all twenty, the keeper first; ``api`` is where the routes of the app are, ``pause`` as for a chatter."""
    lines: Mapping[str, MakeLine] = {
        _JSON: JsonLine,
        _RELIABLE: ReliableLine,
        _PLAIN: PlainLine,
        _PYTHON: PythonSdkLine,
        _JAVASCRIPT: partial(JavaScriptSdkLine, node),
    }
    cast: list[Somebody] = []
    for kind, person in PEOPLE:
        rng = random.Random(f"{person.name} {seed}")
        access = Access(http, api, person.name, _asked_rooms(person))
        if kind == _KEEPER:
            members = {room: [one for _, one in PEOPLE if room in one.rooms] for room in PRIVATE_ROOMS}
            keeper = Keeper(person, access, ledger, rng, pause, members)
            cast.append(keeper)
        elif kind == _CHAT:
            cast.append(ChatUser(person, access, ledger, rng, pause))
        elif kind == _PAGE:
            cast.append(PageUser(person, node, api, ledger, rng, pause))
        else:
            cast.append(Chatter(person, access, lines[kind], ledger, rng, pause))
    return keeper, cast


def _asked_rooms(person: Person) -> tuple[str, ...]:
    """Return what to ask ``negotiate`` for: open rooms by name, and ``@`` for all private ones."""
    is_in_private = any(room.startswith("@") for room in person.rooms)
    return (*(room for room in person.rooms if not room.startswith("@")), *(["@"] if is_in_private else []))
