"""What is pinned: every package that the project brings here, in one file for every Python and platform."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Final

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt")
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS: Final = ({"sys_platform": "linux"}, {"sys_platform": "darwin"}, {"sys_platform": "win32"})
ENVIRONMENTS: Final = [
    pytest.param({"python_version": python, "python_full_version": f"{python}.0"} | platform, id=f"{python}-{name}")
    for python in PYTHONS
    for platform in PLATFORMS
    for name in platform.values()
]

# What a marker looks at, by its name.
Environment = Mapping[str, str]


def lines(name: str) -> Iterator[str]:
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if text := line.partition("#")[0].strip():
            yield text


def requirements(name: str) -> list[Requirement]:
    """Return what a file of requirements asks for itself, without the files that it names."""
    return [Requirement(line) for line in lines(name) if not line.startswith("-")]


def holds(requirement: Requirement, environment: Environment, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})


def pins(environment: Environment) -> dict[str, Version]:
    """Return the version of each package that is pinned in an environment; two for one name are an error."""
    found: dict[str, Version] = {}
    for requirement in requirements("constraints.txt"):
        if holds(requirement, environment):
            (pin,) = requirement.specifier
            assert pin.operator == "==", requirement
            assert found.setdefault(canonicalize_name(requirement.name), Version(pin.version)) == Version(pin.version)
    return found


def needed_here() -> set[str]:
    """Return the names of all packages that the requirements bring into this environment, as their metadata says."""
    environment = {name: str(value) for name, value in default_environment().items()}
    seen: set[tuple[str, str]] = set()
    waiting = [(each, "") for name in FILES for each in requirements(name)]
    while waiting:
        requirement, extra = waiting.pop()
        if not holds(requirement, environment, extra):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in distribution(name).requires or ()]
    return {name for name, _ in seen}


def ranges() -> list[Requirement]:
    """Return what the wheels of the library and of the emulator ask for."""
    library, emulator = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"]
        for folder in (".", "webpubsub_emulator")
    )
    texts = [text for extra in library["optional-dependencies"].values() for text in extra] + emulator["dependencies"]
    return [Requirement(text) for text in texts]


def test_what_is_installed_is_what_is_pinned() -> None:
    pinned = {name: str(number) for name, number in pins(environment_here()).items()}
    installed = {}
    for name in needed_here():
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = "not installed"
    assert installed == pinned


def environment_here() -> Environment:
    return {name: str(value) for name, value in default_environment().items()}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_pins_are_in_the_ranges_that_the_wheels_and_the_requirements_allow(environment: dict[str, str]) -> None:
    here = {**environment_here(), **environment}
    pinned = pins(here)
    asked = [*ranges(), *(each for name in FILES for each in requirements(name))]
    outside = [
        str(requirement)
        for requirement in asked
        if holds(requirement, here) and pinned[canonicalize_name(requirement.name)] not in requirement.specifier
    ]
    assert outside == []


def test_what_runs_in_azure_is_pinned_exactly_and_takes_the_constraints() -> None:
    assert all(re.fullmatch(r"==[\d.]+", str(each.specifier)) for each in requirements("requirements.txt"))
    assert "-c constraints.txt" in lines("requirements.txt")
    # The others take them through it.
    assert "-r requirements.txt" in lines("requirements-local.txt")
    assert "-r requirements-local.txt" in lines("requirements-dev.txt")


def test_the_oldest_versions_are_of_what_is_pinned_and_not_newer() -> None:
    oldest = {canonicalize_name(each.name): each for each in requirements("tests/oldest.txt")}
    pinned = pins(environment_here())
    assert {canonicalize_name(each.name) for each in requirements("requirements.txt")} <= set(oldest)
    for name, requirement in oldest.items():
        (pin,) = requirement.specifier
        assert Version(pin.version) <= pinned[name], name


def test_the_oldest_versions_are_the_lower_ends_of_the_wheels_ranges() -> None:
    library = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    lower = {
        canonicalize_name(each.name): Version(end.version)
        for texts in library.values()
        for each in map(Requirement, texts)
        for end in each.specifier
        if end.operator == ">="
    }
    oldest = {
        canonicalize_name(each.name): next(iter(each.specifier)).version for each in requirements("tests/oldest.txt")
    }
    assert lower == {name: Version(oldest[name]) for name in lower}
