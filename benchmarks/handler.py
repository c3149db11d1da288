"""What the library costs for one event, in CPU time, beside an empty function in the same process.

Events are authenticated, decoded, dispatched and answered, without a store; a message has 1 KiB. The worker of Azure
Functions takes about 500 µs of CPU for a call; the library may take 50 for a message with every check on. JSON that was
made to be expensive, 1 MiB of nested brackets, is refused within 2 ms: nobody else's events wait meanwhile.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.report import Figure, NotMeasuredError
from webpubsub_handler import (
    AccessKeyAuthenticator,
    Authenticator,
    ConnectEventRequest,
    ConnectEventResponse,
    Headers,
    HttpRequest,
    HttpResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
    sign,
)
from webpubsub_handler.entra import EntraAuthenticator
from webpubsub_handler.signing_keys import SigningKeys

__all__ = ["measure"]

LIMIT_MICROSECONDS: Final = 50
BOMB_LIMIT_MICROSECONDS: Final = 2_000
_EVENTS: Final = 5_000
_ROUNDS: Final = 7
_BOMBS: Final = 20

KEYS: Final = ("primary-key-0001", "secondary-key-0002")
TENANT, APPLICATION, CALLER = (f"00000000-0000-0000-0000-{number:012}" for number in range(3))
PRIVATE_KEY: Final = rsa.generate_private_key(65537, 2048)

MESSAGE: Final = {
    "content-type": "text/plain; charset=utf-8",
    "ce-type": "azure.webpubsub.user.message",
    "ce-eventname": "message",
}
MOVE: Final = {"content-type": "application/json", "ce-type": "azure.webpubsub.user.move", "ce-eventname": "move"}
CONNECT: Final = {
    "content-type": "application/json; charset=utf-8",
    "ce-type": "azure.webpubsub.sys.connect",
    "ce-eventname": "connect",
}
MQTT: Final = {
    "ce-subprotocol": "mqtt",
    "ce-physicalconnectionid": "physical-7",
    "ce-sessionid": "session-9",
    "mqtt-unit": "C",
    "mqtt-site": "Seattle",
}
CONNECT_BODY: Final = {
    "claims": {"sub": ["ana"], "role": ["webpubsub.joinLeaveGroup"], "exp": ["1795516200"], "iat": ["1795512600"]},
    "query": {"room": ["lobby"]},
    "headers": {"Host": ["contoso.webpubsub.azure.com"], "User-Agent": ["Mozilla/5.0 " + "x" * 600]},
    "subprotocols": ["json.webpubsub.azure.v1"],
    "clientCertificates": [],
}
MQTT_CONNECT_BODY: Final = {
    **CONNECT_BODY,
    "mqtt": {
        "protocolVersion": 5,
        "cleanStart": True,
        "username": "dev",
        "password": "c2VjcmV0",
        "userProperties": [{"name": "fw", "value": "1.2"}],
    },
}


class OneKey(SigningKeys):
    """A key set at hand: the benchmark asks nobody for it."""

    def __init__(self) -> None:
        super().__init__("http://localhost/")
        public = jwt.algorithms.RSAAlgorithm.to_jwk(PRIVATE_KEY.public_key(), as_dict=True)
        self._key = jwt.PyJWK(public, "RS256")

    async def get(self, _: str) -> jwt.PyJWK:
        """Return the key, whatever it is called."""
        return self._key


def make_token(number: int = 0) -> str:
    """Make a token of the usual size of Entra ID's."""
    claims = {
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "aud": APPLICATION,
        "tid": TENANT,
        "oid": CALLER,
        "exp": 2**40,
        "uti": str(number),
        "xms": "x" * 800,
    }
    return jwt.encode(claims, PRIVATE_KEY, "RS256", {"kid": "one"})


