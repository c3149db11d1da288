"""The API reference of both packages: built into .local, with a text for every public name and no dead link."""

from __future__ import annotations

import html
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

import webpubsub_emulator
import webpubsub_handler
from webpubsub_handler.exceptions import WebPubSubHandlerError

pytestmark = pytest.mark.external

ROOT: Final = Path(__file__).resolve().parents[2]
REFERENCE: Final = ROOT / ".local" / "reference"
MODULES: Final = [
    importlib.import_module(name)
    for name in (
        "webpubsub_handler",
        "webpubsub_handler.asgi",
        "webpubsub_handler.azure_functions",
        "webpubsub_handler.entra",
        "webpubsub_handler.testing",
        "webpubsub_emulator",
        "webpubsub_emulator.pytest_plugin",
    )
]
DOCSTRING: Final = re.compile(r'<div class="docstring">(.*?)</div>', re.DOTALL)
# A class, a constant, a function with its parentheses: what pdoc found is a link and not bare in these tags.
NOT_FOUND: Final = re.compile(r"<code>([A-Z][\w.]+(?:\(\))?|[a-z_.]+\(\))</code>")
OF_OTHERS: Final = {"Authorization", "FastAPI", "None", "Starlette"}


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Return every public class, function and method."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            yield name, value
        if inspect.isclass(value):
            for member, function in vars(value).items():
                is_callable = inspect.isroutine(function) or isinstance(function, property)
                if is_callable and not member.startswith("_"):
                    yield f"{name}.{member}", function


NAMES: Final = [pytest.param(value, id=name) for module in MODULES for name, value in public(module)]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Every page of the reference by its path; it stays in .local for whoever wants to read it."""
    shutil.rmtree(REFERENCE, ignore_errors=True)
    names = [module.__name__ for module in MODULES]
    program = [sys.executable, "-W", "error", "-m", "pdoc", "--docformat", "google", "-o", str(REFERENCE)]
    done = subprocess.run([*program, *names], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {path.relative_to(REFERENCE).as_posix(): path.read_text("utf-8") for path in REFERENCE.rglob("*.html")}


def test_the_reference_has_every_module_and_name(pages: dict[str, str]) -> None:
    for package in (webpubsub_handler, webpubsub_emulator):
        page = pages[f"{package.__name__}.html"]
        assert [name for name in package.__all__ if f'id="{name}"' not in page] == []
    assert {f"{module.__name__.replace('.', '/')}.html" for module in MODULES} <= set(pages)


def test_a_block_of_code_is_markdown(pages: dict[str, str]) -> None:
    # What marks one elsewhere is a line of its own there.
    assert [path for path, page in pages.items() if "<p>::" in page] == []


def test_names_in_texts_lead_to_what_they_name(pages: dict[str, str]) -> None:
    texts = {path: " ".join(DOCSTRING.findall(page)) for path, page in pages.items()}
    not_found = {(path, html.unescape(name)) for path, text in texts.items() for name in NOT_FOUND.findall(text)}
    assert {(path, name) for path, name in not_found if name not in OF_OTHERS} == set()


def test_links_of_the_reference_lead_somewhere(pages: dict[str, str]) -> None:
    dead = []
    for path, page in pages.items():
        for link in re.findall(r'href="([^"]+)"', page):
            target, _, anchor = html.unescape(link).partition("#")
            # The search makes some in the browser.
            if "://" not in target and "${" not in target:
                found = (Path("/") / path / ".." / target).resolve().relative_to("/").as_posix() if target else path
                dead += [] if found in pages and (not anchor or f'id="{anchor}"' in pages[found]) else [(path, link)]
    assert dead == []


@pytest.mark.parametrize("value", NAMES)
def test_every_public_name_has_a_text(value: Any) -> None:
    text = inspect.getdoc(value)

    assert text
    assert not text.startswith(f"{getattr(value, '__name__', '')}(")


def test_every_error_is_public() -> None:
    def walk(error: type[Exception]) -> Iterator[str]:
        yield error.__name__
        for below in error.__subclasses__():
            yield from walk(below)

    assert set(walk(WebPubSubHandlerError)) <= set(webpubsub_handler.__all__)
