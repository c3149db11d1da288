"""The page about the client says what is true of it, and its examples work in a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from local.node_tools import ensure_node, ensure_packages
from tests.e2e.conftest import System
from tests.node_packages import TEST_PACKAGES
from tests.page.scripts import CLIENT, DEMO
from tests.patience import PATIENCE_SECONDS

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENT: Final = (ROOT / "docs" / "client.md").read_text()
SOURCE: Final = "\n".join((DEMO / name).read_text() for name in CLIENT)
CLASS: Final = (DEMO / "client.js").read_text().partition("export class ChatClient {")[2]


def rows(section: str) -> dict[str, list[str]]:
    """Return the cells of a section's table by the name in the first one."""
    text = DOCUMENT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in re.findall(r"^\| `.*$", text, re.MULTILINE)]
    return {row[0].strip("`").partition("(")[0]: [cell.strip() for cell in row] for row in cells}


def words(text: str) -> list[str]:
    return re.findall("`([^`]+)`", text)


def typedefs() -> dict[str, dict[str, str]]:
    """Return the types of the client: for each the types of its properties, an optional one's name ends with ``?``."""
    found = {}
    for comment in re.findall(r"/\*\*(.*?)\*/", SOURCE, re.DOTALL):
        name = re.search(r"@typedef \{object\} (\w+)", comment)
        if name:
            properties = re.findall(r"@property \{(.+)\} (\[?\w+\]?)", comment)
            found[name[1]] = {re.sub(r"\[(\w+)\]", r"\1?", given): kind for kind, given in properties}
    return found


def parameters(signature: str) -> list[str]:
    return re.findall(r"\w+", signature.partition("(")[2])


def test_every_method_and_property_of_the_client_is_documented_and_no_other() -> None:
    methods = dict(re.findall(r"^  (?:async )?(?!constructor)([a-z]\w*)\((.*)\) \{$", CLASS, re.MULTILINE))
    documented = {name: parameters(cells[0]) for name, cells in rows("Methods").items()}
    renamed = {
        name: ["room" if one == "name" else one for one in parameters(f"({given}")] for name, given in methods.items()
    }
    assert documented == renamed
    fields = re.findall(r"^  get ([a-z]\w*)\(|^ .*\*/ ([a-z]\w*) = |^    this\.([a-z]\w*) = ", CLASS, re.MULTILINE)
    assert set(rows("Properties")) == {"".join(names) for names in fields}


def test_every_option_is_documented_and_no_other() -> None:
    signature = re.search(r"constructor\((.*)\) \{", CLASS)
    assert signature
    names = re.sub(r" = [^,}]+", "", signature[1])
    assert sorted(rows("Options")) == sorted(re.findall(r"\w+", names))


def test_every_event_is_documented_with_its_arguments_and_no_other() -> None:
    documented = {f"{name}?": words(cells[1].replace(r"\|", "|"))[0] for name, cells in rows("Events").items()}
    listener = typedefs()["Listener"]
    assert documented == {name: kind.removeprefix("(").partition(") =>")[0] for name, kind in listener.items()}


def test_every_type_is_documented_with_its_fields_and_no_other() -> None:
    choices = {
        name: re.findall(r'"(\w+)"', given) for given, name in re.findall(r"@typedef \{(\"[^}]*)\} (\w+)", SOURCE)
    }
    documented = rows("Types")
    types = {name: properties for name, properties in typedefs().items() if name not in ("Listener", "Owner")}
    assert documented.keys() == types.keys() | {"Source"}
    assert words(documented["Source"][1]) == choices["Source"]
    for name, properties in types.items():
        kinds = " ".join(properties.values())
        values = set(re.findall(r'"(\w+)"', kinds)).union(*(choices[kind] for kind in choices.keys() & kinds.split()))
        told = set(words(documented[name][1])) - {"@", "Date.now()", "reset"}
        assert told - values == {one.rstrip("?") for one in properties} - values, name
        assert values - told <= set(choices["DataType"]), name


