"""CloudEvents as the service writes them to an event handler, and the handler's answers; no I/O.

Source: MicrosoftDocs ``reference-cloud-events``; CloudEvents HTTP binding §3.1.3.2 for the encoding of header values.
"""

from __future__ import annotations

import hmac
import json
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from webpubsub_emulator.core import names
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.messages import (
    METADATA_HEADER_PREFIX,
    MessageBodyError,
    Payload,
    metadata_from_headers,
    parse_json,
    payload_from_http,
    text_payload,
)

__all__ = [
    "CONNECT_ANSWER_KEYS",
    "JSON_CONTENT_TYPE",
    "STATE_HEADER",
    "AnswerError",
    "ConnectAnswer",
    "Event",
    "connect_answer",
    "connect_event",
    "connected_event",
    "connection_state",
    "disconnected_event",
    "event_headers",
    "group_event",
    "sign",
    "user_event",
    "user_event_answer",
]

JSON_CONTENT_TYPE: Final = "application/json; charset=utf-8"
STATE_HEADER: Final = "ce-connectionState"
CONNECT_ANSWER_KEYS: Final = ("userId", "groups", "roles", "subprotocol")

_PRINTABLE: Final = string.ascii_letters + string.digits + string.punctuation
_UNESCAPED: Final = _PRINTABLE.replace("%", "").replace('"', "")
_dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_MAX_SHOWN_KEYS: Final = 10
_MAX_SHOWN_CHARACTERS: Final = 100
_HIDDEN_FROM_HANDLERS: Final = frozenset({"access_token", "authorization"})


class AnswerError(ValueError):
    """An event handler answered with success, but not with what the event allows."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event on its way upstream; ``family`` is ``sys``, ``user`` or ``gp``."""

    family: str
    name: str
    content_type: str
    body: bytes
    metadata: Mapping[str, str]

    @property
    def type(self) -> str:
        """The ``ce-type``."""
        return f"azure.webpubsub.{self.family}.{self.name}"


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """What the connect handler decides; ``None`` keeps what the token says. ``unknown_keys`` decide nothing."""

    user_id: str | None = None
    roles: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    subprotocol: str | None = None
    unknown_keys: tuple[str, ...] = field(default=(), compare=False)


def connect_event(
    claims: Mapping[str, Any],
    query: Mapping[str, Sequence[str]],
    headers: Iterable[tuple[str, str]],
    subprotocols: Sequence[str],
) -> Event:
    """Return the connect event of a client's upgrade request; without its token."""
    body = {
        "claims": {name: values for name, value in claims.items() if (values := _claim_values(value))},
        "query": {name: list(values) for name, values in query.items() if name.lower() not in _HIDDEN_FROM_HANDLERS},
        "headers": _multi_map(headers),
        "subprotocols": list(subprotocols),
        "clientCertificates": [],
    }
    return _system_event("connect", body)


def connected_event() -> Event:
    """Return the notification that a client is connected."""
    return _system_event("connected", {})


def disconnected_event(reason: str | None) -> Event:
    """Return the notification that a client has gone."""
    return _system_event("disconnected", {"reason": reason})


def group_event(change: str, group: str) -> Event:
    """Return the notification that a connection has ``joined`` or ``left`` a group."""
    return _system_event(change, {"group": group}, family="gp")


def user_event(name: str, payload: Payload) -> Event:
    """Return a message of a client to the event handler."""
    return Event("user", name, payload.content_type, payload.body, payload.metadata)


def event_headers(
    event: Event,
    context: ConnectionContext,
    *,
    event_id: int,
    time: datetime,
    origin: str,
    signature: str,
    cookies: str = "",
) -> dict[str, str]:
    """Return the headers of an event's request, except those of the HTTP client."""
    headers = {
        "Content-Type": event.content_type,
        "WebHook-Request-Origin": origin,
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": event.type,
        "ce-source": f"/hubs/{context.hub}/client/{context.connection_id}",
        "ce-id": str(event_id),
        "ce-time": time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ce-signature": signature,
        "ce-connectionId": context.connection_id,
        "ce-hub": context.hub,
        "ce-eventName": event.name,
    }
    if context.user_id:
        headers["ce-userId"] = quote(context.user_id, safe=_UNESCAPED)
    if context.subprotocol:
        headers["ce-subprotocol"] = context.subprotocol
    if context.state:
        headers[STATE_HEADER] = context.state
    if cookies:
        headers["Cookie"] = cookies
    for key, value in event.metadata.items():
        headers[f"{METADATA_HEADER_PREFIX}{key.lower()}"] = value
    return headers


