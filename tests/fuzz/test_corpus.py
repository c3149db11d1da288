from __future__ import annotations

from tests.fuzz.corpus_of_events import CORPUS, inputs


def test_the_corpus_is_written_anew_when_an_event_is_added() -> None:
    committed = {path.name: path.read_bytes() for path in CORPUS.iterdir()}

    assert committed == inputs(), "run python -m tests.fuzz.corpus_of_events"
