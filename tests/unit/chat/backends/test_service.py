"""No name leads a call to the service elsewhere."""

from __future__ import annotations

import pytest

from chat.backends.service import Service
from chat.settings import WebPubSubEndpoint

# Nobody listens there: a call that is made fails as unavailable, and not as the names do.
NOWHERE = "Endpoint=http://127.0.0.1:9;AccessKey=k;Version=1.0;"


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_step_in_a_path_is_not_a_room_a_user_or_a_connection(name: str) -> None:
    service = Service("chat", WebPubSubEndpoint("http://127.0.0.1:9", NOWHERE, "k"))
    for call in (
        service.broadcast(name, b"{}"),
        service.leave("conn-42", name),
        service.leave(name, "lobby"),
        service.remove("ana", name),
        service.remove(name, "lobby"),
        service.close(name),
    ):
        with pytest.raises(ValueError, match="cannot be the name"):
            await call