def sign(connection_id: str, access_keys: Iterable[str]) -> str:
    """Return the ``ce-signature`` of a connection: one HMAC-SHA256 of its id for each key, joined with commas."""
    message = connection_id.encode()
    return ",".join(f"sha256={hmac.new(key.encode(), message, 'sha256').hexdigest()}" for key in access_keys)


def connect_answer(body: bytes) -> ConnectAnswer:
    """Return the decision in a connect answer; an empty body and ``null`` leave all as it is.

    Keys are read in any case, as in Microsoft's emulator: ``UserId`` is what .NET writes. The last of several counts.

    Raises:
        AnswerError: when the body is not such a decision.
    """
    if not body.strip():
        return ConnectAnswer()
    try:
        answer = parse_json(body)
    except MessageBodyError:
        raise AnswerError("The answer to connect is not valid JSON.") from None
    if answer is None:
        return ConnectAnswer()
    if not isinstance(answer, dict):
        raise AnswerError("The answer to connect must be a JSON object.")
    known = {key.lower(): key for key in CONNECT_ANSWER_KEYS}
    fields = {known[key.lower()]: value for key, value in answer.items() if key.lower() in known}
    unknown = [key for key in answer if key.lower() not in known]
    groups = _string_list(fields, "groups")
    invalid = [group for group in groups or () if not names.is_group(group)]
    if invalid:
        raise AnswerError(f"{invalid[0][:100]!r} in 'groups' is not a valid group name.")
    return ConnectAnswer(
        _optional_string(fields, "userId"),
        _string_list(fields, "roles"),
        groups or None,
        _optional_string(fields, "subprotocol"),
        tuple(repr(key[:_MAX_SHOWN_CHARACTERS]) for key in unknown[:_MAX_SHOWN_KEYS]),
    )


def user_event_answer(body: bytes, headers: Mapping[str, str]) -> Payload | None:
    """Return the message to the sender in the answer to a user event; ``None`` when it has neither body nor metadata.

    Metadata without a body is a message of text without characters, whatever the Content-Type says of no bytes.

    Raises:
        AnswerError: when the Content-Type cannot be a message's, or does not hold for the body.
    """
    # A header whose name ends where the key begins is ignored here, as Microsoft's emulator does; REST refuses it.
    metadata = {key: value for key, value in metadata_from_headers(headers.items()).items() if key}
    problem = names.metadata_problem(metadata)
    if problem is not None:
        raise AnswerError(problem)
    if not body:
        return text_payload("", metadata) if metadata else None
    try:
        return payload_from_http(headers.get("Content-Type"), body, metadata)
    except ValueError as error:
        raise AnswerError(str(error)) from None


def connection_state(headers: Mapping[str, str]) -> str | None:
    """Return the connection state in an answer, the last of several; ``None`` when the answer leaves it as it is.

    Raises:
        AnswerError: when it could not be sent back in a header.
    """
    states = [value for name, value in headers.items() if name.lower() == STATE_HEADER.lower()]
    if not all(state.isascii() and state.isprintable() for state in states):
        raise AnswerError(f"{STATE_HEADER} must be printable ASCII; encode it, for example in base64.")
    return states[-1] if states else None


def _system_event(name: str, body: dict[str, Any], family: str = "sys") -> Event:
    text = _dumps(body)
    # Header bytes that are not UTF-8 arrive as lone surrogates; they must not break the event.
    return Event(family, name, JSON_CONTENT_TYPE, text.encode(errors="replace"), {})


def _multi_map(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.lower() not in _HIDDEN_FROM_HANDLERS:
            result.setdefault(name, []).append(value)
    return result


def _claim_values(value: object) -> list[str]:
    """Return the values of a claim, of a list each; ``null`` is an empty one, as .NET, and so the service, reads it."""
    values = value if isinstance(value, list) else [value]
    return ["" if item is None else item if isinstance(item, str) else _dumps(item) for item in values]


def _optional_string(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None or (isinstance(value, str) and names.is_unicode(value)):
        return value
    raise AnswerError(f"'{name}' in the answer to connect must be a string.")


def _string_list(fields: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    values = fields.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise AnswerError(f"'{name}' in the answer to connect must be a list of strings.")
    return tuple(values)
