"""Keep what Azure publishes about the properties that the templates use.

    python -m tests.infra.property_types FOLDER …

Each folder is a checkout of a repository that publishes Bicep types as ``generated/**/types.json``:
Azure/bicep-types-az and microsoftgraph/msgraph-bicep-types. The file next to this one then has, for each type and
version that a template names, every property of every object that an evaluated body has, with its type. Run it again
when a template names a new type, version or nested object; a test says so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tests.infra.infra import Infra

FILE: Final = Path(__file__).with_suffix(".json")
_REQUIRED: Final = 1
_READ_ONLY: Final = 2
_KINDS: Final = {"StringType": "string", "IntegerType": "int", "BooleanType": "bool"}
_LIMITS: Final = ("pattern", "minLength", "maxLength", "minValue", "maxValue")


class _Types:
    """The types of one published file, narrowed to what some values use."""

    def __init__(self, types: list[Any]) -> None:
        self._types = types

    def of_resource(self, what: str) -> Any:
        for each in self._types:
            if each["$type"] == "ResourceType" and each["name"].lower() == what.lower():
                return self._resolve(each["body"])
        return None

    def _resolve(self, reference: Any) -> Any:
        return self._types[int(reference["$ref"].rpartition("/")[2])]

    def narrow(self, kind: Any, values: list[Any]) -> Any:
        match kind["$type"]:
            case "ObjectType":
                return self._object(kind, [value for value in values if isinstance(value, dict)])
            case "DiscriminatedObjectType":
                return self._discriminated(kind, [value for value in values if isinstance(value, dict)])
            case "ArrayType":
                items = [item for value in values if isinstance(value, list) for item in value]
                return {"kind": "array", "items": self.narrow(self._resolve(kind["itemType"]), items)}
            case "UnionType":
                elements = [self._resolve(element) for element in kind["elements"]]
                texts = [element["value"] for element in elements if element["$type"] == "StringLiteralType"]
                return {"kind": "string", "enum": sorted(texts)}
            case "StringLiteralType":
                return {"kind": "string", "enum": [kind["value"]]}
            case other:
                found = {"kind": _KINDS.get(other, "any")}
                return found | {limit: kind[limit] for limit in _LIMITS if limit in kind}

    def _object(self, kind: Any, values: list[dict[str, Any]]) -> Any:
        found: dict[str, Any] = {"kind": "object", "properties": self._properties(kind.get("properties", {}), values)}
        required = [name for name, given in kind.get("properties", {}).items() if given.get("flags", 0) & _REQUIRED]
        if required:
            found["required"] = sorted(required)
        if "additionalProperties" in kind:
            more = [item for value in values for name, item in value.items() if name not in found["properties"]]
            found["more"] = self.narrow(self._resolve(kind["additionalProperties"]), more)
        return found

    def _properties(self, properties: dict[str, Any], values: list[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, given in sorted(properties.items()):
            if given.get("flags", 0) & _READ_ONLY:
                continue
            used = [value[name] for value in values if name in value]
            kind = self._resolve(given["type"])
            # What no body has is known by its name alone.
            found[name] = self.narrow(kind, used) if used else None
        return found

    def _discriminated(self, kind: Any, values: list[dict[str, Any]]) -> Any:
        by, variants = kind["discriminator"], {}
        for name, element in sorted(kind["elements"].items()):
            own = [value for value in values if value.get(by) == name]
            variant = self._resolve(element)
            merged = variant | {"properties": kind.get("baseProperties", {}) | variant["properties"]}
            variants[name] = self._object(merged, own) if own else None
        return {"kind": "variants", "by": by, "variants": variants}


def collect(bodies: dict[str, list[Any]], files: Iterable[Path]) -> dict[str, Any]:
    """Look each type up in the published files.

    Raises:
        LookupError: A type or version is not published there.
    """
    found: dict[str, Any] = {}
    for file in files:
        wanted = [what for what in bodies if f"/{what.split('/')[0]}/{what.split('@')[1]}/".lower() in file.as_posix()]
        types = _Types(json.loads(file.read_bytes()) if wanted else [])
        for what in wanted:
            if kind := types.of_resource(what):
                found[what] = types.narrow(kind, bodies[what])
    if missing := bodies.keys() - found.keys():
        raise LookupError(f"not published in these folders: {', '.join(sorted(missing))}")
    return dict(sorted(found.items()))


def main() -> int:
    """Write the file; the exit status is 1 when a type is not published."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="checkouts with generated/**/types.json")
    folders: list[Path] = parser.parse_args().folders
    bodies: dict[str, list[Any]] = {}
    for deployment in Infra.read().deployments.values():
        for resource in deployment.resources.values():
            bodies.setdefault(f"{resource.type}@{resource.version}", []).append(resource.body)
    print(f"{len(bodies)} types are used; reading the published ones …", flush=True)
    try:
        files = [file for folder in folders for file in folder.glob("generated/**/types.json")]
        types = collect(bodies, files)
    except LookupError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    sources = [source for folder in folders if (source := _source(folder))]
    FILE.write_text(json.dumps({"sources": sources, "types": types}, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"Wrote {FILE.name}")
    return 0


def _source(folder: Path) -> str:
    asked = ["git", "-C", str(folder), "log", "-1", "--format=%H %cs"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return f"{folder.name} {commit}"


if __name__ == "__main__":
    sys.exit(main())
