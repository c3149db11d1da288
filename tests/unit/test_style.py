"""What the linter cannot hold: what modules export, how loggers are called, and how texts are written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
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
EVERYTHING: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (*PACKAGES, "benchmarks", "infra", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if not {"node_modules", "build"} & set(path.parts)
)
DOCUMENTS: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "webpubsub_*/*.md")
    for path in ROOT.glob(pattern)
)
DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SINGLE_BACKTICKS: Final = re.compile(r"(?<!`)`(?!`)[^`\n]+`(?!`)")
# aiohttp writes to a logger of its own, which http_logger is below the package's.
LOGGERS: Final = r"(logger|http_logger)(: Final)? = logging\.getLogger\(['\"]{package}[\w.]*['\"]\)$"
# Each is spelled so that it does not find itself.
UNUSUAL_WORDS: Final = re.compile(
    r"\bane[w]\b|\bfarewel[l]\b|\b_?(?:LEAST|MOST|AGAIN)_\w+\b"
    # In the place of: return; is not a; a URL; omit; even if.
    r'|"""Gives?[ ]|(?<!here )\bis[ ]no (?!longer|one\b|more|less|later|further)|(?<!here)_is_no[_](?!longer)'
    r"|\ban[ ]URL|\blea?[fv](?:t|es?|ing)[ ](?:\w+ )?away\b|\bbe[ ]it that\b"
    # In the place of: if you, a client that, a user who.
    r"|[.;] [Ww]ho[ ](?:adds|deletes|joins|leaves|left|loses|removes|sends|wants)\b|\bwhom[ ]nobody\b"
    # In the place of: the emulator.
    r"|\bstand-in[ ]for (?:the service|Web PubSub)\b|\b(?:fake|local)[ ]Web PubSub\b"
)


def defined_names(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, DEFINITIONS) and not node.name.startswith("_")}


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Every text that stands alone: those of modules, classes, functions, and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text


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


def test_no_module_is_longer_than_300_lines_and_the_composition_root_has_at_most_100_of_code() -> None:
    lines = {module: (ROOT / module).read_text("utf-8").splitlines() for module in (*MODULES, "function_app.py")}
    code = [line for line in lines["function_app.py"] if line.strip() and not line.lstrip().startswith("#")]

    assert [module for module, text in lines.items() if len(text) > 300] == []
    assert len(code) <= 100


@pytest.mark.parametrize("module", EVERYTHING)
def test_code_in_docstrings_is_in_double_backticks(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text("utf-8"))

    assert [text for text in docstrings(tree) if SINGLE_BACKTICKS.search(text)] == []


@pytest.mark.parametrize("module", MODULES)
def test_loggers_have_one_name_and_that_of_their_package(module: str) -> None:
    package = module.partition("/")[0]
    for node in ast.parse((ROOT / module).read_text("utf-8")).body:
        text = ast.unparse(node)
        if "logging.getLogger" in text and not isinstance(node, DEFINITIONS):
            assert re.match(LOGGERS.format(package=package), text), text


@pytest.mark.parametrize("text", [*EVERYTHING, *DOCUMENTS])
def test_words_that_a_technical_writer_would_not_use_are_not_used(text: str) -> None:
    assert UNUSUAL_WORDS.findall((ROOT / text).read_text("utf-8")) == []


def test_the_rules_of_style_find_what_they_are_for() -> None:
    tree = ast.parse('x = 1\n"""The `x`."""\ndef f():\n    """Return ``x`` and `y`."""\n')
    assert len([text for text in docstrings(tree) if SINGLE_BACKTICKS.search(text)]) == 2
    assert not re.match(LOGGERS.format(package="chat"), "_log = logging.getLogger('chat')")
    assert not re.match(LOGGERS.format(package="chat"), "logger = logging.getLogger(__name__)")
    for words in (
        "made ane{}w",
        "It is{} no event",
        "an{} URL",
        "leave it{} away",
        "x; who{} leaves",
        "fake{} Web PubSub",
    ):
        assert UNUSUAL_WORDS.search(words.format("")), words
    for words in ("there is no event", "it is no longer there", "who leaves may come back", "a URL"):
        assert not UNUSUAL_WORDS.search(words), words
