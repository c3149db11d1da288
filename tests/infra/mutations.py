"""Small mistakes in every template: each key renamed, each value changed; and what finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.infra.bicep import Node, text, walk
from tests.infra.infra import Infra, Sample

__all__ = ["Mutation", "changed_values", "renamed_keys"]


@dataclass(frozen=True)
class Mutation:
    """One mistake; ``name`` says where it is: the file, the declaration and the path of keys."""

    name: str
    path: str
    start: int
    end: int
    replacement: str

    @property
    def file(self) -> str:
        """Return the file's name, without its ending."""
        return self.name.partition(":")[0]

    def of(self, infra: Infra) -> Sample:
        """Return the files with the mistake in them."""
        source = infra.sources[self.path].encode()
        mutated = source[: self.start] + self.replacement.encode() + source[self.end :]
        return Sample(infra.sources | {self.path: mutated.decode()})


def renamed_keys(infra: Infra) -> Iterator[Mutation]:
    """Return a mistake for each key of each object that is written out."""
    for path, file in infra.files.items():
        for node in walk(file.root):
            if node.type == "object_property" and _is_of_a_value(node):
                key = node.named_children[0]
                name = text(key)
                renamed = f"'{name[1:-1]}X'" if name.startswith("'") else f"{name}X"
                yield Mutation(_place(path, node), path, key.start_byte, key.end_byte, renamed)


def changed_values(infra: Infra) -> Iterator[Mutation]:
    """Return a mistake for each text, number, truth and name that an object or an array has as a value."""
    for path, file in infra.files.items():
        for node in walk(file.root):
            parent = node.parent
            if parent is None or not _is_of_a_value(node):
                continue
            is_value = parent.type == "object_property" and parent.named_children[-1] == node
            if (is_value or parent.type == "array") and (changed := _changed(node)) is not None:
                at = parent if is_value else node
                yield Mutation(_place(path, at), path, node.start_byte, node.end_byte, changed)


def _changed(node: Node) -> str | None:
    source = text(node)
    match node.type:
        case "boolean":
            return "false" if source == "true" else "true"
        case "number":
            return str(int(source) + 1)
        case "string":
            return f"{source[:-1]}X'"
    return None


def _is_of_a_value(node: Node) -> bool:
    """Return whether a node is part of what a declaration says, not of a type or a decorator."""
    while (parent := node.parent) is not None:
        if parent.type in {"type", "decorators"}:
            return False
        node = parent
    return True


def _place(path: str, node: Node) -> str:
    keys: list[str] = []
    at: Node | None = node
    while at is not None:
        if at.type == "object_property":
            keys.append(text(at.named_children[0]).strip("'"))
        elif at.type.endswith("_declaration"):
            keys.append(text(at.named_children[0]))
        elif at.parent is not None and at.parent.type == "array":
            keys.append(str(at.parent.named_children.index(at)))
        at = at.parent
    return f"{path.rpartition('/')[2].removesuffix('.bicep')}: {'.'.join(reversed(keys))}"
