"""One event, all the way: service, its token, App Service authentication, handler, app; and back."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from infra.hooks import azd
from infra.hooks.web import Answer, CheckError, Deadline, ask
from infra.hooks.websocket import UpgradeError, WebSocket

__all__ = ["Probe"]

_SCOPE: Final = "https://webpubsub.azure.com/.default"
_API_VERSION: Final = "2024-01-01"
_PROTOCOL: Final = "json.webpubsub.azure.v1"
_USER: Final = "azd-postdeploy"
# The service waits ten seconds for the app, and tries again.
_ACK_SECONDS: Final = 30
# No room can have this name, so the app refuses whoever asks for it.
_IMPOSSIBLE_ROOM: Final = ".."

_REFUSED: Final = (
    "The service asked the app whether a client may connect, and the answer was not yes. The cause is one of these:\n"
    "  - the app's log has 'Refused an event': it says which claim of the token differs from WEBHOOK_*\n"
    "  - the app's log has nothing at all: App Service authentication answered 403 in its place, as the client id\n"
    "    of the service's identity is not among the allowed applications; `azd provision --no-state` lists it again\n"
    "  - chat/policy.py refuses this user or room: set POSTDEPLOY_ROOM to a room that anybody may join"
)


class _UnreachableError(Exception):
    """Raised when nobody answers: as the service gave out a token just now, the deployer's network is the cause."""


@dataclass(frozen=True)
class Probe:
    """What to connect to: ``service`` and ``app`` are URLs; ``client_auth`` is the app's ``CLIENT_AUTH``."""

    service: str
    hub: str
    app: str
    client_auth: str
    room: str
    tenant_id: str | None

    def run(self, deadline: Deadline) -> tuple[bool, str]:
        """Prove one event; return whether it was proven, and what was, or why not.

        Raises:
            CheckError: An event does not reach the app, or what comes back is wrong.
        """
        try:
            bearer = azd.token(_SCOPE, self.tenant_id)
        except azd.NoTokenError as error:
            return False, f"no event was tried: {error}"
        made = deadline.until_settled(lambda: self._client_token(bearer))
        if made.status in {401, 403}:
            return False, (
                "no event was tried: you do not have the role 'Web PubSub Service Owner' on the service, or it is not "
                "in effect yet (`azd env set DEVELOPER_ROLES true`, then `azd provision --no-state`)"
            )
        client_token = made.document.get("token")
        if made.status != 200 or not isinstance(client_token, str):
            raise CheckError(f"The service did not issue a token for a client: {made} from {self.service}.")
        try:
            self._expect_refusal(client_token, deadline)
            socket = self._connect(client_token, deadline)
        except _UnreachableError as error:
            return False, f"no event was tried: no WebSocket to {self.service} from here: {error}"
        try:
            if self.client_auth != "anonymous":
                return True, "an event of the service reaches the app, and its answer counts"
            self._send_and_find(socket)
        finally:
            socket.close()
        return True, "an event of the service reaches the app, and a message is in the history"

    def _client_token(self, bearer: str) -> Answer:
        query = urlencode({"api-version": _API_VERSION, "userId": _USER, "minutesToExpire": 5})
        url = f"{self.service.rstrip('/')}/api/hubs/{quote(self.hub)}/:generateToken?{query}"
        return ask("POST", url, {"Authorization": f"Bearer {bearer}", "Content-Length": "0"}, b"")

    def _upgrade(self, client_token: str, room: str) -> tuple[Answer, WebSocket | None]:
        query = urlencode({"access_token": client_token, "room": room})
        url = f"{self.service.rstrip('/')}/client/hubs/{quote(self.hub)}?{query}"
        try:
            return Answer(101), WebSocket(url, _PROTOCOL)
        except UpgradeError as error:
            return Answer(error.status, problem=f"{error}"), None

    def _expect_refusal(self, client_token: str, deadline: Deadline) -> None:
        def refused() -> Answer:
            answer, socket = self._upgrade(client_token, _IMPOSSIBLE_ROOM)
            if socket is not None:
                socket.close()
            return answer

        answer = deadline.until_settled(refused)
        if answer.status == 0:
            raise _UnreachableError(str(answer))
        if answer.status == 101:
            raise CheckError(
                f"The hub {self.hub} lets a client into a room that cannot exist: nobody asks the app. The hub has no "
                "event handler for `connect`, or it is another hub than the app's. `azd provision --no-state` writes "
                "it again."
            )
        if answer.status != 403:
            raise CheckError(
                f"A client that must be refused with 403 got: {answer}. The service does not reach the app, or the app "
                f"fails.\n{_REFUSED}"
            )

    def _connect(self, client_token: str, deadline: Deadline) -> WebSocket:
        sockets: list[WebSocket] = []

        def connect() -> Answer:
            answer, socket = self._upgrade(client_token, self.room)
            sockets.extend([socket] if socket is not None else [])
            return answer

        answer = deadline.until_settled(connect)
        if answer.status == 0:
            raise _UnreachableError(str(answer))
        if not sockets:
            raise CheckError(f"A client that may join the room {self.room!r} got: {answer}.\n{_REFUSED}")
        return sockets[-1]

    def _send_and_find(self, socket: WebSocket) -> None:
        text = f"azd postdeploy {secrets.token_hex(8)}"
        frame = {"type": "event", "event": "message", "ackId": 1, "dataType": "text", "data": text}
        try:
            socket.send(json.dumps(frame))
            end = time.monotonic() + _ACK_SECONDS
            while (received := json.loads(socket.receive())).get("ackId") != 1:
                if time.monotonic() > end:
                    raise TimeoutError("others write in the room, and no answer came")
        except (OSError, ValueError, AttributeError) as error:
            raise CheckError(f"A message got no answer: {error}. The app's log says what happened to it.") from error
        if not received.get("success"):
            raise CheckError("A message was not acknowledged: the app failed on it. See the app's log.")
        url = f"{self.app}/api/messages?{urlencode({'room': self.room})}"
        page = ask("GET", url)
        if page.status != 200 or text.encode() not in page.body:
            raise CheckError(f"A message was acknowledged, and is not in the history: {page} from {url}.")
