"""What each REST operation does to a hub; the statuses are those of the data-plane REST API 2024-12-01.

An operation gets the hub and the call, and returns a response; problems are raised as `RestError`.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from local.webpubsub import hub as hubs
from local.webpubsub import names
from local.webpubsub.client_protocol import OutgoingMessage
from local.webpubsub.connection import Connection
from local.webpubsub.hub import Hub
from local.webpubsub.messages import MessageBodyError, parse_json
from local.webpubsub.permissions import GroupRights, Permission, TooManyRulesError
from local.webpubsub.rest_call import NEWEST_API_VERSION, Call, RestError, bad_request

_MAX_TTL_SECONDS: Final = 300
_MAX_PAGE_SIZE: Final = 200
_MAX_TOP: Final = 2**31 - 1
_PERMISSIONS: Final = {
    "sendtogroup": Permission.SEND_TO_GROUP,
    "joinleavegroup": Permission.JOIN_LEAVE_GROUP,
    "1": Permission.SEND_TO_GROUP,
    "2": Permission.JOIN_LEAVE_GROUP,
}


Operation = Callable[[Hub, Call], Awaitable[web.Response]]
_Recipients = Callable[[Hub, Call], Iterable[Connection]]


def everyone(hub: Hub, _: Call) -> Iterable[Connection]:
    """All connections of the hub."""
    return hub


def of_group(hub: Hub, call: Call) -> Collection[Connection]:
    """The members of the group in the path."""
    return hub.group(_group(call.parameters[0]))


def of_user(hub: Hub, call: Call) -> Collection[Connection]:
    """The connections of the user in the path."""
    return hub.user(call.parameters[0])


def of_connection(hub: Hub, call: Call) -> Collection[Connection]:
    """The connection in the path."""
    connection = hub.connection(call.parameters[0])
    return () if connection is None else (connection,)


def send(recipients: _Recipients) -> Operation:
    """Send the body; to nobody is fine too."""

    async def operation(hub: Hub, call: Call) -> web.Response:
        call.refuse_filter()
        call.integer("messageTtlSeconds", 0, _MAX_TTL_SECONDS)
        targets = recipients(hub, call)
        hubs.deliver(OutgoingMessage(await call.payload()), targets, call.excluded())
        return web.Response(status=202)

    return operation


def close(recipients: _Recipients) -> Operation:
    """Close connections; none is fine too."""

    async def operation(hub: Hub, call: Call) -> web.Response:
        hubs.close(recipients(hub, call), call.value("reason"), call.excluded())
        return web.Response(status=204)

    return operation


def exists(recipients: Callable[[Hub, Call], Collection[Connection]], kind: str) -> Operation:
    """Say whether there is any such connection; `kind` names what is missing in the error code."""

    async def operation(hub: Hub, call: Call) -> web.Response:
        if not recipients(hub, call):
            raise RestError(404, f"Warning.{kind}.NotExisted", f"{kind} `{call.parameters[0]}` is not found.", kind)
        return web.Response(status=200)

    return operation


async def add_connection_to_group(hub: Hub, call: Call) -> web.Response:
    """PUT one connection into a group."""
    group, connection_id = call.parameters
    hub.join(_connection(hub, connection_id), _group(group))
    return web.Response(status=200)


async def remove_connection_from_group(hub: Hub, call: Call) -> web.Response:
    """DELETE one membership; it need not exist."""
    group, connection_id = call.parameters
    connection = hub.connection(connection_id)
    if connection is not None:
        hub.leave(connection, _group(group))
    return web.Response(status=204)


async def add_user_to_group(hub: Hub, call: Call) -> web.Response:
    """PUT all connections of a user into a group."""
    user_id, group = call.parameters
    connections = hub.user(user_id)
    if not connections:
        raise RestError(404, "Error.User.NotExisted", f"User `{user_id}` is not found.", "User")
    for connection in connections:
        hub.join(connection, _group(group))
    return web.Response(status=200)


async def remove_user_from_group(hub: Hub, call: Call) -> web.Response:
    """DELETE the memberships of a user in one group; they need not exist."""
    user_id, group = call.parameters
    for connection in hub.user(user_id):
        hub.leave(connection, _group(group))
    return web.Response(status=204)


def remove_from_all_groups(members: Callable[[Hub, Call], Collection[Connection]]) -> Operation:
    """DELETE all memberships; there need not be any."""

    async def operation(hub: Hub, call: Call) -> web.Response:
        for connection in members(hub, call):
            hub.leave_all(connection)
        return web.Response(status=204)

    return operation


def change_groups(change: Callable[[Hub, Connection, str], None]) -> Operation:
    """POST `{"groups": […]}`: join or leave them with all connections of the hub."""

    async def operation(hub: Hub, call: Call) -> web.Response:
        for group in await _groups_in_body(call):
            for connection in hub:
                change(hub, connection, group)
        return web.Response(status=200)

    return operation


async def list_connections(hub: Hub, call: Call) -> web.Response:
    """GET the members of a group, page by page, sorted by connection id."""
    size = call.integer("maxpagesize", 1, _MAX_PAGE_SIZE) or _MAX_PAGE_SIZE
    top = call.integer("top", 1, _MAX_TOP)
    after = _position(call.value("continuationToken"))
    members = sorted((c for c in of_group(hub, call) if c.id > after), key=lambda c: c.id)
    page = members[: size if top is None else min(size, top)]
    answer: dict[str, Any] = {
        "value": [{"connectionId": c.id, "userId": c.user_id} if c.user_id else {"connectionId": c.id} for c in page]
    }
    is_last = len(page) == len(members) or top == len(page)
    if not is_last:
        rest = {"maxpagesize": size, "continuationToken": _token(page[-1].id)}
        if top is not None:
            rest["top"] = top - len(page)
        rest["api-version"] = call.value("api-version") or NEWEST_API_VERSION
        answer["nextLink"] = f"{call.url}?{urlencode(rest)}"
    return web.json_response(answer)


async def grant_permission(hub: Hub, call: Call) -> web.Response:
    """PUT a permission on one group, or on all without `targetName`."""
    name, connection_id = call.parameters
    rights = _rights(_connection(hub, connection_id), name)
    group = call.value("targetName")
    try:
        if group is None:
            rights.grant_all()
        else:
            rights.grant(_group(group))
    except TooManyRulesError:
        raise _too_many_rules() from None
    return web.Response(status=200)


async def revoke_permission(hub: Hub, call: Call) -> web.Response:
    """DELETE a permission on one group, or on all without `targetName`; the connection need not exist."""
    name, connection_id = call.parameters
    connection = hub.connection(connection_id)
    group = call.value("targetName")
    permission = _permission(name)
    if connection is None:
        return web.Response(status=204)
    rights = connection.rights[permission]
    try:
        if group is None:
            rights.revoke_all()
        else:
            rights.revoke(_group(group))
    except TooManyRulesError:
        raise _too_many_rules() from None
    return web.Response(status=204)


async def check_permission(hub: Hub, call: Call) -> web.Response:
    """HEAD a permission on one group, or on all without `targetName`."""
    name, connection_id = call.parameters
    connection = hub.connection(connection_id)
    group = call.value("targetName")
    permission = _permission(name)
    if connection is not None:
        rights = connection.rights[permission]
        if rights.allows_all() if group is None else rights.allows(_group(group)):
            return web.Response(status=200)
    raise RestError(404, "Info.Connection.NotExisted", "The connection does not have the permission.", "Connection")


def _connection(hub: Hub, connection_id: str) -> Connection:
    connection = hub.connection(connection_id)
    if connection is None:
        raise RestError(404, "Error.Connection.NotExisted", f"Connection `{connection_id}` is not found.", "Connection")
    return connection


def _group(name: str) -> str:
    if not names.is_group(name):
        raise bad_request("A group's name must have 1 to 1024 characters, not only white space.")
    return name


def _permission(name: str) -> Permission:
    permission = _PERMISSIONS.get(name.lower())
    if permission is None:
        raise bad_request(f"The permission must be {Permission.SEND_TO_GROUP} or {Permission.JOIN_LEAVE_GROUP}.")
    return permission


def _rights(connection: Connection, permission: str) -> GroupRights:
    return connection.rights[_permission(permission)]


def _too_many_rules() -> RestError:
    return RestError(409, "Error.Connection.Conflict", "The connection has too many permission rules.", "Connection")


async def _groups_in_body(call: Call) -> list[str]:
    try:
        fields = parse_json(await call.body())
    except MessageBodyError as error:
        raise bad_request(str(error)) from None
    groups = fields.get("groups") if isinstance(fields, dict) else None
    if not isinstance(fields, dict) or not isinstance(groups, list) or not groups:
        raise bad_request('The body must be {"groups": […]} with at least one group.')
    if fields.get("filter"):
        raise bad_request("'filter' is not supported yet by this emulator; leave it away.")
    if not all(isinstance(group, str) for group in groups):
        raise bad_request("'groups' must be a list of strings.")
    return [_group(group) for group in groups]


def _token(connection_id: str) -> str:
    return base64.urlsafe_b64encode(connection_id.encode()).decode()


def _position(token: str | None) -> str:
    try:
        return "" if token is None else base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise bad_request("continuationToken is not valid: follow nextLink as it is.") from None
