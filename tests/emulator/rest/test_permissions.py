"""Permissions given, taken and asked for over REST."""

from __future__ import annotations

import json

import pytest

from tests.emulator.conftest import Service
from tests.emulator.fakes import Answer, RecordingHandler
from webpubsub_emulator.core.permissions import MAX_RULES

SEND = "/permissions/sendToGroup/connections/conn-1"


async def statuses(service: Service, *calls: tuple[str, str]) -> list[int]:
    return [(await service.rest(method, path))[0] for method, path in calls]


async def test_permissions_can_be_given_and_taken(service: Service) -> None:
    socket = await service.connect()
    path = f"{SEND}?targetName=g"
    assert await statuses(service, ("HEAD", path), ("PUT", path), ("HEAD", path)) == [404, 200, 200]
    assert (await socket.request(type="sendToGroup", group="g", data=1, ackId=1))["success"] is True
    assert (await service.rest("DELETE", path))[0] == 204
    assert (await socket.request(type="sendToGroup", group="g", data=1, ackId=2))["success"] is False


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize(
    "query", ["", "?targetName=", "?targetName=%20%09", f"?targetName={'g' * 1025}", "?targetName=a&targetName=b"]
)
@pytest.mark.parametrize("connection", ["conn-1", "none"])
async def test_a_permission_is_one_on_a_group(service: Service, method: str, query: str, connection: str) -> None:
    await service.connect()
    assert (await service.rest(method, f"/permissions/sendToGroup/connections/{connection}{query}"))[0] == 400


@pytest.mark.parametrize("role", ["webpubsub.sendToGroup", "webpubsub.sendToGroup.g", "webpubsub.sendToGroups.*"])
async def test_no_role_restores_a_revoked_right_until_it_is_granted_again(service: Service, role: str) -> None:
    await service.connect(role=role, groups="g")
    path = f"{SEND}?targetName=g"
    assert await statuses(service, ("HEAD", path), ("DELETE", path), ("HEAD", path)) == [200, 204, 404]
    assert (await service.rest("HEAD", "/groups/g"))[0] == 200
    assert await statuses(service, ("PUT", path), ("HEAD", path)) == [200, 200]


async def test_a_target_is_a_name_and_no_pattern(service: Service) -> None:
    await service.connect()
    await service.rest("PUT", f"{SEND}?targetName=room.*")
    assert await statuses(service, ("HEAD", f"{SEND}?targetName=room.*"), ("HEAD", f"{SEND}?targetName=room.a")) == [
        200,
        404,
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/permissions/sendToGroup/connections/none", 404),
        ("DELETE", "/permissions/sendToGroup/connections/none", 204),
        ("HEAD", "/permissions/sendToGroup/connections/none", 404),
        ("PUT", "/permissions/SENDTOGROUP/connections/conn-1", 200),
        ("PUT", "/permissions/1/connections/conn-1", 200),
        ("PUT", "/permissions/2/connections/conn-1", 200),
        ("PUT", "/permissions/0/connections/conn-1", 400),
        ("PUT", "/permissions/3/connections/conn-1", 400),
        ("PUT", "/permissions/other/connections/conn-1", 400),
        ("DELETE", "/permissions/other/connections/none", 400),
        ("HEAD", "/permissions/other/connections/none", 400),
        ("PUT", "/permissions/sendToGroup,joinLeaveGroup/connections/conn-1", 400),
    ],
)
async def test_a_permission_call_has_its_status(service: Service, method: str, path: str, status: int) -> None:
    await service.connect()
    assert (await service.rest(method, f"{path}?targetName=g"))[0] == status


async def test_numbers_stand_for_the_two_permissions(service: Service) -> None:
    await service.connect()
    for number, name in ((1, "sendToGroup"), (2, "joinLeaveGroup")):
        calls = [
            ("PUT", f"/permissions/{number}/connections/conn-1?targetName=g{number}"),
            ("HEAD", f"/permissions/{name}/connections/conn-1?targetName=g{number}"),
        ]
        assert await statuses(service, *calls) == [200, 200]


@pytest.mark.parametrize("method", ["PUT", "HEAD"])
async def test_a_connection_that_is_not_there_has_its_own_error_code(service: Service, method: str) -> None:
    _, headers, _ = await service.rest(method, "/permissions/sendToGroup/connections/none?targetName=g")
    assert headers["x-ms-error-code"] == "Info.Connection.NotExisted"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_one_rule_too_many_is_a_conflict_and_changes_nothing(
    service: Service, handler: RecordingHandler, method: str
) -> None:
    roles = [f"webpubsub.sendToGroup.g{number}" for number in range(MAX_RULES)]
    handler.script["connect"] = [Answer(200, json.dumps({"roles": roles}).encode())]
    await service.connect()
    status, headers, _ = await service.rest(method, f"{SEND}?targetName=more")
    assert (status, headers["x-ms-error-code"]) == (409, "Error.Connection.Conflict")
    checks = [("HEAD", f"{SEND}?targetName=more"), ("HEAD", f"{SEND}?targetName=g0"), ("PUT", f"{SEND}?targetName=g0")]
    assert await statuses(service, *checks) == [404, 200, 200]
