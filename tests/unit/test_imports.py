"""The rules between the packages: who may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

# The modules that a user of the library may import from; everything else is there for these.
LIBRARY_MODULES: Final = ("asgi", "azure_functions", "entra", "testing")

ROOT: Final = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: by which file, and whether only when a function is called."""

    file: str
    name: str
    is_deferred: bool

    def is_of(self, *packages: str) -> bool:
        return any(f"{self.name}.".startswith(f"{package}.") for package in packages)

    def is_by(self, *places: str) -> bool:
        return self.file.startswith(places)


def imports_of(source: str, file: str) -> Iterator[Import]:
    def walk(node: ast.AST, is_deferred: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, alias.name, is_deferred)
        elif isinstance(node, ast.ImportFrom):
            package = [*Path(file).parent.parts][: len(Path(file).parent.parts) - node.level + 1] if node.level else []
            for alias in node.names:
                yield Import(file, ".".join([*package, *filter(None, [node.module]), alias.name]), is_deferred)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, is_deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    return walk(ast.parse(source), is_deferred=False)


def all_imports() -> list[Import]:
    paths = [
        path
        for package in ("webpubsub_handler", "chat", "local", "webpubsub_emulator")
        for path in (ROOT / package).rglob("*.py")
    ]
    return [
        found
        for path in [*paths, ROOT / "function_app.py"]
        for found in imports_of(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    ]


IMPORTS: Final = all_imports()


def importers_of(package: str) -> set[str]:
    return {found.file for found in IMPORTS if found.is_of(package)}


@pytest.mark.parametrize(
    ("source", "name", "is_deferred"),
    [
        ("import azure.functions as func", "azure.functions", False),
        ("from azure import functions", "azure.functions", False),
        ("from azure.functions import HttpRequest", "azure.functions.HttpRequest", False),
        ("if x:\n    import azure.functions", "azure.functions", False),
        ("class A:\n    import azure.functions", "azure.functions", False),
        ("async def f():\n    if x:\n        import azure.functions", "azure.functions", True),
        ("from . import b", "chat.deep.b", False),
        ("from .b import c", "chat.deep.b.c", False),
        ("from ..b import c", "chat.b.c", False),
    ],
)
def test_the_walk_finds_every_form_of_import(source: str, name: str, is_deferred: bool) -> None:
    assert list(imports_of(source, "chat/deep/a.py")) == [Import("chat/deep/a.py", name, is_deferred)]


def test_a_package_is_not_taken_for_another_whose_name_begins_alike() -> None:
    assert not Import("a.py", "localization", is_deferred=False).is_of("local")
    assert Import("a.py", "local.azurite", is_deferred=False).is_of("local")


def test_the_protocol_needs_the_standard_library_only() -> None:
    found = [found for found in IMPORTS if found.is_by("webpubsub_handler/protocol/")]
    own = ("webpubsub_handler.protocol", "webpubsub_handler.exceptions")

    assert found
    assert [f for f in found if not f.is_of(*own, *sys.stdlib_module_names)] == []


def test_the_exceptions_need_the_standard_library_only() -> None:
    found = [found for found in IMPORTS if found.is_by("webpubsub_handler/exceptions.py")]

    assert found
    assert [f for f in found if not f.is_of(*sys.stdlib_module_names)] == []


def test_the_library_knows_nothing_of_the_application() -> None:
    found = [found for found in IMPORTS if found.is_by("webpubsub_handler/")]

    assert found
    assert [f for f in found if f.is_of("chat", "local", "webpubsub_emulator", "function_app")] == []


def test_nobody_else_reaches_into_a_private_module_of_the_library() -> None:
    public = ("webpubsub_handler", *(f"webpubsub_handler.{name}" for name in LIBRARY_MODULES))
    found = [f for f in IMPORTS if not f.is_by("webpubsub_handler/") and f.is_of("webpubsub_handler")]

    assert found
    assert [f for f in found if f.name.rpartition(".")[0] not in public] == []


def test_what_is_deployed_knows_nothing_of_what_stands_in_for_azure() -> None:
    found = [f for f in IMPORTS if f.is_by("webpubsub_handler/", "chat/", "function_app.py")]

    assert [f for f in found if f.is_of("local", "webpubsub_emulator")] == []


def test_the_emulator_shares_no_code_with_what_it_tests() -> None:
    found = [found for found in IMPORTS if found.is_by("webpubsub_emulator/")]

    assert found
    assert [f for f in found if f.is_of("webpubsub_handler", "chat", "local", "function_app")] == []


# Each folder of the emulator, and those that it may import from; modules of the emulator itself may import from all.
EMULATOR_FOLDERS: Final = {
    "core": frozenset[str](),
    "subprotocols": frozenset({"core"}),
    "upstream": frozenset({"core"}),
    "clients": frozenset({"core", "subprotocols", "upstream"}),
    "rest": frozenset({"core", "upstream"}),
    "console": frozenset({"core", "upstream"}),
    "doctor": frozenset({"core", "upstream"}),
}


def test_the_folders_of_the_emulator_are_those_with_a_place_in_its_order() -> None:
    folders = {path.parent.name for path in (ROOT / "webpubsub_emulator").glob("*/__init__.py")}

    assert folders == set(EMULATOR_FOLDERS)


@pytest.mark.parametrize("folder", EMULATOR_FOLDERS)
def test_a_folder_of_the_emulator_imports_from_those_below_it_only(folder: str) -> None:
    allowed = [f"webpubsub_emulator.{name}" for name in (folder, *EMULATOR_FOLDERS[folder])]
    found = [f for f in IMPORTS if f.is_by(f"webpubsub_emulator/{folder}/") and f.is_of("webpubsub_emulator")]

    assert [f for f in found if not f.is_of(*allowed)] == []


# The same for the chat; its own modules may import from all folders, and these from the settings and the policy.
CHAT_FOLDERS: Final = {
    "model": frozenset[str](),
    "backends": frozenset({"model"}),
    "messaging": frozenset({"model", "backends"}),
    "upkeep": frozenset({"model", "backends", "messaging"}),
}


def test_the_folders_of_the_chat_are_those_with_a_place_in_its_order() -> None:
    folders = {path.parent.name for path in (ROOT / "chat").glob("*/__init__.py")}

    assert folders == set(CHAT_FOLDERS)


@pytest.mark.parametrize("folder", CHAT_FOLDERS)
def test_a_folder_of_the_chat_imports_from_those_below_it_only(folder: str) -> None:
    above = ["chat.policy", "chat.settings"] if folder != "model" else []
    allowed = [*(f"chat.{name}" for name in (folder, *CHAT_FOLDERS[folder])), *above]
    found = [f for f in IMPORTS if f.is_by(f"chat/{folder}/") and f.is_of("chat")]

    assert found
    assert [f for f in found if not f.is_of(*allowed) and f.name not in above] == []


def cycle_of(arrows: Mapping[str, set[str]]) -> list[str]:
    """Return modules that import each other in a ring; empty when there is no ring."""
    rest = dict(arrows)
    while free := [module for module, imported in rest.items() if imported.isdisjoint(rest)]:
        for module in free:
            del rest[module]
    return sorted(rest)


@pytest.mark.parametrize(
    ("arrows", "ring"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}, ["a", "b", "c"]),
    ],
)
def test_a_ring_of_imports_is_found(arrows: dict[str, set[str]], ring: list[str]) -> None:
    assert cycle_of(arrows) == ring


