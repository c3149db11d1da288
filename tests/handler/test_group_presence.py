from __future__ import annotations

import pytest

from tests.wire import event
from webpubsub_handler import (
    EventErrorResponse,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    HttpResponse,
    UserEventRequest,
    WebPubSubEventHandler,
)


async def test_a_client_that_joins_and_leaves_a_group_is_told_to_the_functions_for_it(
    handler: WebPubSubEventHandler,
) -> None:
    told: list[tuple[str, str | None, str]] = []

    @handler.on_group_joined
    async def joined(request: GroupJoinedEventRequest) -> None:
        told.append(("joined", request.context.user_id, request.group))

    @handler.on_group_left
    def left(request: GroupLeftEventRequest) -> None:
        told.append(("left", request.context.user_id, request.group))

    for name in ["joined", "left"]:
        assert await handler.handle(event(f"quirks/group_{name}")) == HttpResponse(204)

    assert told == [("joined", "ana", "lobby"), ("left", "ana", "lobby")]


@pytest.mark.parametrize("name", ["joined", "left"])
async def test_group_presence_without_a_function_is_answered_204(handler: WebPubSubEventHandler, name: str) -> None:
    assert await handler.handle(event(f"quirks/group_{name}")) == HttpResponse(204)


@pytest.mark.parametrize("name", ["joined", "left"])
async def test_group_presence_is_not_a_user_event_of_that_name(handler: WebPubSubEventHandler, name: str) -> None:
    calls: list[object] = []
    handler.on_user_event(name, "*")(calls.append)

    await handler.handle(event(f"quirks/group_{name}"))

    assert calls == []


@pytest.mark.parametrize("name", ["joined", "left"])
async def test_a_user_event_of_that_name_is_not_group_presence(handler: WebPubSubEventHandler, name: str) -> None:
    calls: list[object] = []
    handler.on_group_joined(calls.append)
    handler.on_group_left(calls.append)
    seen: list[str] = []

    @handler.on_user_event(name)
    async def user(request: UserEventRequest) -> None:
        seen.append(request.context.event_name)

    sent = {"ce-type": f"azure.webpubsub.user.{name}", "ce-eventName": name}
    await handler.handle(event("user_text", headers=sent))

    assert (calls, seen) == ([], [name])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"group":null}', b'{"group":7}', b'{"group":["lobby"]}', b"{"])
@pytest.mark.parametrize("name", ["joined", "left"])
async def test_group_presence_without_a_group_is_a_400_and_runs_no_function(
    handler: WebPubSubEventHandler, name: str, body: bytes
) -> None:
    calls: list[object] = []
    handler.on_group_joined(calls.append)
    handler.on_group_left(calls.append)

    assert (await handler.handle(event(f"quirks/group_{name}", body))).status == 400
    assert calls == []


async def test_members_of_the_future_are_left_alone(handler: WebPubSubEventHandler) -> None:
    groups: list[str] = []

    @handler.on_group_joined
    async def joined(request: GroupJoinedEventRequest) -> None:
        groups.append(request.group)

    await handler.handle(event("quirks/group_joined", b'{"group":"lobby","members":7}'))

    assert groups == ["lobby"]


async def test_a_function_for_group_presence_can_say_that_it_failed(handler: WebPubSubEventHandler) -> None:
    @handler.on_group_left
    async def left(_: GroupLeftEventRequest) -> EventErrorResponse:
        return EventErrorResponse(503, "later")

    response = await handler.handle(event("quirks/group_left"))

    assert (response.status, response.body) == (503, b"later")


@pytest.mark.parametrize("name", ["joined", "left"])
async def test_group_presence_must_be_authenticated_too(handler: WebPubSubEventHandler, name: str) -> None:
    assert (await handler.handle(event(f"quirks/group_{name}", headers={"ce-signature": None}))).status == 401
