"""The REST operation that lists a group's members, page by page.

Pages are cut by connection id, so members that come and go between two pages never make one appear twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from webpubsub_emulator.rest.call import MAX_INT, NEWEST_API_VERSION, Call, InvalidParameterError

__all__ = ["MAX_PAGE_SIZE", "list_connections"]

MAX_PAGE_SIZE: Final = 200
# Connections do not outlive the process, so their lists need not.
_SECRET: Final = secrets.token_bytes(32)
_SEAL_BYTES: Final = 16


async def list_connections(call: Call) -> web.Response:
    """GET the members of a group, sorted by connection id."""
    size = call.integer("maxpagesize", 1, MAX_PAGE_SIZE) or MAX_PAGE_SIZE
    top = call.integer("top", 1, MAX_INT)
    group = call["group"]
    cursor = call.single("continuationToken")
    after = "" if cursor is None else _position(cursor, call.hub_name, group)
    members = sorted((member for member in call.group_members() if member.id > after), key=lambda member: member.id)
    page = members[: size if top is None else min(size, top)]
    answer: dict[str, Any] = {
        "value": [{"connectionId": c.id, "userId": c.user_id} if c.user_id else {"connectionId": c.id} for c in page]
    }
    if len(page) < len(members) and top != len(page):
        rest = {"maxpagesize": size, "continuationToken": _cursor(page[-1].id, call.hub_name, group)}
        if top is not None:
            rest["top"] = top - len(page)
        answer["nextLink"] = f"{call.url}?{urlencode({**rest, 'api-version': NEWEST_API_VERSION})}"
    return web.json_response(answer)


def _cursor(connection_id: str, hub: str, group: str) -> str:
    position = connection_id.encode()
    return base64.urlsafe_b64encode(_seal(position, hub, group) + position).decode()


def _position(cursor: str, hub: str, group: str) -> str:
    try:
        sealed = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    seal, position = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
    if not secrets.compare_digest(seal, _seal(position, hub, group)):
        raise InvalidParameterError(
            "continuationToken", "continuationToken was not returned by this list: follow nextLink as it is."
        )
    return position.decode()


def _seal(position: bytes, hub: str, group: str) -> bytes:
    whole = b"\0".join((hub.encode(), position, group.encode()))
    return hashlib.blake2b(whole, digest_size=_SEAL_BYTES, key=_SECRET).digest()
