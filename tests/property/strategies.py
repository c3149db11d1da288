"""What the property tests draw from."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from tests.wire import event_names

__all__ = ["EVENT_NAMES", "HEADER_VALUES", "JSON", "JSON_OBJECTS", "TIMES"]

EVENT_NAMES: Final = event_names()

# Servers hand over Latin-1, or bytes that they could not read as lone surrogates.
HEADER_VALUES: Final = st.one_of(
    st.text(st.characters(max_codepoint=255)),
    st.text(st.characters()),
    st.text(st.sampled_from("%0aE4=;,-:TZ \udcff\ud800")),
)

_SCALARS: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=10)
)
JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    _SCALARS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values, max_size=4),
    max_leaves=10,
)
JSON_OBJECTS: Final = st.dictionaries(st.text(max_size=5), JSON, max_size=5)
TIMES: Final = st.datetimes(timezones=st.timezones())
