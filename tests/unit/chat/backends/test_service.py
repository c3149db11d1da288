"""No name leads a call to the service elsewhere, and what needs no call is not refused with those that fail."""

from __future__ import annotations

import asyncio

import pytest

from chat.backends import service as module
from chat.backends.azure_clients import MAX_TIMEOUTS, TooManyTimeoutsError
from chat.backends.service import Service, ServiceUnavailableError
from chat.settings import WebPubSubEndpoint

# Nobody listens there: a call that is made fails as unavailable, and not as the names do.
NOWHERE = WebPubSubEndpoint("http://127.0.0.1:9", "k")


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_step_in_a_path_is_not_a_room_a_user_or_a_connection(name: str) -> None:
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


@pytest.mark.external
async def test_a_client_s_url_that_a_key_makes_needs_no_service_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CALL_SECONDS", 0.05)
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with silent:
        service = Service("chat", WebPubSubEndpoint(f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}", "k" * 32))
        calls = [service.close("conn-42") for _ in range(MAX_TIMEOUTS)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ServiceUnavailableError] * MAX_TIMEOUTS
        assert "access_token=" in (await service.client_access("ana", ["lobby"])).url
        # It was no answer of the service either.
        with pytest.raises(ServiceUnavailableError) as caught:
            await service.close("conn-42")
        assert isinstance(caught.value.__cause__, TooManyTimeoutsError)
        await service.aclose()
