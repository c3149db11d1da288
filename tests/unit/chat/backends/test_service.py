"""No name leads a call to the service elsewhere."""

from __future__ import annotations

import pytest

from chat.backends.service import Service
from chat.settings import WebPubSubEndpoint

# Nobody listens there: a call that is made fails as unavailable, and not as the names do.
NOWHERE = WebPubSubEndpoint("http://127.0.0.1:9", "k")


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_step_in_a_path_is_no_room_no_user_and_no_connection(name: str) -> None:
    service = Service("chat", NOWHERE)
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
