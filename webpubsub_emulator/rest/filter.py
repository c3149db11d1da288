"""The ``filter`` parameter: which connections an operation reaches.

A filter is checked completely when it is made: its types, and its result for a connection without a user. Matching
never fails. Sources: MicrosoftDocs ``reference-odata-filter``; null, checks and the words of errors from Microsoft's
emulator.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any, Final, NamedTuple

from webpubsub_emulator.rest.odata import Binary, Call, Field, In, Literal, Node, Not, ODataSyntaxError, Operator, parse

__all__ = ["MAX_CHARACTERS", "ConnectionFacts", "ConnectionFilter", "FilterError"]

MAX_CHARACTERS: Final = 64 * 1024
_INT: Final = range(-(2**31), 2**31)


class FilterError(ValueError):
    """A filter is not valid; the message is the service's."""

    def __init__(self, part: object, detail: str) -> None:
        """``part`` is what the error is about: a node of the filter, or its text."""
        super().__init__(f"Invalid syntax for '{part}': {detail} (Parameter 'filter')")


class ConnectionFacts(NamedTuple):
    """What a filter can ask of a connection; ``protocol`` is its subprotocol."""

    user_id: str | None
    connection_id: str
    groups: Collection[str]
    protocol: str | None


class ConnectionFilter:
    """One filter, checked and ready to match."""

    def __init__(self, text: str) -> None:
        """Read and check ``text``.

        Raises:
            FilterError: when it is not a filter.
        """
        if len(text) > MAX_CHARACTERS:
            raise FilterError(f"{text[:64]}…", f"It is longer than {MAX_CHARACTERS} characters.")
        try:
            node = parse(text)
        except ODataSyntaxError as error:
            raise FilterError(text, str(error)) from None
        self._value = _expect(_Type.BOOL, _typed(node, text), node).value

    def matches(self, facts: ConnectionFacts) -> bool:
        """Return whether the filter matches the connection."""
        return bool(self._value(facts))


class _Type(StrEnum):
    NULL = "null"
    BOOL = "bool"
    INT = "int"
    STRING = "string"
    COLLECTION = "collection"


_Value = Callable[[ConnectionFacts], Any]


class _Typed(NamedTuple):
    node: Node
    type: _Type
    value: _Value

    def is_null_without_user(self) -> bool:
        return self.type is _Type.NULL or (isinstance(self.node, Call) and self.value(_MODEL) is None)


class _Function(NamedTuple):
    result: _Type
    apply: Callable[..., Any]
    parameters: tuple[_Type, ...]
    optional: int = 0


