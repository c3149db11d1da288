"""The official Python client, with its default, reliable protocol and its own reconnecting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import CallbackType, SendMessageError, WebPubSubDataType

from tests.soak.clients.lines import PATIENT_SECONDS, Access, Answer, Hear, LineLostError, Replies

__all__ = ["PythonSdkLine"]

# Its defaults wait for minutes; what is tried is the same.
_OPTIONS: Final[dict[str, Any]] = {
    "ack_timeout": PATIENT_SECONDS,
    "start_timeout": 10,
    "reconnect_retry_total": 5,
    "reconnect_retry_backoff_factor": 0.2,
    "message_retry_backoff_factor": 0.2,
}
# That it stops, or tries again, is what is wanted here.
logging.getLogger("azure.messaging.webpubsubclient").setLevel(logging.ERROR)
# What the SDK says where nobody answered.
_UNKNOWN: Final = frozenset({"", "NoAckMessageReceivedFromServer"})


class PythonSdkLine:
    """A client until it stops for good."""

    def __init__(self, access: Access, hear: Hear) -> None:
        self.lost = asyncio.Event()
        self._hear = hear
        self._replies = Replies()
        self._client = WebPubSubClient(WebPubSubClientCredential(access.url), **_OPTIONS)

    async def open(self) -> None:
        """Open the client."""
        # The line is lost where the client has another connection: what came meanwhile has to be read.
        await self._client.subscribe(CallbackType.SERVER_MESSAGE, self._take)
        await self._client.subscribe(CallbackType.GROUP_MESSAGE, self._take)
        await self._client.subscribe(CallbackType.DISCONNECTED, self._lose)
        await self._client.subscribe(CallbackType.STOPPED, self._lose)
        try:
            await self._client.open()
        except Exception as error:  # noqa: BLE001 - the SDK passes on whatever its transport raises
            raise LineLostError(f"open: {error!r}") from None

    async def ask(self, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Send an event; the client itself tries it again."""
        is_text = isinstance(data, str)
        content: Any = data if is_text else dict(data)  # type: ignore[arg-type]
        try:
            await self._client.send_event(event, content, WebPubSubDataType.TEXT if is_text else WebPubSubDataType.JSON)
        except SendMessageError as error:
            if error.error_detail is not None and error.error_detail.name not in _UNKNOWN:
                return Answer(str(error.error_detail.name))
            raise LineLostError(f"{event}: {error!r}") from None
        except Exception as error:  # noqa: BLE001 - as above
            raise LineLostError(f"{event}: {error!r}") from None
        # Callbacks are tasks: one for the reply is there before the one that wakes this.
        await asyncio.sleep(0)
        return self._replies.answer(data)

    async def close(self) -> None:
        """Close the client."""
        try:
            async with asyncio.timeout(5):
                await self._client.close()
        except Exception:  # noqa: BLE001 - it is over, whatever it says
            return

    async def _take(self, message: Any) -> None:
        if not self._replies.take(message.data):
            self._hear(message.data)

    async def _lose(self, *_: object) -> None:
        self.lost.set()
