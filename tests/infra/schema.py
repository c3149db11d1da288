"""Whether a body fits what Azure publishes about its type: names, types, values and what must be there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from tests.infra.deployment import Deployment
from tests.infra.property_types import FILE

_PYTHON: Final[Mapping[str, type]] = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}


@lru_cache(maxsize=1)
def published() -> Mapping[str, Any]:
    """Return the published types by ``type@version``."""
    types: Mapping[str, Any] = json.loads(FILE.read_text("utf-8"))["types"]
    return types


def misfits(deployment: Deployment) -> list[str]:
    """Return everything about the resources of a deployment that their types forbid."""
    found = []
    for resource in deployment.resources.values():
        what = f"{resource.type}@{resource.version}"
        if what not in published():
            found.append(f"{what} is not in {FILE.name}: run python -m tests.infra.property_types")
        else:
            found += [f"{what}: {misfit}" for misfit in _value(published()[what], resource.body, "")]
    return found


def _value(kind: Any, value: Any, path: str) -> Iterator[str]:
    if kind is None:
        yield f"{path} is new: run python -m tests.infra.property_types"
    elif value is None or kind["kind"] == "any":
        return
    elif kind["kind"] == "variants":
        variant = value.get(kind["by"])
        if variant not in kind["variants"]:
            yield f"{path}.{kind['by']} is {variant!r}, none of {', '.join(kind['variants'])}"
        else:
            yield from _value(kind["variants"][variant], value, path)
    elif type(value) is not _PYTHON[kind["kind"]]:
        yield f"{path} is {type(value).__name__}, not {kind['kind']}"
    elif isinstance(value, dict):
        yield from _object(kind, value, path)
    elif isinstance(value, list):
        for item in value:
            yield from _value(kind["items"], item, f"{path}[]")
    else:
        yield from _limits(kind, value, path)


def _object(kind: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in kind.get("required", ()):
        if value.get(name) is None:
            yield f"{path}.{name} is missing"
    for name, item in value.items():
        if name in kind["properties"]:
            yield from _value(kind["properties"][name], item, f"{path}.{name}")
        elif "more" in kind:
            yield from _value(kind["more"], item, f"{path}.{name}")
        else:
            yield f"{path}.{name} is not a property; known: {', '.join(kind['properties'])}"


def _limits(kind: Any, value: Any, path: str) -> Iterator[str]:
    # Where Azure may take more values than it publishes, the templates keep to the published ones.
    if "enum" in kind and value not in kind["enum"]:
        yield f"{path} is {value!r}, none of {', '.join(kind['enum'])}"
    if isinstance(value, str) and not re.search(kind.get("pattern", ""), value):
        yield f"{path} is {value!r}, which {kind['pattern']} refuses"
    size = len(value) if isinstance(value, str) else value
    for least, most in (("minLength", "maxLength"), ("minValue", "maxValue")):
        if not kind.get(least, size) <= size <= kind.get(most, size):
            yield f"{path} is {value!r}: out of range"
