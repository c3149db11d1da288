"""What Azure would be asked for: Bicep evaluated without a compiler, as far as these templates need it.

A property that ``azure.py`` does not know is an error, so a misspelt one is found. ``after`` of a resource is what
Azure makes before it, by the compiler's rules: what its expressions name, and ``dependsOn``; an ``existing`` resource
orders nothing.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.infra.azure import FUNCTIONS, SUBSCRIPTION, Reference, resource_id
from tests.infra.bicep import BicepError, Declaration, File, Node, literal, parse, place, properties, string_parts, text

_KINDS: Final[Mapping[str, type]] = {"string": str, "int": int, "bool": bool}
# Collections of texts, as the compiler writes their types.
_COLLECTIONS: Final[Mapping[str, type]] = {"{ *: string }": dict, "string[]": list}


@dataclass
class Resource:
    """One resource that is made; ``after`` has the ids of those that are there before it."""

    id: str
    type: str
    version: str
    name: str
    body: dict[str, Any]
    module: str
    scope: str | None
    after: set[str]


@dataclass(frozen=True)
class _Module:
    """A symbol of a module: its outputs, None when its condition does not hold."""

    symbol: str
    outputs: Mapping[str, Any] | None

    def member(self, name: str) -> Any:
        if name != "outputs":
            raise BicepError(f"module {self.symbol} has no {name}")
        if self.outputs is None:
            raise BicepError(f"outputs of {self.symbol} are used, and it is not deployed")
        return _Outputs(self.symbol, self.outputs)


@dataclass(frozen=True)
class _Outputs:
    symbol: str
    values: Mapping[str, Any]

    def member(self, name: str) -> Any:
        if name not in self.values:
            raise BicepError(f"module {self.symbol} has no output {name}")
        return self.values[name]


@dataclass
class Deployment:
    """Everything that one deployment makes, by id, and its outputs."""

    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    existing: list[tuple[str, set[str]]] = field(default_factory=list)

    def of_type(self, kind: str) -> list[Resource]:
        """Return the resources of a type, without regard to its version."""
        return [resource for resource in self.resources.values() if resource.type == kind]

    def one(self, kind: str) -> Resource:
        """Return the only resource of a type."""
        found = self.of_type(kind)
        assert len(found) == 1, f"{len(found)} of {kind}"
        return found[0]

    def config(self, name: str) -> dict[str, Any]:
        """Return the properties of one of the site's configurations."""
        found = [r for r in self.of_type("Microsoft.Web/sites/config") if r.name.endswith(f"/{name}")]
        assert len(found) == 1, name
        return dict(found[0].body["properties"])

    def before(self, resource: Resource) -> set[str]:
        """Return the ids of all that is there before a resource, by way of others, too."""
        found: set[str] = set()
        todo = set(resource.after)
        while todo:
            found |= todo
            todo = {before for each in todo if each in self.resources for before in self.resources[each].after} - found
        return found


def deploy(sources: Mapping[str, str], path: str, **values: Any) -> Deployment:
    """Evaluate a template with the values of its parameters.

    Raises:
        BicepError: The compiler, or Azure, would refuse it.
    """
    deployment = Deployment()
    evaluation = _Evaluation(sources, parse(path, sources[path]), values, SUBSCRIPTION, frozenset(), deployment)
    evaluation.run()
    deployment.outputs = dict(evaluation.outputs)
    return deployment


def _is_of(kind: str, value: Any) -> bool:
    if kind in _COLLECTIONS:
        items = value.values() if isinstance(value, dict) else value
        return type(value) is _COLLECTIONS[kind] and all(type(item) is str for item in items)
    return type(value) is _KINDS[kind]


