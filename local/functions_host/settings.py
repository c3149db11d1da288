"""What the host reads before it starts an app: ``host.json`` and the local settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from local.exceptions import HostSettingsError

__all__ = ["SAMPLE", "HostSettings", "apply_values", "read_settings"]

SAMPLE: Final = "local.settings.sample.json"
"""The values that a checkout comes with, until its developer has some of their own."""
_Value = TypeVar("_Value", dict[str, Any], str, int, bool)
_JSON_NAMES: Final = {dict: "an object", str: "a string", int: "a number", bool: "true or false"}


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
        HostSettingsError: There is no ``host.json`` of version 2.0, or a file is not JSON or of another shape.
    """
    path = folder / "host.json"
    host = _read(path)
    if host.get("version") != "2.0":
        raise HostSettingsError(f'{path} is missing, or has no "version": "2.0"')
    http = _member(_member(host, "extensions", {}, path), "http", {}, path)
    names = ("local.settings.json", SAMPLE)
    name = next((name for name in names if (folder / name).is_file()), "")
    local_path = folder / name
    local = _read(local_path) if name else {}
    section = _member(local, "Host", {}, local_path)
    origins = _member(section, "CORS", "", local_path).split(",")
    return HostSettings(
        route_prefix=_member(http, "routePrefix", "api", path).strip("/"),
        custom_headers=_member(http, "customHeaders", {}, path),
        values={key: str(value) for key, value in _member(local, "Values", {}, local_path).items()},
        values_file=name,
        port=_member(section, "LocalHttpPort", 7071, local_path),
        cors_origins=frozenset(origin.strip() for origin in origins if origin.strip()),
        cors_credentials=_member(section, "CORSCredentials", False, local_path),  # noqa: FBT003 - the default
    )


def apply_values(settings: HostSettings, environment: MutableMapping[str, str]) -> list[str]:
    """Put the values into the environment, which wins; return the names that it had already."""
    skipped = [name for name in settings.values if name in environment]
    for name, value in settings.values.items():
        environment.setdefault(name, value)
    return skipped


def _member(document: Mapping[str, Any], name: str, default: _Value, path: Path) -> _Value:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, type(default)):
        raise HostSettingsError(f"{path} has a {name!r} that is not {_JSON_NAMES[type(default)]}")
    return value


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise HostSettingsError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise HostSettingsError(f"{path} is not a JSON object")
    return document
