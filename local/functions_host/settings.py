"""What the host reads before it starts an app: `host.json` and the local settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["HostSettings", "SettingsError", "apply_values", "read_settings"]


class SettingsError(Exception):
    """Raised when a file is missing or unreadable; the text names it."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The settings of one app folder."""

    route_prefix: str = "api"
    custom_headers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    values_file: str = ""
    port: int = 7071
    cors_origins: frozenset[str] = frozenset()
    cors_credentials: bool = False


def read_settings(folder: Path) -> HostSettings:
    """Read ``host.json``, and ``local.settings.json`` or else the sample.

    Raises:
        SettingsError: There is no ``host.json`` of version 2.0, or a file is not JSON.
    """
    host = _read(folder / "host.json")
    if host.get("version") != "2.0":
        raise SettingsError(f'{folder / "host.json"} is missing, or has no "version": "2.0"')
    http = host.get("extensions", {}).get("http", {})
    names = ("local.settings.json", "local.settings.sample.json")
    name = next((name for name in names if (folder / name).is_file()), "")
    local = _read(folder / name) if name else {}
    section = local.get("Host", {})
    origins = str(section.get("CORS", "")).split(",")
    return HostSettings(
        route_prefix=http.get("routePrefix", "api").strip("/"),
        custom_headers=http.get("customHeaders", {}),
        values={key: str(value) for key, value in local.get("Values", {}).items()},
        values_file=name,
        port=int(section.get("LocalHttpPort", 7071)),
        cors_origins=frozenset(origin.strip() for origin in origins if origin.strip()),
        cors_credentials=bool(section.get("CORSCredentials", False)),
    )


def apply_values(settings: HostSettings, environment: MutableMapping[str, str]) -> list[str]:
    """Put the values into the environment, which wins; give the names that it had already."""
    skipped = [name for name in settings.values if name in environment]
    for name, value in settings.values.items():
        environment.setdefault(name, value)
    return skipped


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{path} is not a JSON object")
    return document