class _Evaluation:
    """One file with the values of its parameters; makes what it declares, each symbol when it is first named."""

    def __init__(
        self,
        sources: Mapping[str, str],
        file: File,
        values: Mapping[str, Any],
        scope: str,
        after: frozenset[str],
        deployment: Deployment,
    ) -> None:
        self._sources = sources
        self._file = file
        self._scope = scope
        self._after = after
        self._deployment = deployment
        self._symbols: dict[str, Any] = {}
        self._loop_values: dict[str, Any] = {}
        self._uses: dict[str, frozenset[str]] = {}
        self._running: list[set[str]] = [set()]
        self.outputs: dict[str, Any] = {}
        self.made: set[str] = set()
        for name in values:
            if name not in file.parameters:
                raise BicepError(f"{file.path} has no parameter {name}")
        for name, parameter in file.parameters.items():
            if name not in values and parameter.default is None:
                raise BicepError(f"{file.path}: no value for {name}")
            value = values[name] if name in values else self._value(parameter.default)
            self._check(name, value)
            self._symbols[name] = value

    def run(self) -> None:
        for symbol in [*self._file.resources, *self._file.modules]:
            self._symbol(symbol)
        for name, node in self._file.outputs.items():
            self.outputs[name] = self._value(node)

    def _check(self, name: str, value: Any) -> None:
        parameter = self._file.parameters[name]
        problem = f"{self._file.path}: {name} is {value!r}"
        if not _is_of(parameter.type, value):
            raise BicepError(f"{problem}, and must be {parameter.type}")
        limits = {key: literal(node)[0] for key, node in parameter.decorators.items() if key != "secure"}
        if "allowed" in limits and value not in limits["allowed"]:
            raise BicepError(f"{problem}, and must be one of {limits['allowed']}")
        size = len(value) if isinstance(value, str) else value
        for least, most in (("minValue", "maxValue"), ("minLength", "maxLength")):
            if least in limits and not limits[least] <= size <= limits.get(most, size):
                raise BicepError(f"{problem}: out of range")

    def _symbol(self, name: str) -> Any:
        if name in self._loop_values:
            return self._loop_values[name]
        if name not in self._symbols:
            with_uses: set[str] = set()
            self._running.append(with_uses)
            if name in self._file.variables:
                self._symbols[name] = self._value(self._file.variables[name])
                self._uses[name] = frozenset(with_uses)
            elif name in self._file.resources:
                self._symbols[name] = self._resources(self._file.resources[name], with_uses)
            elif name in self._file.modules:
                self._symbols[name] = self._module(self._file.modules[name], with_uses)
            else:
                raise BicepError(f"{self._file.path}: {name} is not declared")
            self._running.pop()
        self._running[-1] |= self._uses.get(name, frozenset())
        return self._symbols[name]

    def _resources(self, declared: Declaration, uses: set[str]) -> Reference | list[Reference]:
        if declared.loop is None:
            return self._resource(declared, uses)
        return self._for_each(declared.loop, lambda _: self._resource(declared, uses))

    def _for_each(self, loop: Node, make: Callable[[Node], Any]) -> list[Any]:
        variable, items, body = loop.named_children
        made = []
        for item in self._value(items):
            self._loop_values[text(variable)] = item
            made.append(make(body))
        self._loop_values.pop(text(variable), None)
        return made

    def _resource(self, declared: Declaration, uses: set[str]) -> Reference:
        kind, _, version = declared.what.partition("@")
        body = self._value(declared.body)
        parent, scope = body.pop("parent", None), body.pop("scope", None)
        body.pop("dependsOn", None)
        # What Microsoft Graph makes has no name of this kind.
        own_name = body.get("name", body.get("uniqueName", declared.symbol))
        name = own_name if parent is None else f"{parent.name}/{own_name}"
        made_id = resource_id(scope.resource_id if scope else self._scope, kind, name)
        reference = Reference(made_id, name, {} if declared.is_existing else body)
        is_wanted = declared.condition is None or self._value(declared.condition)
        if declared.is_existing and "name" not in body:
            raise BicepError(f"{self._file.path}: {declared.symbol} is existing, and has no name")
        if declared.is_existing:
            self._deployment.existing.append((made_id, uses | self._after))
        elif is_wanted:
            if made_id in self._deployment.resources:
                raise BicepError(f"{self._file.path}: {made_id} is made twice")
            self._deployment.resources[made_id] = Resource(
                id=made_id,
                type=kind,
                version=version,
                name=name,
                body=body,
                module=self._file.path,
                scope=scope.resource_id if scope else None,
                after=uses | self._after,
            )
            self.made.add(made_id)
            self._uses[declared.symbol] = self._uses.get(declared.symbol, frozenset()) | {made_id}
        return reference

    def _module(self, declared: Declaration, uses: set[str]) -> _Module:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self._file.path), declared.what))
        if path not in self._sources:
            raise BicepError(f"{self._file.path}: there is no {declared.what}")
        if declared.condition is not None and not self._value(declared.condition):
            return _Module(declared.symbol, None)
        body = self._value(declared.body)
        if unknown := body.keys() - {"name", "scope", "params", "dependsOn"}:
            raise BicepError(f"{self._file.path}: module {declared.symbol} has {', '.join(sorted(unknown))}")
        scope = body["scope"].resource_id if "scope" in body else self._scope
        inner = _Evaluation(
            self._sources,
            parse(path, self._sources[path]),
            body.get("params", {}),
            scope,
            frozenset(uses) | self._after,
            self._deployment,
        )
        inner.run()
        self.made |= inner.made
        self._uses[declared.symbol] = frozenset(inner.made)
        return _Module(declared.symbol, inner.outputs)

    def _value(self, node: Node | None) -> Any:
        assert node is not None
        if node.type in {"number", "boolean", "null"}:
            return literal(node)
        kinds: Mapping[str, Callable[[Node], Any]] = {
            "identifier": lambda node: self._symbol(text(node)),
            "string": lambda node: "".join(self._text(part) for part in string_parts(node)),
            "object": lambda node: {self._key(key): self._value(value) for key, value in properties(node)},
            "array": lambda node: [self._value(child) for child in node.named_children if child.type != "comment"],
            "for_statement": lambda node: self._for_each(node, self._value),
            "parenthesized_expression": lambda node: self._value(node.named_children[0]),
            "ternary_expression": self._ternary,
            "unary_expression": self._not,
            "binary_expression": self._binary,
            "member_expression": self._member,
            "subscript_expression": self._subscript,
            "call_expression": self._call,
        }
        if node.type not in kinds:
            raise BicepError(f"{place(self._file.path, node)}: these checks know no {node.type}")
        return kinds[node.type](node)

    def _ternary(self, node: Node) -> Any:
        wanted = "consequence" if self._value(node.child_by_field_name("condition")) else "alternative"
        return self._value(node.child_by_field_name(wanted))

    def _not(self, node: Node) -> bool:
        assert text(node).startswith("!"), text(node)
        return not self._value(node.child_by_field_name("argument"))

    def _subscript(self, node: Node) -> Any:
        found = self._value(node.child_by_field_name("object"))
        key = self._value(node.child_by_field_name("index"))
        if key not in found:
            raise BicepError(f"{place(self._file.path, node)}: there is no {key!r}")
        return found[key]

    def _text(self, part: str | Node) -> str:
        if isinstance(part, str):
            return part
        value = self._value(part)
        if not isinstance(value, str | int):
            raise BicepError(f"{place(self._file.path, part)}: {text(part)} is not text")
        return str(value)

    def _key(self, node: Node) -> str:
        return str(self._value(node)) if node.type == "string" else text(node)

    def _binary(self, node: Node) -> Any:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        match text(node.children[1]):
            case "&&":
                return self._value(left) and self._value(right)
            case "||":
                return self._value(left) or self._value(right)
            case "==":
                return self._value(left) == self._value(right)
            case "!=":
                return self._value(left) != self._value(right)
        raise BicepError(f"{place(self._file.path, node)}: these checks know no {text(node.children[1])}")

    def _member(self, node: Node) -> Any:
        found = self._value(node.child_by_field_name("object"))
        name = text(node.named_children[-1])
        if isinstance(found, Reference | _Module | _Outputs):
            return found.member(name)
        if not isinstance(found, Mapping) or name not in found:
            raise BicepError(f"{place(self._file.path, node)}: {text(node)} is not there")
        return found[name]

    def _call(self, node: Node) -> Any:
        called, listed = node.named_children
        given = [self._value(child) for child in listed.named_children]
        if called.type == "member_expression":
            service = self._value(called.child_by_field_name("object"))
            return service.member(f"{text(called.named_children[-1])}()")
        name = text(called)
        if name == "loadJsonContent":
            path = posixpath.normpath(posixpath.join(posixpath.dirname(self._file.path), given[0]))
            return json.loads(self._sources[path])
        if name == "resourceId":
            return resource_id(self._scope, given[0], "/".join(given[1:]))
        if name not in FUNCTIONS:
            raise BicepError(f"{place(self._file.path, node)}: these checks know no function {name}")
        return FUNCTIONS[name](*given)
