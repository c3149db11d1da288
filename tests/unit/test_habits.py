"""What contributors, deployers and galleries look for is there, and says what is true."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import webpubsub_emulator
import webpubsub_handler
from tests import checks

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
# What only a Python of this checkout, a tool or an operating system makes.
NOT_OURS: Final = {"__pycache__", "build", "dist", "env", "node_modules", "venv"}
TASKS: Final = ROOT / ".vscode" / "tasks.json"


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def section(page: str, heading: str) -> str:
    return text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def threats() -> Iterator[list[str]]:
    """Return the cells of each row of the threat model."""
    for row in section("SECURITY.md", "Threats, defences and their proof").splitlines():
        if row.startswith("| ") and not row.startswith("| threat"):
            yield [cell.strip() for cell in row.strip("| ").split(" | ")]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_threat_has_a_defence_and_tests_that_exist() -> None:
    rows = list(threats())
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 3, row
        proofs = re.findall(r"`(tests/[\w/.]+)::(test_\w+)`", row[2])
        assert proofs, row
        assert [proof for proof in proofs if proof[1] not in functions(ROOT / proof[0])] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_a_file_and_a_heading(name: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text_of(name)):
        path, _, anchor = target.partition("#")
        page = ROOT / (path or name)
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), target


def test_the_changelog_is_kept_as_its_format_says() -> None:
    page = text_of("CHANGELOG.md")
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", page, re.MULTILINE)) <= kinds


@pytest.mark.parametrize("package", [webpubsub_handler, webpubsub_emulator], ids=lambda package: package.__name__)
def test_the_changelog_tells_of_the_version_of_each_package(package: Any) -> None:
    name = package.__name__.replace("_", "-")
    headings = re.findall(r"^## .*$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert any(re.search(rf"\b{name} {re.escape(package.__version__)}\b", heading) for heading in headings)


def test_the_layout_for_contributors_has_every_folder() -> None:
    layout = section("CONTRIBUTING.md", "Layout")
    top = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - NOT_OURS
    inside = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "chat").glob("*/__init__.py")}
    for folder in top - {"chat"} | inside:
        assert f"`{folder}/`" in layout, folder
    tests = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert set(re.findall(r"`(\w+)`", layout.partition("| `tests/` |")[2].partition("\n")[0])) <= tests


def test_the_table_of_the_pipeline_has_its_jobs() -> None:
    jobs = yaml.safe_load(text_of(".github/workflows/ci.yml"))["jobs"]
    assert set(
        re.findall(r"^\| `(\w+)` \|", section("CONTRIBUTING.md", "What the pipeline runs"), re.MULTILINE)
    ) == set(jobs)


def test_the_pins_are_made_for_the_oldest_python_that_is_supported() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert f"--python-version {project['requires-python'].removeprefix('>=')} " in text_of("CONTRIBUTING.md")


def test_vs_code_starts_the_two_commands_and_attaches_to_func() -> None:
    tasks = {task["label"]: task for task in json.loads(TASKS.read_text("utf-8"))["tasks"]}
    assert tasks["run"]["command"] == "python3 dev.py run"
    assert tasks["test"]["command"] == "python3 dev.py test"
    for task in tasks.values():
        assert task.get("dependsOn", task["label"]) in tasks
        if task.get("command", "").startswith("python3 "):
            assert task["windows"]["command"] == task["command"].replace("python3 ", "py ", 1)
    (attach,) = json.loads(text_of(".vscode/launch.json"))["configurations"]
    # The name, the port and the type that the extension of Azure Functions knows.
    assert (attach["type"], attach["request"], attach["connect"]["port"]) == ("debugpy", "attach", 9091)
    assert tasks[attach["preLaunchTask"]]["type"] == "func"
    assert json.loads(text_of(".vscode/settings.json"))["azureFunctions.pythonVenv"] == ".venv"


def test_each_hook_before_a_commit_is_a_step_of_the_tests() -> None:
    (repository,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    for hook in repository["hooks"]:
        assert hook["entry"] == f"python3 dev.py test --only {hook['id']}"
        assert hook["id"] in checks.STEPS


def test_the_forms_for_issues_ask_for_something() -> None:
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert {path.stem for path in forms} == {"bug", "idea"}
    for path in forms:
        form = yaml.safe_load(path.read_text("utf-8"))
        assert {"name", "description", "body"} <= set(form)
        ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
        assert len(ids) == len(set(ids))
        assert any(part.get("validations", {}).get("required") for part in form["body"])


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "LICENSE",
        "SECURITY.md",
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        ".github/ISSUE_TEMPLATE",
        ".github/workflows/azure-dev.yml",
        "azure.yaml",
        "infra/main.bicep",
        ".devcontainer/devcontainer.json",
    ],
)
def test_what_the_gallery_of_templates_looks_for_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_template_has_a_name_and_a_version() -> None:
    azure = yaml.safe_load(text_of("azure.yaml"))
    assert re.fullmatch(rf"{azure['name']}@\d+\.\d+\.\d+", azure["metadata"]["template"])