def example(language: str) -> str:
    found = re.search(rf"^```{language} client\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


REACT: Final = """<!doctype html>
<meta charset="utf-8">
<div id="root"></div>
<script type="importmap">
  {"imports": {"react": "./react.js", "react/jsx-runtime": "./jsx-runtime.js"}}
</script>
<script type="module">
  import { load } from "./packages.js";
  import { StrictMode, createElement } from "react";
  import { Room } from "./example.js";

  const props = { api: "http://localhost:7071/api/", room: "lobby", userId: "ana" };
  const { createRoot } = load("react-dom/client");
  createRoot(document.querySelector("#root")).render(createElement(StrictMode, null, createElement(Room, props)));
</script>
"""
MODULES: Final = {
    "react": "react/cjs/react.production.js",
    "react/jsx-runtime": "react/cjs/react-jsx-runtime.production.js",
    "react-dom": "react-dom/cjs/react-dom.production.js",
    "react-dom/client": "react-dom/cjs/react-dom-client.production.js",
    "scheduler": "scheduler/cjs/scheduler.production.js",
}


async def react_files(folder: Path) -> dict[str, str]:
    """Return the example as a page can load it: without JSX, and with React as modules, which it is not."""
    packages = ensure_packages(TEST_PACKAGES) / "node_modules"
    (folder / "example.jsx").write_text(example("jsx"))
    options = ["--allowJs", "--jsx", "react-jsx", "--module", "es2022", "--target", "es2022", "--noCheck"]
    compiler = await asyncio.create_subprocess_exec(
        str(ensure_node().node),
        str(packages / "typescript" / "bin" / "tsc"),
        *(*options, "--noResolve", "--outDir", str(folder / "made"), str(folder / "example.jsx")),
    )
    assert await compiler.wait() == 0
    bodies = ",".join(
        f"{name!r}(module, exports, require) {{\n{(packages / path).read_text()}\n}}" for name, path in MODULES.items()
    )
    loaded = (
        f"const all = {{{bodies}}}; const known = {{}};\n"
        "export function load(name) {\n"
        "  if (!known[name]) all[name]((known[name] = { exports: {} }), known[name].exports, load);\n"
        "  return known[name].exports;\n}\n"
    )
    names = "StrictMode, createElement, useEffect, useRef, useState"
    return {
        "": REACT,
        "packages.js": loaded,
        "react.js": f"import {{ load }} from './packages.js';\nexport const {{ {names} }} = load('react');\n",
        "jsx-runtime.js": "import { load } from './packages.js';\n"
        "export const { Fragment, jsx, jsxs } = load('react/jsx-runtime');\n",
        "example.js": (folder / "made" / "example.js").read_text(),
    }


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that must not log an error."""
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    await context.close()
    assert errors == []


async def open_example(page: Page, system: System, room: str, files: dict[str, str]) -> None:
    """Open an example beside the client, on the origin of the app."""
    served = {name: (DEMO / name).read_text() for name in CLIENT} | files

    def adapt(code: str) -> str:
        return code.replace("http://localhost:7071", system.url).replace('"lobby"', f'"{room}"')

    async def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        await route.fulfill(content_type="text/javascript", body=adapt(served[name]))

    await page.route(f"{system.url}/api/*.js", serve)
    # What no server sent counts as a page of the Internet, and browsers keep those from this machine.
    await page.goto(f"{system.url}/api/health")
    await page.set_content(adapt(served[""]))


async def use_example(page: Page, system: System, room: str) -> None:
    """See the history, send, hear an edit and a deletion, and be told of a message that is refused."""
    await expect(page.get_by_role("status")).to_have_text("connected")
    await page.get_by_label("Message").fill("hello from the example")
    await page.get_by_role("button", name="Send").click()
    lines = page.get_by_role("listitem")
    await expect(lines).to_have_text(["ana: before", "ana: hello from the example"])
    ids = {message["data"]: message["id"] for message in await system.history(room)}
    ana = await system.open(room, "ana")
    await ana.event("edit", {"id": ids["hello from the example"], "room": room, "dataType": "text", "data": "edited"})
    await ana.event("delete", {"id": ids["before"], "room": room})
    await expect(lines).to_have_text(["Deleted", "ana: edited"])
    await page.get_by_role("button", name="Send").click()  # with nothing in it
    await expect(page.get_by_role("status")).to_contain_text("Not sent: ")
    await ana.close()


@pytest.mark.asyncio(loop_scope="session")
async def test_the_plain_example_works(page: Page, system: System) -> None:
    await system.post_event(b"before", room="d1", connection_id="of-another-page")
    await open_example(page, system, "d1", {"": example("html")})
    await use_example(page, system, "d1")


@pytest.mark.asyncio(loop_scope="session")
async def test_the_example_with_react_works(page: Page, system: System, tmp_path: Path) -> None:
    await system.post_event(b"before", room="d2", connection_id="of-another-page")
    await open_example(page, system, "d2", await react_files(tmp_path))
    await use_example(page, system, "d2")
