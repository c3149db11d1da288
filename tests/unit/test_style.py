"""What the linter cannot hold: every module says what it exports."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("webpubsub_handler", "chat", "local", "webpubsub_emulator")
MODULES: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__main__.py"
)


def defined_names(tree: ast.Module) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, functions) and not node.name.startswith("_")}


def exported_names(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets):
            return set(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("module", MODULES)
def test_a_module_with_public_names_exports_each_of_them(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text("utf-8"))
    defined = defined_names(tree)

    assert defined <= (exported_names(tree) or set())
