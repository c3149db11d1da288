"""The wire fixtures of ``tests/events`` as requests, and what they were signed with."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from webpubsub_handler import Headers, HttpRequest

EVENTS: Final = Path(__file__).parent / "events"
ACCESS_KEY: Final = "primary-key-0001"
SECONDARY_KEY: Final = "secondary-key-0002"
PRIMARY_SIGNATURE: Final = "sha256=04481e9514cdb0da2a62d9d18968694f5aff55013ce0c62c0c699e75042cd058"
SECONDARY_SIGNATURE: Final = "sha256=7350e84bfc095386152be1bbeca8ee4c23be3a9e4b1245239c2e35d115119fb3"


def event_names() -> list[str]:
    """Name every fixture as ``event`` takes it."""
    return sorted(path.relative_to(EVENTS).with_suffix("").as_posix() for path in EVENTS.rglob("*.json"))


def fixture(name: str) -> Any:
    """Read a fixture as it is."""
    return json.loads((EVENTS / f"{name}.json").read_text("utf-8"))


def event(
    name: str, body: bytes | None = None, headers: Mapping[str, str | list[str] | None] | None = None
) -> HttpRequest:
    """Read the request of a fixture; ``headers`` replaces fields: a list gives a line each, None leaves one out."""
    request = fixture(name)["request"]
    changes = {field.lower(): value for field, value in (headers or {}).items()}
    lines = [(field, value) for field, value in request["headers"] if field.lower() not in changes]
    for field, value in changes.items():
        lines += [(field, line) for line in ([value] if isinstance(value, str) else value or [])]
    if body is None:
        content = request["body"]
        body = content["text"].encode() if "text" in content else base64.b64decode(content["base64"])
    return HttpRequest(request["method"], Headers(lines), body)
