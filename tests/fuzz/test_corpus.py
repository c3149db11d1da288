"""Every kept input still does what the target asks of it, also where nothing can be fuzzed."""

from __future__ import annotations

import importlib

import pytest

from tests.fuzz.corpus_of_events import CORPUS_OF_EVENTS, inputs
from tests.fuzz.places import CORPUS, FOLDER, TARGETS, found


def test_the_corpus_has_every_event_as_it_is_now() -> None:
    committed = {name: (CORPUS_OF_EVENTS / name).read_bytes() for name in inputs()}

    assert committed == inputs(), "run python -m tests.fuzz.corpus_of_events"


def test_every_target_has_its_place_in_every_folder_and_no_other_has() -> None:
    for folder in ("corpus", "dictionaries", "found", "targets"):
        assert {path.stem for path in (FOLDER / folder).iterdir() if path.stem != "__pycache__"} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
async def test_no_kept_input_breaks_anything(target: str) -> None:
    fuzz_one = importlib.import_module(f"tests.fuzz.targets.{target}").fuzz_one
    written = {path.name: path.read_bytes() for path in sorted((CORPUS / target).iterdir())}
    assert written
    for name, data in [*written.items(), *enumerate(found(target), 1)]:
        try:
            await fuzz_one(data)
        except Exception as error:
            error.add_note(f"with the input {name}: {data!r}")
            raise
