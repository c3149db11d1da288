"""The syntax of the ``filter`` parameter: a text becomes a tree. What the tree means is in ``filter``.

Precedence, highest first: ``in``, ``not``, one comparison, ``and``, ``or``. Source: MicrosoftDocs
``reference-odata-filter``; the words of an error, and the position in it, are those of the OData library that the
service reads filters with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

__all__ = [
    "MAX_CLAUSES",
    "MAX_DEPTH",
    "Binary",
    "Call",
    "Field",
    "In",
    "Literal",
    "Node",
    "Not",
    "ODataSyntaxError",
    "Operator",
    "parse",
]

MAX_DEPTH: Final = 100
MAX_CLAUSES: Final = 100


class ODataSyntaxError(ValueError):
    """A text is not a filter expression."""


class Operator(StrEnum):
    """A binary operator; the value is its keyword."""

    OR = "or"
    AND = "and"
    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, an integer, ``true``, ``false`` or ``null``."""

    value: str | int | bool | None

    def __str__(self) -> str:
        """Write it as the service's errors do, without doubling quotes."""
        match self.value:
            case None:
                return "null"
            case bool(value):
                return str(value).lower()
            case str(value):
                return f"'{value}'"
            case value:
                return str(value)


@dataclass(frozen=True, slots=True)
class Field:
    """A name that stands for a property of the connection."""

    name: str

    def __str__(self) -> str:
        """Write it."""
        return self.name


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: Sequence[Node]

    def __str__(self) -> str:
        """Write it."""
        return f"{self.name}({','.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of its operand."""

    operand: Node

    def __str__(self) -> str:
        """Write it."""
        return f"not {_operand(self.operand)}"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and the operator between them."""

    operator: Operator
    left: Node
    right: Node

    def __str__(self) -> str:
        """Write it."""
        return f"{_operand(self.left)} {self.operator} {_operand(self.right)}"


@dataclass(frozen=True, slots=True)
class In:
    """Return whether ``item`` is one of ``items``, a list of expressions or one expression that is a collection."""

    item: Node
    items: Sequence[Node] | Node

    def __str__(self) -> str:
        """Write it."""
        items = f"({','.join(map(str, self.items))})" if isinstance(self.items, Sequence) else self.items
        return f"{self.item} in {items}"


Node = Literal | Field | Call | Not | Binary | In


def _operand(node: Node) -> str:
    return f"({node})" if isinstance(node, Not | Binary | In) else str(node)


def parse(text: str) -> Node:
    """Return the tree of a filter expression.

    Raises:
        ODataSyntaxError: for anything else, and for one that is nested too deeply or has too many clauses.
    """
    return _Parser(text).whole()


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


_END: Final = "end"
_TOKEN: Final = re.compile(
    r"(?P<text>'(?:[^']+|'')*+')|(?P<number>[+-]?[0-9]{1,18}(?![\w.]))|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[(),])"
)
_SPACE: Final = re.compile(r"\s*")
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_COMPARISONS: Final = {operator.value: operator for operator in Operator if operator not in {Operator.AND, Operator.OR}}
_BINDING: Final = {"or": 1, "and": 2}


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._clauses = 1
        self._token = self._read(0)

    def whole(self) -> Node:
        node = self._expression(1)
        if self._token.kind != _END:
            raise self._error("Syntax error at", self._token.end)
        return node

    def _expression(self, least: int) -> Node:
        """One operand or comparison, or several between operators that bind at least as tightly as ``least``."""
        left = self._unary()
        if self._token.text in _COMPARISONS:
            left = Binary(_COMPARISONS[self._advance().text], left, self._unary())
        while _BINDING.get(self._token.text, 0) >= least:
            self._clauses += 1
            if self._clauses > MAX_CLAUSES:
                raise ODataSyntaxError(f"There are more than {MAX_CLAUSES} clauses.")
            operator = Operator(self._advance().text)
            left = Binary(operator, left, self._expression(_BINDING[operator] + 1))
        return left

    def _unary(self) -> Node:
        if self._token.text == "not":
            self._advance()
            self._enter()
            node: Node = Not(self._unary())
            self._depth -= 1
            return node
        node = self._primary()
        if self._token.text == "in":
            self._advance()
            node = In(node, self._list() if self._token.text == "(" else self._primary())
        return node

    def _primary(self) -> Node:
        token = self._token
        match token.kind:
            case "text":
                self._advance()
                return Literal(token.text[1:-1].replace("''", "'"))
            case "number":
                self._advance()
                return Literal(int(token.text))
            case "name":
                self._advance()
                if self._token.text == "(":
                    return Call(token.text, self._list())
                return Literal(_CONSTANTS[token.text]) if token.text in _CONSTANTS else Field(token.text)
        if token.text != "(":
            raise self._error("Expression expected at", token.start)
        self._advance()
        self._enter()
        node = self._expression(1)
        self._close("')' or operator expected at")
        return node

    def _list(self) -> Sequence[Node]:
        self._advance()
        self._enter()
        nodes = [self._expression(1)]
        while self._token.text == ",":
            self._advance()
            nodes.append(self._expression(1))
        self._close("')' or ',' expected at")
        return nodes

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ODataSyntaxError("Recursion depth exceeded allowed limit.")

    def _close(self, complaint: str) -> None:
        if self._token.text != ")":
            raise self._error(complaint, self._token.start)
        self._advance()
        self._depth -= 1

    def _advance(self) -> _Token:
        token, self._token = self._token, self._read(self._token.end)
        return token

    def _read(self, position: int) -> _Token:
        space = _SPACE.match(self._text, position)
        start = space.end() if space else position
        if start == len(self._text):
            return _Token(_END, "", start, start)
        found = _TOKEN.match(self._text, start)
        if found is None or found.lastgroup is None:
            if self._text[start] == "'":
                raise self._error("There is an unterminated string literal at", len(self._text))
            raise self._error(f"Syntax error: character '{self._text[start]}' is not valid at", start)
        return _Token(found.lastgroup, found.group(), start, found.end())

    def _error(self, complaint: str, position: int) -> ODataSyntaxError:
        return ODataSyntaxError(f"{complaint} position {position} in '{self._text}'.")
