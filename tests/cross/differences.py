"""Where ours answers differently from the JavaScript event handler, and why: the rows of docs/differences.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from tests.cross.rules import (
    OUR_FAILURE,
    THEIR_FAILURE,
    Answer,
    Difference,
    as_binary,
    in_lower_case,
    origins,
    raised,
    seen,
    unchanged,
    unsigned,
    without_body,
    without_null,
)
from tests.wire import event
from webpubsub_handler import HttpRequest

__all__ = ["DIFFERENCES"]

_Changes = Mapping[str, str | list[str] | None]


def _user(headers: _Changes, body: bytes | None = None) -> HttpRequest:
    return event("user_json" if body is not None else "quirks/user_hub_in_capitals", body, headers)


def _seen_answer(status: int, **changes: Any) -> Answer:
    seen = {
        "hub": "chat",
        "userId": "ana",
        "connectionId": "conn-42",
        "eventName": "message",
        "states": {},
        "dataType": "text",
        "data": "hello",
    }
    return Answer(status, state={"seen": {**seen, **changes}})


PASSED_ON: Final = Answer(404, b"left to the next middleware")
NOT_JSON: Final = Answer(
    400, b"Not an event of Web PubSub: the body is not JSON of finite numbers and at most 128 levels."
)
DEEP: Final = b"[" * 129 + b"]" * 129
CONNECT_NULLS: Final = "quirks/connect_null_collections"
CONTOSO: Final = frozenset({"contoso.webpubsub.azure.com"})

DIFFERENCES: Final = [
    Difference(
        "An event without a valid signature",
        "200: it checks no signature, and the function runs",
        "401 before the body is read",
        "Anyone who knows the URL could send events as any user.",
        "reply",
        event("quirks/user_unsigned"),
        Answer(200, b"hello"),
        Answer(401, b"The event is not authenticated."),
        expected=unsigned,
    ),
    Difference(
        "An event whose answer has no body",
        "200 with an empty `application/octet-stream`",
        "204",
        "The service may hand an empty frame to the client after a 200; 204 says that there is nothing.",
        "accept",
        event("user_text"),
        Answer(200),
        Answer(204),
        expected=without_body,
    ),
    Difference(
        "A user event that is neither text, JSON nor `application/octet-stream`, or has no content type",
        "404: left to the next middleware, which drops the client",
        "200 or 204: the function gets the bytes and the content type",
        "Protobuf clients and MQTT clients send such events.",
        "reply",
        event("quirks/user_protobuf"),
        PASSED_ON,
        Answer(200, b"\n\x0btype.test/a\x12\x02\x08\x01"),
        instead=as_binary,
    ),
    Difference(
        "A user event whose content type is in capitals",
        "404: left to the next middleware",
        "200 or 204: handled like any other",
        "Media types have no case (RFC 9110 8.3.1).",
        "text",
        event("user_text", headers={"Content-Type": "TEXT/PLAIN"}),
        PASSED_ON,
        Answer(200, "Grüße".encode()),
        instead=in_lower_case,
    ),
    Difference(
        "An event type of the future",
        "404: left to the next middleware",
        "204: ignored, with a line in the log",
        "A new kind of event must not look like an outage.",
        "accept",
        event("user_text", headers={"ce-type": "azure.webpubsub.sys.paused"}),
        PASSED_ON,
        Answer(204),
    ),
    Difference(
        "An event of another hub",
        "404: left to the next middleware, which may serve that hub",
        "404 with a text that says so",
        "One handler is one endpoint here; several hubs are several endpoints.",
        "accept",
        event("user_text", headers={"ce-hub": "other"}),
        PASSED_ON,
        Answer(404, b"This event handler serves another hub."),
    ),
    Difference(
        "An event without `ce-awpsversion`",
        "404: left to the next middleware",
        "200 or 204: handled",
        "No document names the header; CloudEvents has `ce-specversion` and `ce-type` for this.",
        "reply",
        event("user_text", headers={"ce-awpsversion": None}),
        PASSED_ON,
        Answer(200, "Grüße, 世界 👋".encode()),
    ),
    Difference(
        "An event without `WebHook-Request-Origin`",
        "404: left to the next middleware",
        "200 or 204: handled",
        "The header proves nothing on an event; the signature does.",
        "reply",
        event("user_text", headers={"WebHook-Request-Origin": None}),
        PASSED_ON,
        Answer(200, "Grüße, 世界 👋".encode()),
    ),
    Difference(
        "An event without `ce-id`, `ce-time` or `ce-connectionId`, or with a time that is none",
        "200: the function runs without them",
        "400 that names the header",
        "Repeats are recognised, and events ordered, by these.",
        "reply",
        event("user_text", headers={"ce-id": None, "ce-time": "yesterday"}),
        Answer(200, "Grüße, 世界 👋".encode()),
        Answer(400, b"Not an event of Web PubSub: the ce-id header is missing; the ce-time header is not a time."),
    ),
    Difference(
        "A percent-encoded user id or event name",
        "200: the function sees it encoded",
        "204: the function sees it decoded, and as received in the headers",
        "CloudEvents asks senders to encode text outside of ASCII and receivers to decode it once.",
        "seen",
        event("quirks/user_percent_encoded"),
        _seen_answer(200, userId="%E8%AE%BE%E5%A4%87%20%22a%22"),
        _seen_answer(204, userId='设备 "a"'),
        expected=seen("userId", unquote),
    ),
    Difference(
        "A hub in another case than configured",
        "200: the function sees the hub as sent",
        "204: the function sees it in lower case",
        "The service does not keep the case; code that compares must not depend on it.",
        "seen",
        event("quirks/user_hub_in_capitals"),
        _seen_answer(200, hub="Chat"),
        _seen_answer(204),
        expected=seen("hub", str.lower),
    ),
    Difference(
        "Claims, query or subprotocols of a connect event that are null or missing",
        "204: the function sees null or undefined",
        "204: the function sees an empty collection",
        "Nobody should have to test for null before reading a list.",
        "seen",
        event(CONNECT_NULLS),
        Answer(
            204,
            state={
                "seen": {
                    "hub": "chat",
                    "userId": "ana",
                    "connectionId": "conn-42",
                    "eventName": "connect",
                    "states": {},
                    "claims": None,
                    "query": {"room": None},
                    "subprotocols": None,
                }
            },
        ),
        Answer(
            204,
            state={
                "seen": {
                    "hub": "chat",
                    "userId": "ana",
                    "connectionId": "conn-42",
                    "eventName": "connect",
                    "states": {},
                    "claims": {},
                    "query": {"room": []},
                    "subprotocols": [],
                }
            },
        ),
        expected=without_null,
    ),
    Difference(
        "JSON with an integer beyond 2⁵³",
        "200 with its last digits lost",
        "200 with every digit",
        "JavaScript has floating-point numbers only.",
        "reply",
        _user({}, b"9007199254740993"),
        Answer(200, 9007199254740992),
        Answer(200, 9007199254740993),
    ),
    Difference(
        "A JSON event whose body is no JSON",
        "500: an exception for the error handler, which shows it with its stack outside of production",
        "400 with the reason",
        "The sender is wrong, not the handler; a 5xx would be delivered again.",
        "reply",
        _user({}, b'{"a":'),
        Answer(500, b"left to the error handler: Unexpected end of JSON input"),
        NOT_JSON,
    ),
    Difference(
        "JSON that is nested deeper than 128 levels",
        "200: handled, as far as the stack reaches",
        "400 with the reason",
        "No text of a client may reach the interpreter's recursion limit.",
        "reply",
        _user({}, DEEP),
        Answer(200, json.loads(DEEP)),
        NOT_JSON,
    ),
    Difference(
        "A text event that is not UTF-8",
        "200: the function sees U+FFFD for what it cannot read",
        "400 with the reason",
        "A message is stored as it was sent, or not at all.",
        "reply",
        event("user_text", b"a\xff"),
        Answer(200, "a\ufffd".encode()),
        Answer(400, b"Not an event of Web PubSub: the body is not UTF-8."),
    ),
    Difference(
        "A body above 1 MiB",
        "200: read to its end, whatever its size",
        "413",
        "The service sends no frame that large.",
        "text",
        event("user_text", b"x" * (1024 * 1024 + 1)),
        Answer(200, "Grüße".encode()),
        Answer(413, b"The event is too large."),
    ),
    Difference(
        "A method other than POST and OPTIONS",
        "404: left to the next middleware",
        "405 that names the two",
        "The endpoint exists; the method is what is wrong.",
        "accept",
        HttpRequest("GET", event("user_text").headers),
        PASSED_ON,
        Answer(405),
    ),
    Difference(
        "An event whose function raises",
        "500 from the error handler, which shows the exception outside of production; the request never ends when an "
        "async function raises",
        "500 with an error id that the log has too",
        "A client sees what is answered to its connect event; exception texts hold secrets.",
        "raise",
        event("user_text"),
        THEIR_FAILURE,
        OUR_FAILURE,
        expected=raised,
    ),
    Difference(
        "A connect event whose function chooses a subprotocol that the client did not offer",
        "200 with it",
        "500 with an error id; the log says why",
        "A browser would close the connection without a word.",
        "unoffered",
        event("connect"),
        Answer(200, {"subprotocol": "chat.v9"}),
        OUR_FAILURE,
        expected=lambda _, answer: OUR_FAILURE if answer.body == {"subprotocol": "chat.v9"} else answer,
    ),
    Difference(
        "A function sets the state to what it was",
        "200 with the state",
        "204 without a state",
        "What did not change need not travel.",
        "number",
        event("user_text", headers={"ce-connectionState": "eyJuIjo1fQ=="}),
        Answer(200, state={"n": 5}),
        Answer(204),
        expected=unchanged,
    ),
    Difference(
        "A state in base64 without its padding, or with other characters in between",
        "200: read all the same",
        "204: taken for somebody else's: it reads as empty, and stays until a function changes it",
        "A value that no event handler wrote must not be half understood.",
        "number",
        event("user_text", headers={"ce-connectionState": "eyJrIjoxfQ"}),
        Answer(200, state={"k": 1, "n": 5}),
        Answer(204, state={"n": 5}),
    ),
    Difference(
        "OPTIONS where one of several requested origins is allowed, or one of several allowed ones is requested",
        "200 with a header line for every configured endpoint, whatever was asked",
        "200 with the one that was asked and is allowed, `*` for two or more",
        "An answer should consent to what was asked; the Functions host carries one value a header.",
        "origins2",
        event("quirks/validation"),
        Answer(200, allowed_origins=frozenset({"contoso.webpubsub.azure.com", "chat.contoso.com:8443"})),
        Answer(200, allowed_origins=frozenset({"*"})),
        expected=origins,
    ),
    Difference(
        "OPTIONS for an endpoint that was configured with a port",
        "200 with host and port, which is no origin of the service",
        "200 with the host",
        "The service asks for a host; a value with a port would never match.",
        "origins2",
        event("quirks/validation", headers={"WebHook-Request-Origin": "chat.contoso.com"}),
        Answer(200, allowed_origins=frozenset({"contoso.webpubsub.azure.com", "chat.contoso.com:8443"})),
        Answer(200, allowed_origins=frozenset({"chat.contoso.com"})),
    ),
    Difference(
        "OPTIONS where no requested origin is allowed",
        "200 with its own list, and the service is to notice",
        "400 without consent, and a line in the log that names both",
        "A refusal that looks like one is found sooner.",
        "originsOther",
        event("quirks/validation"),
        Answer(200, allowed_origins=frozenset({"other.example"})),
        Answer(400, b"The requested origin is not allowed."),
    ),
    Difference(
        "OPTIONS without `ce-awpsversion`",
        "404: left to the next middleware",
        "200: answered by origin",
        "No document names the header; the handshake of CloudEvents does without.",
        "nothing",
        event("quirks/validation", headers={"ce-awpsversion": None}),
        PASSED_ON,
        Answer(200, allowed_origins=frozenset({"*"})),
    ),
    Difference(
        "OPTIONS without `WebHook-Request-Origin`",
        "400 without a text",
        "400 with the reason",
        "An error should name the fix.",
        "nothing",
        event("quirks/validation", headers={"WebHook-Request-Origin": None}),
        Answer(400),
        Answer(400, b"The WebHook-Request-Origin header is missing."),
    ),
]
