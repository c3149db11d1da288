from __future__ import annotations

import pytest

from tests.wire import ACCESS_KEY, PRIMARY_SIGNATURE, SECONDARY_KEY, SECONDARY_SIGNATURE
from webpubsub_handler.protocol.signature import is_signed, sign

DOTNET_KEY = "7aab239577fd4f24bc919802fb629f5f"
DOTNET_CONNECTION = "0f9c97a2f0bf4706afe87a14e0797b11"


@pytest.mark.parametrize(
    ("key", "connection_id", "digest"),
    [
        (DOTNET_KEY, DOTNET_CONNECTION, "7767effcb3946f3e1de039df4b986ef02c110b1469d02c0a06f41b3b727ab561"),
        (ACCESS_KEY, "conn-42", "04481e9514cdb0da2a62d9d18968694f5aff55013ce0c62c0c699e75042cd058"),
        (SECONDARY_KEY, "conn-42", "7350e84bfc095386152be1bbeca8ee4c23be3a9e4b1245239c2e35d115119fb3"),
        (ACCESS_KEY, "设备-1", "f043897df6a9b683fc18082c5d6c7ae2c01772224c7fbe3e4455c9cf179a44a8"),
    ],
)
def test_known_vectors_are_reproduced(key: str, connection_id: str, digest: str) -> None:
    assert sign(key, connection_id) == f"sha256={digest}"
    assert is_signed([f"sha256={digest}"], [key], connection_id)


@pytest.mark.parametrize("header", ["%E8%AE%BE%E5%A4%87-1", "设备-1".encode().decode("latin-1")])
def test_the_real_connection_id_is_signed_however_the_header_encodes_it(header: str) -> None:
    assert is_signed([sign(ACCESS_KEY, "设备-1")], [ACCESS_KEY], header)


@pytest.mark.parametrize("keys", [[ACCESS_KEY], [SECONDARY_KEY], ["old", ACCESS_KEY], [SECONDARY_KEY, ACCESS_KEY]])
@pytest.mark.parametrize(
    "values",
    [[PRIMARY_SIGNATURE, SECONDARY_SIGNATURE], [SECONDARY_SIGNATURE, PRIMARY_SIGNATURE]],
    ids=["primary first", "secondary first"],
)
def test_either_key_verifies_in_any_order(keys: list[str], values: list[str]) -> None:
    assert is_signed(values, keys, "conn-42")


def test_the_case_of_a_value_does_not_matter() -> None:
    assert is_signed([PRIMARY_SIGNATURE.upper()], [ACCESS_KEY], "conn-42")


def test_unknown_entries_are_passed_over() -> None:
    values = ["sha512=00", "nonsense", "=", "é", "\udcff", PRIMARY_SIGNATURE]

    assert is_signed(values, [ACCESS_KEY], "conn-42")


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["sha256="],
        [PRIMARY_SIGNATURE.removeprefix("sha256=")],
        [PRIMARY_SIGNATURE[:-1]],
        [PRIMARY_SIGNATURE[:-1] + "0"],
        [PRIMARY_SIGNATURE + "0"],
        [PRIMARY_SIGNATURE.replace("sha256", "sha1")],
        [SECONDARY_SIGNATURE],
        ["\udcff"],
    ],
)
def test_a_value_that_no_key_made_is_refused(values: list[str]) -> None:
    assert not is_signed(values, [ACCESS_KEY], "conn-42")


@pytest.mark.parametrize("connection_id", ["conn-43", "CONN-42", "conn-42 ", "", "\udcff"])
def test_a_signature_of_another_connection_is_refused(connection_id: str) -> None:
    assert not is_signed([PRIMARY_SIGNATURE], [ACCESS_KEY], connection_id)


def test_nothing_is_signed_without_a_key() -> None:
    assert not is_signed([PRIMARY_SIGNATURE, sign("", "conn-42")], [], "conn-42")


@pytest.mark.parametrize(("others", "is_right"), [(0, True), (15, True), (16, False), (5000, False)])
def test_sixteen_values_are_looked_at_and_more_are_refused(others: int, is_right: bool) -> None:
    assert is_signed([*["sha256=00"] * others, PRIMARY_SIGNATURE], [ACCESS_KEY], "conn-42") is is_right


def test_an_id_that_is_not_text_can_be_signed() -> None:
    assert is_signed([sign(ACCESS_KEY, "\udcff")], [ACCESS_KEY], "\udcff")
