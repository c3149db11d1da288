"""Messages that nobody had to write: images of any size, envelopes of the app, rooms with a past."""

from __future__ import annotations

import base64
import itertools
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chat.backends.table import make_client
from chat.backends.table_store import TABLE_NAME, TableStore
from chat.model.entities import to_entity
from chat.model.keys import body_digest, message_id, partition_key
from chat.model.messages import Message
from chat.settings import StorageAccount
from local.azurite import Azurite
from webpubsub_handler import DataType

__all__ = ["BOMB", "PICTURE", "envelope", "fill", "png"]

# Of images, each of some ten KiB: a transaction takes 4 MiB.
_ROWS_AT_ONCE: Final = 40
_numbers = itertools.count(1)


def png(width: int, height: int) -> bytes:
    """Return a PNG of black pixels, a bit each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1 + (width + 7) // 8) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def envelope(room: str, data: str, data_type: str = "text", user: str = "ben") -> dict[str, Any]:
    """Return what the app sends to a room of a message; each is later than those before."""
    now = datetime.now(UTC)
    message_id = f"{int(now.timestamp()):010x}{next(_numbers):056x}"
    head = {"type": "message", "id": message_id, "time": f"{now:%Y-%m-%dT%H:%M:%S}.000Z", "from": user}
    return {**head, "room": room, "event": "send", "dataType": data_type, "data": data}


async def fill(azurite: Azurite, room: str, count: int, image: bytes | None = None) -> None:
    """Fill a room with a past of texts, or of one image."""
    start = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    partition = partition_key("chat", room)
    rows = []
    for number in range(count):
        time = start + timedelta(seconds=number)
        text = f"number {number} {'words ' * (number % 40)}"
        name = "Ana" if number // 3 % 2 else "Ben"
        kind, body = (DataType.BINARY, image) if image else (DataType.TEXT, text.encode())
        key = message_id(partition, time, name, str(number), body_digest(kind, body))
        message = Message(key, time, room, name, name, str(number), "message", kind, "", body)
        rows.append(("upsert", to_entity(partition, message)))
    account = StorageAccount(azurite.connection_string)
    store = TableStore("chat", account)
    await store.check()
    await store.aclose()
    async with make_client(account, TABLE_NAME) as table:
        for first in range(0, count, _ROWS_AT_ONCE):
            await table.submit_transaction(rows[first : first + _ROWS_AT_ONCE])


BOMB: Final = base64.b64encode(png(8000, 8000)).decode()
PICTURE: Final = base64.b64encode(png(640, 360)).decode()
