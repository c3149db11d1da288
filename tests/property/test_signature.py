"""The signature check takes every documented spelling, and nothing else."""

from __future__ import annotations

import string
from typing import Final

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.strategies import HEADER_VALUES
from tests.wire import ACCESS_KEY, PRIMARY_SIGNATURE, SECONDARY_SIGNATURE, event
from webpubsub_handler import AccessKeyAuthenticator, WebPubSubEventHandler
from webpubsub_handler.protocol.attributes import decode_text
from webpubsub_handler.protocol.signature import is_signed, sign

HEX: Final = "0123456789abcdef"
UNKNOWN: Final = st.sampled_from(["", "sha256=", "sha512=00", "nonsense", SECONDARY_SIGNATURE]) | st.text(
    string.ascii_letters + "= ", max_size=20
)
SPACES: Final = st.text(" \t", max_size=3)


@st.composite
def spellings(draw: st.DrawFn, genuine: str) -> list[str]:
    """Lines of the header that hold a signature among others, in any case and order, with any spaces."""
    upper = draw(st.lists(st.booleans(), min_size=len(genuine), max_size=len(genuine)))
    spelled = "".join(char.upper() if up else char for char, up in zip(genuine, upper, strict=True))
    members = draw(st.permutations([spelled, *draw(st.lists(UNKNOWN, max_size=10))]))
    lines: list[list[str]] = [[]]
    for member in members:
        if draw(st.booleans()):
            lines.append([])
        lines[-1].append(draw(SPACES) + member + draw(SPACES))
    return [",".join(line) for line in lines]


async def status(lines: list[str], connection_id: str = "conn-42") -> int:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"])
    request = event("user_text", headers={"ce-signature": lines, "ce-connectionId": connection_id})
    return (await handler.handle(request)).status


@given(spellings(PRIMARY_SIGNATURE))
async def test_every_documented_spelling_passes(lines: list[str]) -> None:
    assert await status(lines) == 204


@given(spellings(sign("another key", "conn-42")))
async def test_a_signature_of_another_key_does_not_pass_in_any_spelling(lines: list[str]) -> None:
    assert await status(lines) == 401


@given(st.integers(len("sha256="), len(PRIMARY_SIGNATURE) - 1), st.sampled_from(HEX))
async def test_one_other_digit_does_not_pass(place: int, digit: str) -> None:
    assume(PRIMARY_SIGNATURE[place] != digit)

    assert await status([PRIMARY_SIGNATURE[:place] + digit + PRIMARY_SIGNATURE[place + 1 :]]) == 401


@given(st.integers(0, len(PRIMARY_SIGNATURE)), st.text(st.characters(exclude_characters=","), min_size=1))
async def test_what_stands_inside_or_beside_a_signature_spoils_it(place: int, text: str) -> None:
    at_an_end = place in {0, len(PRIMARY_SIGNATURE)}
    assume(text.strip() if at_an_end else text)

    assert await status([PRIMARY_SIGNATURE[:place] + text + PRIMARY_SIGNATURE[place:]]) == 401


@given(st.lists(HEADER_VALUES, max_size=5))
async def test_nothing_else_passes(lines: list[str]) -> None:
    assert await status(lines) == 401


KEYS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)  # HMAC pads a key with NUL


@given(KEYS, st.text(), KEYS, st.text())
def test_a_signature_holds_for_its_key_and_its_connection_only(
    key: str, connection: str, other_key: str, other_connection: str
) -> None:
    signature = sign(key, connection)

    assert is_signed([signature], [other_key, key], connection)
    assert is_signed([signature], [other_key], connection) == (other_key == key)
    means = {other_connection, decode_text(other_connection)}
    assert is_signed([signature], [key], other_connection) == (connection in means)
