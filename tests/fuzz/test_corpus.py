"""Every kept input still does what the target asks of it, also where nothing can be fuzzed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.fuzz.corpus_of_events import CORPUS_OF_EVENTS, inputs
from tests.fuzz.places import CORPUS, TARGETS


def test_the_corpus_has_every_event_as_it_is_now() -> None:
    committed = {name: (CORPUS_OF_EVENTS / name).read_bytes() for name in inputs()}

    assert committed == inputs(), "run python -m tests.fuzz.corpus_of_events"


def test_every_target_has_a_corpus_and_a_dictionary_and_no_other_has() -> None:
    folder = Path(__file__).parent
    for names in (
        {path.name for path in CORPUS.iterdir()},
        {path.stem for path in (folder / "dictionaries").iterdir()},
        {path.stem for path in (folder / "targets").glob("*.py")},
    ):
        assert names == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
async def test_no_kept_input_breaks_anything(target: str) -> None:
    fuzz_one = importlib.import_module(f"tests.fuzz.targets.{target}").fuzz_one
    for path in sorted((CORPUS / target).iterdir()):
        try:
            await fuzz_one(path.read_bytes())
        except Exception as error:
            error.add_note(f"with the input {path}")
            raise
