"""No test depends on the time at which it was collected, or on how long anything takes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parents[1]
MODULES: Final = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py"))
CLOCKS: Final = {"time", "time_ns", "monotonic", "perf_counter", "now", "utcnow", "today"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(module: str) -> ast.Module:
    return ast.parse((TESTS / module).read_text("utf-8"))


def called(node: ast.AST) -> set[str]:
    """The names, without their modules, of what is called in a piece of code."""
    functions = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    return {
        function.attr if isinstance(function, ast.Attribute) else function.id
        for function in functions
        if isinstance(function, ast.Attribute | ast.Name)
    }


def runs_at_collection(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a module that run when it is imported: all but the bodies of functions and lambdas."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield from child.decorator_list
            yield from (default for default in [*child.args.defaults, *child.args.kw_defaults] if default)
        elif isinstance(child, ast.ClassDef):
            yield from child.decorator_list
            yield from runs_at_collection(child)
        else:
            yield child


class WithoutLambdas(ast.NodeTransformer):
    """Cuts out what runs later."""

    def visit_Lambda(self, _: ast.Lambda) -> ast.AST:
        return ast.Constant(None)


def functions_that_read_the_clock() -> set[str]:
    """The names of the tests' own functions that read a clock, themselves or through another."""
    calls = {
        node.name: called(node) for module in MODULES for node in ast.walk(parsed(module)) if isinstance(node, Function)
    }
    found = set(CLOCKS)
    while more := {name for name, used in calls.items() if used & found} - found:
        found |= more
    return found


def names_from_elsewhere(tree: ast.Module) -> set[str]:
    """What a module imports that is none of the tests' own: it may be called as one of them is."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    elsewhere = [node for node in imports if not (node.module or "").startswith("tests.")]
    return {alias.asname or alias.name for node in elsewhere for alias in node.names} - CLOCKS


READING: Final = functions_that_read_the_clock()


@pytest.mark.parametrize("module", MODULES)
def test_no_value_of_a_clock_is_taken_when_tests_are_collected(module: str) -> None:
    tree = parsed(module)
    reading = READING - names_from_elsewhere(tree)
    taken = [part for part in runs_at_collection(tree) if called(WithoutLambdas().visit(part)) & reading]
    assert [f"{module}:{getattr(part, 'lineno', '?')}" for part in taken] == []


def naps(node: ast.AST, *, is_waiting: bool) -> Iterator[int]:
    """The lines of sleeps that wait for nothing: outside of a loop that looks for something."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and called(child) & {"sleep"} and not is_waiting:
            is_yield = child.args and isinstance(child.args[0], ast.Constant) and child.args[0].value == 0
            if getattr(child.func, "attr", "") == "sleep" and not is_yield:
                yield child.lineno
        yield from naps(child, is_waiting=is_waiting or isinstance(child, ast.While))


@pytest.mark.parametrize("module", MODULES)
def test_no_test_sleeps_but_to_look_again(module: str) -> None:
    assert list(naps(parsed(module), is_waiting=False)) == []