def test_no_modules_of_the_emulator_import_each_other_in_a_ring() -> None:
    files = {f.file for f in IMPORTS if f.is_by("webpubsub_emulator/")}
    modules = {file.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): file for file in files}
    arrows = {
        module: {
            other
            for other in modules
            for found in IMPORTS
            if found.file == file
            and other != module
            and (found.name == other or found.name.rpartition(".")[0] == other)
        }
        for module, file in modules.items()
    }

    assert len(arrows) > 40
    assert cycle_of(arrows) == []


def test_azure_functions_is_imported_at_the_border_alone() -> None:
    importers = {file for file in importers_of("azure.functions") if not file.startswith("local/functions_host")}

    assert importers == {"function_app.py", "webpubsub_handler/azure_functions.py"}


def test_the_table_sdk_is_imported_by_the_table_alone() -> None:
    assert importers_of("azure.data.tables") == {"chat/backends/table.py"}


def test_the_service_sdk_is_imported_by_the_service_alone() -> None:
    assert importers_of("azure.messaging.webpubsubservice") == {"chat/backends/service.py"}


def test_azure_identity_is_imported_only_when_it_is_needed() -> None:
    found = [found for found in IMPORTS if found.is_of("azure.identity")]

    assert found
    assert [f for f in found if not f.is_deferred] == []


@pytest.mark.external
def test_the_library_loads_no_azure_sdk() -> None:
    program = "import sys, webpubsub_handler; print([name for name in sys.modules if name.startswith('azure')])"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"
