"""A table that keeps its rows sorted, as Table Storage is documented to: one query, answered by bisection.

Azurite, the only other server of this protocol that installs here, goes through every row of a table for each query. So
this one shows what a page costs us where the server does not. It knows the filters of the history's pages and nothing
else: no writes, no signatures. It runs in a process of its own, with ready-made rows.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

__all__ = ["OrderedTable", "serve"]

_PARTITION: Final = re.compile(r"PartitionKey eq '([^']*)'")
_ROW: Final = re.compile(r"RowKey (lt|le|gt|ge) '([^']*)'")
_MAX_ROWS: Final = 1000


class OrderedTable:
    """Rows in the order of their keys.

    Args:
        rows: What the table holds: their properties are strings.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        found = sorted(((row["PartitionKey"], row["RowKey"]), json.dumps({"odata.etag": "1", **row})) for row in rows)
        self._keys = [key for key, _ in found]
        self._rows = [row for _, row in found]

    def query(self, text: str, count: int, start: tuple[str, str] | None) -> tuple[str, tuple[str, str] | None]:
        """Return the first rows of a filter, from a key on, as JSON, and the key of the next one.

        Raises:
            ValueError: The filter is not one of the history's.
        """
        partition, *bounds = text.split(" and ")
        found = _PARTITION.fullmatch(partition)
        if found is None:
            raise ValueError(f"the filter {text!r} names no partition")
        first = bisect_left(self._keys, (found[1], ""))
        end = bisect_left(self._keys, (found[1] + "\0", ""))
        for bound in bounds:
            comparison = _ROW.fullmatch(bound)
            if comparison is None:
                raise ValueError(f"{bound!r} is not a bound of row keys")
            cut = bisect_left if comparison[1] in ("lt", "ge") else bisect_right
            position = cut(self._keys, (found[1], comparison[2]))
            if comparison[1] in ("lt", "le"):
                end = min(end, position)
            else:
                first = max(first, position)
        if start is not None:
            first = max(first, bisect_left(self._keys, start))
        last = max(first, min(first + min(count, _MAX_ROWS), end))
        rows = ",".join(self._rows[first:last])
        return f'{{"value":[{rows}]}}', self._keys[last] if last < end else None

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a query of the SDK."""
        asked = request.query
        start = (asked["NextPartitionKey"], asked["NextRowKey"]) if "NextRowKey" in asked else None
        body, following = self.query(asked["$filter"], int(asked.get("$top", _MAX_ROWS)), start)
        names = ("x-ms-continuation-NextPartitionKey", "x-ms-continuation-NextRowKey")
        headers = dict(zip(names, following, strict=True)) if following else {}
        return web.Response(text=body, content_type="application/json", headers=headers)


async def serve(table: OrderedTable) -> None:
    """Serve a table on a free port, which is printed, until standard input ends."""
    app = web.Application()
    app.router.add_get("/{path:.*}", table.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
