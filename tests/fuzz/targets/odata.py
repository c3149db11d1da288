"""Text as a connection filter: a verdict for each connection, or an error in the service's words."""

from __future__ import annotations

from typing import Final

from webpubsub_emulator.rest.filter import ConnectionFacts, ConnectionFilter, FilterError

__all__ = ["fuzz_one"]

CONNECTIONS: Final = (
    ConnectionFacts(None, "", frozenset(), None),
    ConnectionFacts("ana", "conn-1", frozenset({"lobby", "a/b", ""}), "json.webpubsub.azure.v1"),
    ConnectionFacts("Straße 😀 '", "\ud800", frozenset({"😀", "İ"}), ""),
)


async def fuzz_one(data: bytes) -> None:
    """Read the input as a filter and ask it about all connections, and its opposite too."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        wanted = ConnectionFilter(text)
    except FilterError as error:
        message = str(error)
        if not (message.startswith("Invalid syntax for '") and message.endswith(" (Parameter 'filter')")):
            raise AssertionError(f"the error {message!r} is not the service's") from error
        return
    verdicts = [wanted.matches(facts) for facts in CONNECTIONS]
    try:
        opposite = ConnectionFilter(f"not ({text})")
    except FilterError as error:
        # It is one level deeper.
        if "Recursion depth" not in str(error):
            raise
        return
    if [opposite.matches(facts) for facts in CONNECTIONS] == verdicts:
        raise AssertionError(f"{verdicts} of the filter and of its opposite")
