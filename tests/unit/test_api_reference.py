"""The API reference of the library: it builds without a warning, and has a text for every public name."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

import webpubsub_handler
from webpubsub_handler.exceptions import WebPubSubHandlerError

pytestmark = pytest.mark.external

ROOT: Final = Path(__file__).resolve().parents[2]
MODULES: Final = [
    importlib.import_module(name)
    for name in (
        "webpubsub_handler",
        "webpubsub_handler.asgi",
        "webpubsub_handler.azure_functions",
        "webpubsub_handler.entra",
        "webpubsub_handler.testing",
    )
]


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


def test_the_reference_builds_without_a_warning(tmp_path: Path) -> None:
    names = [module.__name__ for module in MODULES]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pdoc", "--docformat", "google", "--output-directory", tmp_path, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    # What marks a code block elsewhere is a line of its own in Markdown.
    assert [path.name for path in tmp_path.rglob("*.html") if "<p>::" in path.read_text("utf-8")] == []
    page = (tmp_path / "webpubsub_handler.html").read_text("utf-8")
    assert [name for name in webpubsub_handler.__all__ if f'id="{name}"' not in page] == []


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