_MODEL: Final = ConnectionFacts(None, "", frozenset(), None)
_FIELDS: Final[dict[str, tuple[_Type, _Value]]] = {
    "userid": (_Type.STRING, lambda facts: facts.user_id),
    "connectionid": (_Type.STRING, lambda facts: facts.connection_id),
    "groups": (_Type.COLLECTION, lambda facts: facts.groups),
    "protocol": (_Type.STRING, lambda facts: facts.protocol),
}
_ORDERINGS: Final = {
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def _typed(node: Node, part: object) -> _Typed:
    """Return the type of ``node`` and how to get its value; ``part`` is what an error about its tokens names."""
    match node:
        case Literal(value):
            return _Typed(node, _literal_type(node, part), lambda _: value)
        case Field(name):
            if name.lower() not in _FIELDS:
                raise FilterError(part, f"Token '{node}' is not supported.")
            return _Typed(node, *_FIELDS[name.lower()])
        case Not(operand):
            truth = _expect(_Type.BOOL, _typed(operand, part), node).value
            return _Typed(node, _Type.BOOL, lambda facts: not truth(facts))
        case Binary():
            return _Typed(node, _Type.BOOL, _binary(node))
        case In():
            return _Typed(node, _Type.BOOL, _membership(node))
        case Call():
            return _call(node)


def _literal_type(literal: Literal, part: object) -> _Type:
    match literal.value:
        case None:
            return _Type.NULL
        case bool():
            return _Type.BOOL
        case int(value) if value in _INT:
            return _Type.INT
        case str():
            return _Type.STRING
        case _:
            raise FilterError(part, f"Token '{literal}' is not supported.")


def _binary(node: Binary) -> _Value:
    left, right = (_typed(operand, node) for operand in (node.left, node.right))
    match node.operator:
        case Operator.AND | Operator.OR:
            a, b = (_expect(_Type.BOOL, operand, node).value for operand in (left, right))
            if node.operator is Operator.AND:
                return lambda facts: a(facts) and b(facts)
            return lambda facts: a(facts) or b(facts)
        case Operator.EQ | Operator.NE:
            a, b = (_single(operand, node).value for operand in (left, right))
            is_wanted = node.operator is Operator.EQ
            return lambda facts: (_key(a(facts)) == _key(b(facts))) is is_wanted
        case _:
            compare = _ORDERINGS[node.operator]
            if _Type.NULL in {left.type, right.type}:
                return lambda _: False
            a, b = (_expect(_Type.INT, operand, node).value for operand in (left, right))
            return lambda facts: _order(compare, a(facts), b(facts))


def _membership(node: In) -> _Value:
    item = _single(_typed(node.item, node), node).value
    items = [_typed(node.items, node)] if isinstance(node.items, Node) else [_typed(one, node) for one in node.items]
    if len(items) == 1 and (isinstance(node.items, Node) or items[0].type is _Type.COLLECTION):
        collection = _expect(_Type.COLLECTION, items[0], node).value
        return lambda facts: item(facts) in collection(facts)
    values = [_single(one, node).value for one in items]
    if all(isinstance(one.node, Literal) for one in items):
        known = frozenset(_key(value(_MODEL)) for value in values)
        return lambda facts: _key(item(facts)) in known
    return lambda facts: _key(item(facts)) in [_key(value(facts)) for value in values]


def _call(node: Call) -> _Typed:
    function = _FUNCTIONS.get(node.name)
    if function is None:
        raise FilterError(node, f"Token '{node}' is not supported.")
    if not len(function.parameters) - function.optional <= len(node.arguments) <= len(function.parameters):
        raise FilterError(node, f"Invalid token '{node}'.")
    arguments = [_typed(argument, node) for argument in node.arguments]
    for wanted, argument in zip(function.parameters, arguments, strict=False):
        if wanted is _Type.INT and argument.is_null_without_user():
            raise FilterError(node, f"Type '{_Type.NULL}', expect '{wanted}'.")
        if argument.type is not _Type.NULL and (argument.type, function.apply) != (_Type.COLLECTION, _length):
            _expect(wanted, argument, node)
    values, apply = [argument.value for argument in arguments], function.apply
    return _Typed(node, function.result, lambda facts: apply(*[value(facts) for value in values]))


def _expect(wanted: _Type, given: _Typed, part: object) -> _Typed:
    if given.type is wanted:
        return given
    shown = _Type.NULL if wanted is _Type.BOOL and given.is_null_without_user() else given.type
    raise FilterError(part, f"Type '{shown}', expect '{wanted}'.")


def _single(given: _Typed, part: object) -> _Typed:
    if given.type is _Type.COLLECTION:
        raise FilterError(part, f"Type '{given.type}', expect '{_Type.STRING}'.")
    return given


def _key(value: Any) -> tuple[type, Any]:
    """Return a key by which two values are compared: ``1`` is not ``true``."""
    return type(value), value


def _order(compare: Callable[[int, int], bool], left: int | None, right: int | None) -> bool:
    return left is not None and right is not None and compare(left, right)


# The service counts UTF-16 units, two bytes each.
def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _length(value: str | Collection[str] | None) -> int | None:
    if value is None:
        return None
    return len(_units(value)) // 2 if isinstance(value, str) else len(value)


def _substring(text: str | None, start: int | None, *rest: int | None) -> str | None:
    if text is None or start is None or None in rest:
        return None
    units = _units(text)
    end = len(units) // 2 if not rest else start + (rest[0] or 0)
    if not 0 <= start <= end <= len(units) // 2:
        return None
    return units[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")


def _index_of(text: str | None, part: str | None) -> int:
    position = -1 if text is None or part is None else text.find(part)
    return position if text is None or position < 0 else len(_units(text[:position])) // 2


def _concatenate(left: str | None, right: str | None) -> str | None:
    return None if left is None and right is None else (left or "") + (right or "")


def _transform(change: Callable[[str], str]) -> Callable[[str | None], str | None]:
    return lambda text: None if text is None else change(text)


def _each(change: Callable[[str], str]) -> Callable[[str], str]:
    """Change characters one by one: none may become two, as ``ß`` does in ``str.upper``."""
    return lambda text: "".join(new if len(new := change(old)) == 1 else old for old in text)


def _predicate(holds: Callable[[str, str], bool]) -> Callable[[str | None, str | None], bool]:
    return lambda text, part: text is not None and part is not None and holds(text, part)


_TEXT: Final = (_Type.STRING,)
_FUNCTIONS: Final = {
    "length": _Function(_Type.INT, _length, _TEXT),
    "indexof": _Function(_Type.INT, _index_of, _TEXT * 2),
    "tolower": _Function(_Type.STRING, _transform(_each(str.lower)), _TEXT),
    "toupper": _Function(_Type.STRING, _transform(_each(str.upper)), _TEXT),
    "trim": _Function(_Type.STRING, _transform(str.strip), _TEXT),
    "concat": _Function(_Type.STRING, _concatenate, _TEXT * 2),
    "substring": _Function(_Type.STRING, _substring, (_Type.STRING, _Type.INT, _Type.INT), optional=1),
    "contains": _Function(_Type.BOOL, _predicate(lambda text, part: part in text), _TEXT * 2),
    "startswith": _Function(_Type.BOOL, _predicate(str.startswith), _TEXT * 2),
    "endswith": _Function(_Type.BOOL, _predicate(str.endswith), _TEXT * 2),
}