def make_handler(*proofs: Authenticator, max_event_age: float | None = None) -> WebPubSubEventHandler:
    """Make a handler whose functions read the state and say little."""
    handler = WebPubSubEventHandler("chat", proofs, allowed_origins=["localhost"], max_event_age=max_event_age)

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(groups=request.query["room"])

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse | None:
        return None if request.context.state["room"] else UserEventResponse("no room")

    @handler.on_user_event("move")
    async def move(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(request.data)

    return handler


def make_request(fields: Mapping[str, str], body: bytes) -> HttpRequest:
    """Make an event as the Functions host hands it over: names lower-cased, both signatures in one value."""
    common = {
        "host": "localhost:7071",
        "user-agent": "azure-webpubsub",
        "webhook-request-origin": "localhost",
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-source": "/hubs/chat/client/conn-42",
        "ce-id": "7",
        "ce-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "ce-signature": ", ".join(sign(key, "conn-42") for key in KEYS),
        "ce-connectionid": "conn-42",
        "ce-hub": "chat",
        "ce-userid": "ana",
        "ce-connectionstate": "eyJyb29tIjoibG9iYnkifQ==",
    }
    return HttpRequest("POST", Headers(common | dict(fields)), body)


async def empty(_: HttpRequest) -> HttpResponse:
    """Answer at once: the floor."""
    return HttpResponse(204)


async def _cost(
    call: Callable[[HttpRequest], Awaitable[HttpResponse]], *requests: HttpRequest, count: int = _EVENTS
) -> float:
    """Return the CPU time of one call in microseconds: the median of several rounds over the requests."""
    events = [(list(request.headers), request.body) for request in requests]
    count //= len(events)
    rounds = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(count):
            for fields, body in events:
                # A fresh request each time, as its state is read once.
                response = await call(HttpRequest("POST", Headers(fields), body))
        rounds.append((time.process_time() - start) / count / len(events) * 1e6)
        if response.status not in (200, 204):
            raise NotMeasuredError(f"the event was answered {response.status}: nothing was measured")
    return statistics.median(rounds)


async def measure() -> list[Figure]:
    """Return every cost beside the floor."""
    signature = AccessKeyAuthenticator({"localhost": KEYS})
    token = EntraAuthenticator(tenant_id=TENANT, audience=APPLICATION, object_ids=[CALLER], keys=OneKey())
    signed, by_token = make_handler(signature).handle, make_handler(token).handle
    with_all_checks = make_handler(signature, token, max_event_age=3600).handle

    text = b"x" * 1024
    message = make_request(MESSAGE, text)
    with_token = make_request(MESSAGE | {"authorization": f"Bearer {make_token()}"}, text)
    # More than are remembered, so every one is verified again.
    new_tokens = [
        make_request(MESSAGE | {"authorization": f"Bearer {make_token(number)}"}, text) for number in range(100)
    ]
    connect = make_request(CONNECT, json.dumps(CONNECT_BODY).encode())
    mqtt_connect = make_request(CONNECT | MQTT, json.dumps(MQTT_CONNECT_BODY).encode())

    floor = await _cost(empty, message)
    limited = {
        "a message with a signature": await _cost(signed, message),
        "a message with an Entra token": await _cost(by_token, with_token),
        "a message with all checks": await _cost(with_all_checks, with_token),
    }
    others = {
        "an MQTT message with a signature": await _cost(signed, make_request(MESSAGE | MQTT, text)),
        "connect with a signature": await _cost(signed, connect),
        "MQTT connect with a signature": await _cost(signed, mqtt_connect),
        "a message with a new Entra token": await _cost(by_token, *new_tokens),
    }
    bomb = await _cost(signed, make_request(MOVE, b"[" * 1024 * 1024), count=_BOMBS)
    figures = [
        Figure(
            what=f"the library's CPU for {name}",
            ours=f"{cost:.0f} µs",
            baseline=f"{floor:.0f} µs (an empty function)",
            value=cost - floor,
            unit="µs more",
            at_most=LIMIT_MICROSECONDS if name in limited else None,
        )
        for name, cost in (limited | others).items()
    ]
    refused = Figure(
        what="CPU until 1 MiB of brackets is refused",
        ours=f"{bomb:.0f} µs",
        value=bomb,
        unit="µs",
        at_most=BOMB_LIMIT_MICROSECONDS,
    )
    return [*figures, refused]
