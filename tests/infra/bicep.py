"""A Bicep file as its declarations, without meaning: what ``deployment.py`` evaluates.

The grammar knows no ``extension`` line, and takes ``a ? b : c.d`` for ``(a ? b : c).d``; the first is blanked before
parsing, the second is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import tree_sitter
import tree_sitter_bicep

_PARSER: Final = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
_ESCAPES: Final = {r"\'": "'", r"\\": "\\", r"\n": "\n", r"\$": "$"}

Node = tree_sitter.Node


class BicepError(AssertionError):
    """Raised when a file is not what the compiler or Azure would take; says where."""


@dataclass(frozen=True)
class Parameter:
    """A ``param``; ``default`` is None when a value must be given."""

    name: str
    type: str
    default: Node | None
    decorators: dict[str, Node]


@dataclass(frozen=True)
class Declaration:
    """A ``resource`` or a ``module``: ``what`` is ``type@version`` or the module's path; ``loop`` makes several."""

    symbol: str
    what: str
    body: Node
    condition: Node | None = None
    loop: Node | None = None
    is_existing: bool = False


@dataclass
class File:
    """The declarations of one file, by their names."""

    path: str
    text: str
    root: Node
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Node] = field(default_factory=dict)
    resources: dict[str, Declaration] = field(default_factory=dict)
    modules: dict[str, Declaration] = field(default_factory=dict)
    outputs: dict[str, Node] = field(default_factory=dict)

    @property
    def symbols(self) -> set[str]:
        """Everything that an expression can name."""
        loops = {text(node.named_children[0]) for node in walk(self.root) if node.type == "for_statement"}
        return {*self.parameters, *self.variables, *self.resources, *self.modules, *loops}

    def used_symbols(self) -> set[str]:
        """What the expressions name."""
        return {text(node) for node in walk(self.root) if node.type == "identifier" and _is_reference(node)}


@lru_cache(maxsize=256)
def parse(path: str, source: str) -> File:
    """Read a file.

    Raises:
        BicepError: The syntax is wrong.
    """
    known = re.sub(r"^extension \w+$", lambda line: " " * len(line[0]), source, flags=re.MULTILINE)
    root = _PARSER.parse(known.encode()).root_node
    for node in walk(root):
        if node.type == "ERROR" or node.is_missing:
            raise BicepError(f"{place(path, node)}: syntax error")
        if node.type == "member_expression" and node.child_by_field_name("object").type == "ternary_expression":  # type: ignore[union-attr]
            raise BicepError(f"{place(path, node)}: put the last part of ?: into a variable, for the grammar's sake")
    file = File(path, source, root)
    decorators: dict[str, Node] = {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = dict(_decorators(node))
        elif node.type not in {"comment", "target_scope_assignment"}:
            _declare(file, node, decorators)
            decorators = {}
    return file


def _declare(file: File, node: Node, decorators: dict[str, Node]) -> None:
    name = text(node.named_children[0])
    last = node.named_children[-1]
    match node.type:
        case "parameter_declaration":
            default = last if last.type != "type" else None
            file.parameters[name] = Parameter(name, text(node.named_children[1]), default, decorators)
        case "variable_declaration":
            file.variables[name] = last
        case "output_declaration":
            file.outputs[name] = last
        case "resource_declaration" | "module_declaration":
            condition, loop, body = (None, None, last)
            if body.type == "for_statement":
                loop, body = body, body.named_children[-1]
            if body.type == "if_statement":
                condition, body = body.named_children
            is_existing = any(child.type == "existing" for child in node.children)
            declaration = Declaration(name, text(node.named_children[1]).strip("'"), body, condition, loop, is_existing)
            (file.resources if node.type == "resource_declaration" else file.modules)[name] = declaration
        case other:
            raise BicepError(f"{place(file.path, node)}: these checks know no {other}")


def _decorators(node: Node) -> Iterator[tuple[str, Node]]:
    for decorator in node.named_children:
        call = decorator.named_children[0]
        yield text(call.named_children[0]), call.named_children[1]


def walk(node: Node) -> Iterator[Node]:
    """Return a node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode()


def place(path: str, node: Node) -> str:
    """Say where a node is."""
    return f"{path}:{node.start_point[0] + 1}:{node.start_point[1] + 1}"


def properties(node: Node) -> Iterator[tuple[Node, Node]]:
    """Return the keys and values of an object."""
    for child in node.named_children:
        if child.type == "object_property":
            yield child.named_children[0], child.named_children[-1]


def string_parts(node: Node) -> Iterator[str | Node]:
    """Return the texts of a string and the expressions between them."""
    # Between the quotes. The grammar passes over white space, or takes it for a part of "${": it belongs to the text.
    at, end, source = 1, node.end_byte - node.start_byte - 1, node.text or b""
    for child in node.named_children:
        start = child.start_byte - node.start_byte
        if child.type == "interpolation":
            start = child.children[0].end_byte - len("${") - node.start_byte
        if start > at:
            yield source[at:start].decode()
        at = child.end_byte - node.start_byte
        if child.type == "interpolation":
            yield child.named_children[0]
        else:
            yield _ESCAPES[text(child)] if child.type == "escape_sequence" else text(child)
    if end > at:
        yield source[at:end].decode()


def literal(node: Node) -> Any:
    """Return the value of what needs no evaluation: decorators' arguments, mostly."""
    match node.type:
        case "string":
            return "".join(part if isinstance(part, str) else "${…}" for part in string_parts(node))
        case "number":
            return int(text(node))
        case "boolean":
            return text(node) == "true"
        case "null":
            return None
        case "array" | "arguments":
            return [literal(child) for child in node.named_children if child.type != "comment"]
        case "object":
            return {text(key).strip("'"): literal(value) for key, value in properties(node)}
    raise BicepError(f"{text(node)!r} is not a literal")


def _is_reference(node: Node) -> bool:
    parent = node.parent
    assert parent is not None
    if parent.type.endswith("_declaration"):
        return parent.named_children[0] != node
    if parent.type in {"object_property", "for_statement"}:
        return parent.named_children[0] != node
    return not (parent.type == "call_expression" and parent.child_by_field_name("function") == node)
