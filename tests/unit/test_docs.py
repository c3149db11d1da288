"""The documentation says what is true: settings, routes, events, error codes, and its own code."""

from __future__ import annotations

import ast
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import function_app
from chat.backends.service import Service
from chat.backends.table_store import TableStore
from chat.events import ChatEvents
from chat.messaging.outbox import Outbox
from chat.model.chat_client_protocol import Code, Invocation
from chat.model.messages import ChangeKind
from chat.settings import Settings
from webpubsub_handler import WebPubSubEventHandler

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "webpubsub_emulator" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TROUBLESHOOTING = (ROOT / "docs" / "operate" / "troubleshooting.md").read_text()
BLOCK = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<code>.*?)^ *```$", re.DOTALL | re.MULTILINE)

# By tests/e2e, tests/page and tests/emulator.
EXECUTED_ELSEWHERE = {
    "python e2e",
    "python event",
    "python recipe",
    "js",
    "js page",
    "python pytest",
    "html client",
    "jsx client",
}
TUTORIAL = re.compile(r"\w+ tutorial( .*)?")

GOOD = {
    "WebPubSubConnectionString": "Endpoint=https://x.webpubsub.azure.com;AccessKey=k;",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def blocks(*infos: str) -> list[object]:
    return list(_blocks(*infos))


def _blocks(*infos: str) -> Iterator[object]:
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text()):
            if match["info"] in infos:
                code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
                line = page.read_text()[: match.start()].count("\n") + 1
                yield pytest.param(code, id=f"{page.name}:{line}")


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def table_of(section: str, page: str = REFERENCE) -> list[str]:
    """Return the first cells of a section's tables, without back-ticks."""
    text = page.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [row.partition("|")[0].strip().strip("`") for row in re.findall(r"^\| (`.*)$", text, re.MULTILINE)]


class RecordingEnvironment(dict[str, str]):
    """An environment that remembers which names were asked for."""

    def __init__(self) -> None:
        super().__init__(GOOD)
        self.asked: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


def test_the_settings_table_has_every_setting_and_no_other() -> None:
    environment = RecordingEnvironment()
    Settings.from_env(environment)
    assert sorted(table_of("Settings")) == sorted(environment.asked)


def test_the_sample_settings_are_settings() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    assert set(sample) - {"FUNCTIONS_WORKER_RUNTIME"} <= set(table_of("Settings"))
    Settings.from_env(sample)


def test_the_routes_table_has_every_route_with_its_methods() -> None:
    documented = {}
    for route, methods in re.findall(r"^\| `api/([^`]*)` \| ([A-Z, ]+) \|", REFERENCE, re.MULTILINE):
        documented[route] = set(methods.split(", "))
    served = {}
    settings = Settings.from_env(GOOD)
    store, service = TableStore("chat", settings.storage), Service("chat", settings.endpoints[0])
    for function in function_app.build(settings, store, service, Outbox(store, service)).get_functions():
        trigger = function.get_dict_repr()["bindings"][0]
        served[trigger["route"]] = {getattr(method, "value", method) for method in trigger["methods"]}
    assert documented == served


def test_the_error_table_has_every_code_and_no_other() -> None:
    codes = set()
    for path in (ROOT / "chat").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"sender_error": 0, "MessageRefusedError": 0, "RequestRefusedError": 1}.get(node.func.id)
                if place is not None and isinstance(node.args[place], ast.Constant):
                    codes.add(ast.literal_eval(node.args[place]))
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "code":
                codes |= {ast.literal_eval(node.value)} if node.value is not None else set()
            if isinstance(node, ast.Dict):
                codes |= {
                    value.value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value == "code" and isinstance(value, ast.Constant)
                }
    assert sorted(table_of("Errors")) == sorted(codes)


def test_the_event_table_has_every_event_and_no_other() -> None:
    names: list[str] = []

    class Registry:
        """Takes every function, and keeps the names of user events."""

        def __getattr__(self, _: str) -> Callable[..., object]:
            return lambda *_: None

        def on_user_event(self, *given: str) -> Callable[..., object]:
            names.extend(given)
            return lambda *_: None

    nothing: Any = None
    ChatEvents(nothing, nothing, nothing, None, default_room="lobby", max_messages_per_second=0).register(
        Registry()  # type: ignore[arg-type]
    )
    assert sorted(table_of("Events")) == sorted(names)


def test_the_tables_of_answers_and_envelopes_have_every_type_and_no_other() -> None:
    types = {str(kind) for kind in ChangeKind}
    for path in (ROOT / "chat").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                types |= {
                    ast.literal_eval(value)
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value == "type" and isinstance(value, ast.Constant)
                }
    assert sorted(table_of("Answers") + table_of("Envelopes")) == sorted(types)


def test_the_tables_of_private_rooms_have_every_invocation_and_code_and_no_other() -> None:
    page = (ROOT / "docs" / "chat-client.md").read_text()
    rows = page.partition("\n## Invocations\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*)", rows, re.MULTILINE)
    assert sorted(re.findall("`([^`]+)`", " ".join(cells))) == sorted([*Invocation, *Code])


def test_every_line_of_the_log_that_is_explained_is_written_somewhere() -> None:
    rows = TROUBLESHOOTING.partition("## Lines of the log")[2].partition("\n## ")[0]
    explained = [
        text for row in re.findall(r"^\| (`[^|]*)", rows, re.MULTILINE) for text in re.findall("`([^`…]+)…?`", row)
    ]
    code = "".join(path.read_text() for room in ("chat", "webpubsub_handler") for path in (ROOT / room).rglob("*.py"))
    assert [text for text in explained if text not in code] == []


def test_every_line_to_look_for_is_written_somewhere() -> None:
    tables = re.findall(r"^\|[^\n]*\| line to look for \|.*?\n\n", TROUBLESHOOTING, re.DOTALL | re.MULTILINE)
    cells = [row.split("|")[2].strip() for table in tables for row in table.strip().splitlines()[2:]]
    lines = [cell.strip("`") for cell in cells if cell != "–"]
    packages = ("chat", "webpubsub_handler", "webpubsub_emulator", "local")
    sources = [ROOT / "dev.py", *(path for package in packages for path in (ROOT / package).rglob("*.py"))]
    # Texts that go over several lines of code are joined.
    code = "".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8")) for path in sources)
    assert len(lines) > 15
    assert [line for line in lines if line not in code] == []


def test_every_event_of_the_library_is_documented() -> None:
    decorators = {name for name in vars(WebPubSubEventHandler) if name.startswith("on_")}
    text = (ROOT / "docs" / "library.md").read_text()
    assert {name for name in decorators if f"`{name}`" in text or f"`{name}(" in text} == decorators


@pytest.mark.external
@pytest.mark.parametrize("code", blocks("python"))
def test_python_in_the_documentation_runs(code: str) -> None:
    done = run([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", blocks("json"))
def test_json_in_the_documentation_is_json(code: str) -> None:
    json.loads(code)


@pytest.mark.external
@pytest.mark.parametrize("code", blocks("bash", "bash azure"))
def test_shell_in_the_documentation_is_shell(code: str) -> None:
    done = run(["bash", "-nc", re.sub(r"<[a-z]+>", "x", code)])
    assert done.returncode == 0, done.stderr


@pytest.mark.external
@pytest.mark.parametrize("code", blocks("bash"))
def test_the_commands_in_the_documentation_exist(code: str) -> None:
    for command in re.findall(r"^python3? (-m \S+|\S+(?: [a-z]+)?)", code, re.MULTILINE):
        done = run([sys.executable, *command.split(), "--help"])
        assert done.returncode == 0, command


def test_the_code_blocks_have_no_kind_that_no_test_looks_at() -> None:
    kinds = {match["info"] for page in PAGES for match in BLOCK.finditer(page.read_text())}
    kinds = {kind for kind in kinds if not TUTORIAL.fullmatch(kind)}
    assert kinds <= {"python", "json", "bash", "bash azure", "", *EXECUTED_ELSEWHERE}


# Pages of GitHub, not files of this repository: the badge of the README.
GITHUB = "../../actions/"


def anchors_of(page: Path) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        numbers = (f"{anchor}-{n}" for n in itertools.count(1))
        anchors.add(next(numbers) if anchor in anchors else anchor)
    return anchors


def wrong_links(page: Path) -> Iterator[str]:
    text = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text("utf-8")))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link) or link.startswith(GITHUB):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            yield link


MARKDOWN = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", ".local", ".git", "node_modules", ".pytest_cache", "build"} & set(path.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    assert list(wrong_links(page)) == []


def test_a_link_to_a_file_or_a_heading_that_is_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A *title*, `code`\n## Twice\n## Twice\n```\n# not a heading\n```\n")
    good = "[a](other.md#a-title-code) [b](other.md#twice-1) [c](https://x.example/y) `[d](e)` [f](#here)\n# Here\n"
    page = tmp_path / "page.md"
    page.write_text(good + "[g](gone.md) [h](other.md#not-a-heading) [i](#nowhere)\n")
    assert list(wrong_links(page)) == ["gone.md", "other.md#not-a-heading", "#nowhere"]


# A path of this repository in a text: at least one folder, and no place for a value.
PATH_IN_A_TEXT = re.compile(r"`((?:\.github|chat|demo|docs|infra|local|tests|webpubsub_\w+)/[\w./*-]*)(?:::\w+)?`")


@pytest.mark.parametrize("page", [p for p in MARKDOWN if p.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = PATH_IN_A_TEXT.findall(BLOCK.sub("", page.read_text("utf-8")))
    assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []


# Nothing is installed outside of .venv, and a bare Debian has no `python`.
ENVIRONMENT = re.compile(r"\.venv/bin/activate|local\.md#use-the-environment|\bpip install\b")


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_a_page_with_a_command_of_the_environment_says_how_to_be_in_it(page: Path) -> None:
    text = page.read_text("utf-8")
    commands = [match["code"] for match in BLOCK.finditer(text) if match["info"].startswith("bash")]
    assert not re.search(r"(?<!/)\bpython -m ", "".join(commands)) or ENVIRONMENT.search(text)
