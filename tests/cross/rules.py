"""What a difference from the JavaScript event handler is, and how our answer follows from theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from webpubsub_handler import ConnectionState, Headers, HttpRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """What of an answer reaches the client or the service; JSON is compared as values."""

    status: int
    body: Any = b""
    state: Any = None
    allowed_origins: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of the page, an example that shows it, and what follows for every other request.

    ``instead`` gives the request that theirs understands as ours does the original; ``expected`` gives our answer
    for theirs. Both leave alone what the row is not about.
    """

    sent: str
    theirs: str
    ours: str
    why: str
    shape: str
    request: HttpRequest
    their_answer: Answer
    our_answer: Answer
    instead: Callable[[HttpRequest], HttpRequest] = lambda request: request
    expected: Callable[[HttpRequest, Answer], Answer] = lambda _, answer: answer


THEIR_FAILURE: Final = Answer(500, b"left to the error handler: password=5ec4e7")
OUR_FAILURE: Final = Answer(500, b"The event handler failed (error ID).")
CONTRADICTING_HUB: Final = b"Not an event of Web PubSub: the ce-source header is not of the hub in the ce-hub header."
CONTRADICTING_NAME: Final = (
    b"Not an event of Web PubSub: the ce-type header is not of the event in the ce-eventName header."
)


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    lines = [(field, line) for field, line in request.headers if field != name.lower()]
    return HttpRequest(request.method, Headers([*lines, (name, value)]), request.body)


def as_binary(request: HttpRequest) -> HttpRequest:
    is_user_event = (request.headers.get("ce-type") or "").startswith("azure.webpubsub.user.")
    is_known = content_type(request) in {"text/plain", "application/json", "application/octet-stream"}
    return request if is_known or not is_user_event else named_binary(request)


def text_as_binary(request: HttpRequest) -> HttpRequest:
    is_other = "charset=iso-8859-1" in (request.headers.get("Content-Type") or "")
    return named_binary(request) if is_other else request


def named_mqtt(request: HttpRequest) -> HttpRequest:
    return request if mqtt_version(request) is None else with_header(request, "ce-subprotocol", "mqtt")


def named_binary(request: HttpRequest) -> HttpRequest:
    return with_header(request, "Content-Type", "application/octet-stream")


def in_lower_case(request: HttpRequest) -> HttpRequest:
    value = request.headers.get("Content-Type")
    return with_header(request, "Content-Type", value.lower()) if value else request


def content_type(request: HttpRequest) -> str:
    return (request.headers.get("Content-Type") or "").partition(";")[0].lower()


def unsigned(request: HttpRequest, answer: Answer) -> Answer:
    is_signed = request.method == "OPTIONS" or request.headers.get("ce-signature")
    return answer if is_signed else Answer(401, b"The event is not authenticated.")


def contradicting(request: HttpRequest, answer: Answer) -> Answer:
    header = request.headers.get
    if header("ce-source") == "/hubs/other/client/conn-42" and header("ce-hub") == "chat":
        return Answer(400, CONTRADICTING_HUB)
    if header("ce-eventName") == "other" and header("ce-type") == "azure.webpubsub.user.message":
        return Answer(400, CONTRADICTING_NAME)
    return answer


def connack(request: HttpRequest, answer: Answer) -> Answer:
    """Ours in place of the code that theirs makes of an HTTP status."""
    version = mqtt_version(request)
    codes = {400: (5, 131), 401: (5, 135), 403: (5, 135), 500: (3, 136)}
    if (
        version is None
        or not isinstance(answer.body, dict)
        or answer.body.get("mqtt", {}).get("reason") != "members only"
    ):
        return answer
    return replace(answer, body={"mqtt": {"code": codes[answer.status][version - 4], "reason": "members only"}})


def failed_connack(request: HttpRequest, answer: Answer) -> Answer:
    version = mqtt_version(request)
    if version is None or answer != OUR_FAILURE:
        return answer
    return Answer(500, {"mqtt": {"code": 3 if version == 4 else 136, "reason": OUR_FAILURE.body.decode()}})


def mqtt_version(request: HttpRequest) -> int | None:
    is_connect = request.headers.get("ce-type") == "azure.webpubsub.sys.connect"
    mqtt = json.loads(request.body).get("mqtt") if is_connect else None
    return mqtt["protocolVersion"] if mqtt else None


def without_body(_: HttpRequest, answer: Answer) -> Answer:
    is_empty = answer.status == 200 and answer.body == b"" and not answer.allowed_origins
    return replace(answer, status=204) if is_empty else answer


def raised(_: HttpRequest, answer: Answer) -> Answer:
    return OUR_FAILURE if answer == THEIR_FAILURE else answer


def seen(name: str, change: Callable[[Any], Any]) -> Callable[[HttpRequest, Answer], Answer]:
    def expected(_: HttpRequest, answer: Answer) -> Answer:
        value = answer.state.get("seen", {}) if isinstance(answer.state, dict) else {}
        if name not in value:
            return answer
        return replace(answer, state={**answer.state, "seen": {**value, name: change(value[name])}})

    return expected


def collections(value: Any) -> Any:
    query = {name: members or [] for name, members in (value.get("query") or {}).items()}
    return {
        **value,
        "claims": value.get("claims") or {},
        "query": query,
        "subprotocols": value.get("subprotocols") or [],
    }


def without_null(request: HttpRequest, answer: Answer) -> Answer:
    is_seen = isinstance(answer.state, dict) and "seen" in answer.state
    if not is_seen or request.headers.get("ce-type") != "azure.webpubsub.sys.connect":
        return answer
    return replace(answer, state={**answer.state, "seen": collections(answer.state["seen"])})


def origins(request: HttpRequest, answer: Answer) -> Answer:
    if not answer.allowed_origins or answer.allowed_origins == {"*"}:
        return answer
    hosts = {origin.partition(":")[0] for origin in answer.allowed_origins}
    common = hosts.intersection(request.headers.get_list("WebHook-Request-Origin"))
    if not common:
        return Answer(400, b"The requested origin is not allowed.")
    return replace(answer, allowed_origins=frozenset(common if len(common) == 1 else {"*"}))


def unchanged(request: HttpRequest, answer: Answer) -> Answer:
    state = ConnectionState(request.headers.get("ce-connectionState"))
    return replace(answer, state=None) if state and dict(state) == answer.state else answer
