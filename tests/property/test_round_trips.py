"""What goes in comes out: payloads, answers to connect, connection states, attributes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.property.strategies import HEADER_VALUES, JSON, JSON_OBJECTS, TIMES
from tests.wire import event
from webpubsub_handler import (
    ConnectEventRequest,
    ConnectEventResponse,
    ConnectionState,
    ConnectionStateError,
    HttpResponse,
    MqttConnectProperties,
    MqttProtocolVersion,
    MqttUserProperty,
    UserEventRequest,
    UserEventResponse,
)
from webpubsub_handler.protocol.attributes import decode_text, parse_time
from webpubsub_handler.protocol.decode import decode
from webpubsub_handler.protocol.encode import encode
from webpubsub_handler.protocol.strict_json import MAX_DEPTH, is_deep, parse


def echo(name: str, body: bytes) -> HttpResponse:
    request = decode(event(name, body))
    assert isinstance(request, UserEventRequest)
    return encode(request, UserEventResponse(request.data, request.data_type))


@given(JSON)
def test_a_json_message_comes_back_as_the_same_value(value: Any) -> None:
    assert json.loads(echo("user_json", json.dumps(value).encode()).body) == value


@given(st.text(min_size=1))
def test_a_text_message_comes_back_byte_by_byte(text: str) -> None:
    assert echo("user_text", text.encode()).body == text.encode()


@given(st.binary(min_size=1))
def test_a_binary_message_comes_back_byte_by_byte(body: bytes) -> None:
    assert echo("user_binary", body).body == body


@given(st.none() | st.text(), st.none() | st.lists(st.text()), st.none() | st.lists(st.text()))
def test_an_answer_to_connect_says_what_the_function_said(
    user_id: str | None, groups: list[str] | None, roles: list[str] | None
) -> None:
    request = decode(event("connect"))
    assert isinstance(request, ConnectEventRequest)

    response = encode(request, ConnectEventResponse(user_id=user_id, groups=groups, roles=roles))

    said = {"userId": user_id, "groups": groups, "roles": roles}
    expected = {name: value for name, value in said.items() if value is not None}
    assert (json.loads(response.body) if response.body else {}) == expected
    assert response.status == (200 if expected else 204)


MAPS: Final = st.dictionaries(st.text(), st.lists(st.text()))


@given(MAPS, MAPS, st.lists(st.text()))
def test_a_function_sees_the_connect_event_as_it_was_sent(
    claims: dict[str, list[str]], query: dict[str, list[str]], subprotocols: list[str]
) -> None:
    document = {"claims": claims, "query": query, "subprotocols": subprotocols}

    request = decode(event("connect", json.dumps(document).encode()))

    assert isinstance(request, ConnectEventRequest)
    assert {name: list(values) for name, values in request.claims.items()} == claims
    assert {name: list(values) for name, values in request.query.items()} == query
    assert list(request.subprotocols) == subprotocols


PROPERTIES: Final = st.lists(st.tuples(st.text(), st.text()))


@given(st.sampled_from([4, 5]), st.none() | st.booleans(), st.none() | st.text(), st.none() | st.binary(), PROPERTIES)
def test_a_function_sees_the_connect_packet_as_it_was_sent(
    version: int, clean_start: bool | None, username: str | None, password: bytes | None, pairs: list[tuple[str, str]]
) -> None:
    mqtt = {
        "protocolVersion": version,
        "cleanStart": clean_start,
        "username": username,
        "password": None if password is None else base64.b64encode(password).decode(),
        "userProperties": [{"name": name, "value": value} for name, value in pairs],
    }

    request = decode(event("quirks/mqtt_connect_v5", json.dumps({"mqtt": mqtt}).encode()))

    assert isinstance(request, ConnectEventRequest)
    assert request.mqtt == MqttConnectProperties(
        MqttProtocolVersion(version),
        clean_start,
        username,
        password,
        tuple(MqttUserProperty(*pair) for pair in pairs),
    )


NAMES: Final = st.text(st.sampled_from("abcxyz019-_.~!"), min_size=1, max_size=20)
VALUES: Final = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_metadata_and_user_properties_are_read_as_they_were_written(
    metadata: dict[str, str], properties: dict[str, str]
) -> None:
    pairs = [MqttUserProperty(*pair) for pair in properties.items()]
    response = encode(
        decode(event("user_text")), UserEventResponse("hi", metadata=metadata, mqtt_user_properties=pairs)
    )

    request = decode(event("user_text", headers=response.headers))

    assert isinstance(request, UserEventRequest)
    assert request.metadata == metadata
    assert request.mqtt_user_properties == pairs


@given(st.text(), st.text())
def test_any_property_is_a_header_that_can_be_sent_or_a_value_error(name: str, value: str) -> None:
    response = UserEventResponse("hi", mqtt_user_properties=[MqttUserProperty(name, value)])
    try:
        headers = encode(decode(event("user_text")), response).headers
    except ValueError:
        return
    assert all(f"{name}{value}".isascii() and f"{name}{value}".isprintable() for name, value in headers.items())


@given(JSON_OBJECTS)
@example({"\ud800": ["\ud800"]})
def test_a_state_is_read_as_it_was_written(entries: dict[str, Any]) -> None:
    state = ConnectionState()
    state.update(entries)
    header = state.encode()

    assert dict(ConnectionState(header)) == entries
    assert (header is None) == (not entries)
    assert header is None or (header.isascii() and header.isprintable())


@given(JSON_OBJECTS, JSON_OBJECTS)
def test_a_state_is_sent_exactly_when_it_changed(before: dict[str, Any], after: dict[str, Any]) -> None:
    header = base64.b64encode(json.dumps(before).encode()).decode()
    state = ConnectionState(header)
    state.clear()
    state.update(after)
    changed = state.encode()

    assert json.dumps(dict(ConnectionState(changed or header))) == json.dumps(after)
    assert (changed is None) == (json.dumps(before) == json.dumps(after))


@given(HEADER_VALUES | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_any_text_is_a_state_that_is_kept_until_it_is_changed(raw: str) -> None:
    state = ConnectionState(raw)

    assert dict(state) == dict(state)
    assert state.encode() is None


@given(HEADER_VALUES)
def test_any_attribute_decodes_to_text_that_can_be_stored(value: str) -> None:
    decode_text(value).encode()


@given(st.text())
def test_percent_encoded_text_is_decoded_once(text: str) -> None:
    assert decode_text(quote(text)) == text


@given(st.text(min_size=1))
def test_raw_utf_8_that_a_server_took_for_latin_1_is_mended(text: str) -> None:
    assume(not text.isascii())

    assert decode_text(text.encode().decode("latin-1")) == text


@given(HEADER_VALUES | st.from_regex(r"[0-9]{1,5}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]{2,9}[-+Z][0-9:]{0,5}"))
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
@example("Mon, 1 Jan 2020 00:00:00 +99999999999999999999")
def test_a_time_is_read_or_is_a_value_error(value: str) -> None:
    try:
        time = parse_time(value)
    except ValueError:
        return
    assert time.utcoffset() is not None


@given(TIMES)
def test_a_time_means_the_same_in_any_zone(time: datetime) -> None:
    try:
        read = parse_time(time.isoformat())
    except ValueError:
        assert not 2 < time.year < 9998
    else:
        # A time of the hour that a zone has twice is equal to nothing in another zone.
        assert read == time.astimezone(UTC)


@given(st.binary() | st.text(st.sampled_from('[]{}",:\\u1 ')).map(str.encode))
def test_any_bytes_are_json_or_a_value_error(text: bytes) -> None:
    try:
        value = parse(text)
    except ValueError:
        return
    assert json.loads(text) == value


def nested(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(nested, members), default=0)


@given(JSON, st.integers(0, 2 * MAX_DEPTH), st.text(st.sampled_from('[]{}\\"a')))
@example(None, MAX_DEPTH - 2, "\\" + "[" * 50)
def test_the_depth_of_json_is_counted_outside_of_strings(value: Any, levels: int, text: str) -> None:
    value = [value, text]
    for _ in range(levels):
        value = {"[": value}

    assert is_deep(json.dumps(value).encode()) == (nested(value) > MAX_DEPTH)


@given(st.integers(1, 2 * MAX_DEPTH))
def test_a_state_is_refused_where_it_could_not_be_read(levels: int) -> None:
    state = ConnectionState()
    value: Any = None
    for _ in range(levels):
        value = [value]
    state["a"] = value
    if levels >= MAX_DEPTH:
        with pytest.raises(ConnectionStateError):
            state.encode()
    else:
        assert dict(ConnectionState(state.encode())) == {"a": value}
