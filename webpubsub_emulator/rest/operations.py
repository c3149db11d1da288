"""What REST operations do to a hub's connections; the statuses are those of the data-plane REST API 2024-12-01.

An operation gets the call and returns a response; problems are raised as ``RestError``. Lists, permissions and tokens
have modules of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

from aiohttp import web

from webpubsub_emulator.core import hub as hubs
from webpubsub_emulator.core.client_protocol import OutgoingMessage
from webpubsub_emulator.core.connection import Connection
from webpubsub_emulator.core.hub import Delivery, Hubs
from webpubsub_emulator.core.messages import MAX_TTL_SECONDS, DataType, Payload, parse_json
from webpubsub_emulator.rest.call import (
    Call,
    ConnectionPredicate,
    bad_request,
    client_request_id,
    group,
    matching,
    not_existed,
    send_target,
    unsupported_media_type,
)

__all__ = [
    "Operation",
    "add_connection_to_group",
    "add_connections_to_groups",
    "add_user_to_group",
    "close_all_connections",
    "close_connection",
    "close_group_connections",
    "close_user_connections",
    "connection_exists",
    "group_exists",
    "remove_connection_from_all_groups",
    "remove_connection_from_group",
    "remove_connections_from_groups",
    "remove_user_from_all_groups",
    "remove_user_from_group",
    "send_to_all",
    "send_to_connection",
    "send_to_group",
    "send_to_user",
    "user_exists",
]

Operation = Callable[[Call], Awaitable[web.Response]]
_Choice = Callable[[Call], Collection[Connection]]
_Narrowing = Callable[[Call], ConnectionPredicate]


def _everyone(call: Call) -> Collection[Connection]:
    return () if call.hub is None else tuple(call.hub)


def _of_group(call: Call) -> Collection[Connection]:
    return call.group_members()


def _of_user(call: Call) -> Collection[Connection]:
    return () if call.hub is None else call.hub.user(call["user"])


def _of_connection(call: Call) -> Collection[Connection]:
    connection = call.connection()
    return () if connection is None else (connection,)


def _filtered(call: Call) -> ConnectionPredicate:
    return matching(call.single("filter"), "filter")


def _not_excluded(call: Call) -> ConnectionPredicate:
    excluded = frozenset(call.values("excluded"))
    return lambda connection: connection.id not in excluded


def _passing(predicates: Iterable[ConnectionPredicate], connections: Iterable[Connection]) -> list[Connection]:
    return [connection for connection in connections if all(passes(connection) for passes in predicates)]


def _from_server(payload: Payload, _: Call) -> OutgoingMessage:
    return OutgoingMessage(payload)


def _from_group(payload: Payload, call: Call) -> OutgoingMessage:
    return OutgoingMessage(payload, call["group"])


def _send(
    choice: _Choice, *narrowings: _Narrowing, message: Callable[[Payload, Call], OutgoingMessage] = _from_server
) -> Operation:
    """Send the body; there need not be any receiver."""

    async def operation(call: Call) -> web.Response:
        # Validated and not used, as in Microsoft's emulator: delivery is immediate and no message expires.
        call.integer("messageTtlSeconds", 0, MAX_TTL_SECONDS)
        predicates = [narrowing(call) for narrowing in narrowings]
        outgoing = message(await call.payload(), call)
        receivers = hubs.deliver(outgoing, _passing(predicates, choice(call)))
        target, request_id = send_target(call.parameters), client_request_id(call.request)
        call.delivered(Delivery(call.hub_name, target, outgoing.payload, receivers, request_id=request_id))
        return web.Response(status=202)

    return operation


def _close(choice: _Choice, *narrowings: _Narrowing) -> Operation:
    """Close connections; there need not be any."""

    async def operation(call: Call) -> web.Response:
        predicates = [narrowing(call) for narrowing in narrowings]
        hubs.close(_passing(predicates, choice(call)), call.single("reason"))
        return web.Response(status=204)

    return operation


def _exists(choice: _Choice, kind: str) -> Operation:
    """Say whether there is any such connection; ``kind`` names what is missing in the error code."""

    async def operation(call: Call) -> web.Response:
        if not choice(call):
            raise not_existed("Warning", kind, call[kind.lower()])
        return web.Response(status=200)

    return operation


def _join(choice: _Choice, severity: str, kind: str) -> Operation:
    """Put connections into a group; there must be one."""

    async def operation(call: Call) -> web.Response:
        name, connections = call["group"], choice(call)
        if not connections:
            raise not_existed(severity, kind, call[kind.lower()])
        for connection in connections:
            call.hubs.join(connection, name)
        return web.Response(status=200)

    return operation


def _leave(choice: _Choice) -> Operation:
    """End memberships of one group; there need not be any."""

    async def operation(call: Call) -> web.Response:
        name = call["group"]
        for connection in choice(call):
            call.hubs.leave(connection, name)
        return web.Response(status=204)

    return operation


def _leave_all(choice: _Choice) -> Operation:
    """End all memberships; there need not be any."""

    async def operation(call: Call) -> web.Response:
        for connection in choice(call):
            call.hubs.leave_all(connection)
        return web.Response(status=204)

    return operation


def _change_groups(change: Callable[[Hubs, Connection, str], None]) -> Operation:
    """Join or leave the groups of ``{"groups": […], "filter": …}`` with all connections that match the filter."""

    async def operation(call: Call) -> web.Response:
        groups, predicate = await _groups_and_filter(call)
        for connection in _passing([predicate], _everyone(call)):
            for name in groups:
                change(call.hubs, connection, name)
        return web.Response(status=200)

    return operation


async def _groups_and_filter(call: Call) -> tuple[list[str], ConnectionPredicate]:
    payload = await call.payload()
    if payload.data_type is not DataType.JSON:
        raise unsupported_media_type("The body must be application/json.")
    body = parse_json(payload.body)
    # Keys are case-insensitive, as in ASP.NET Core and so in the service.
    match {key.lower(): value for key, value in body.items()} if isinstance(body, dict) else None:
        case {"groups": [_, *_] as groups, **rest} if all(isinstance(name, str) for name in groups):
            text = rest.get("filter")
        case _:
            raise bad_request('The body must be {"groups": […], "filter": …} with at least one group, a string.')
    if text is not None and not isinstance(text, str):
        raise bad_request("'filter' must be a string.")
    return [group(name) for name in groups], matching(text, "Filter")


send_to_all: Final = _send(_everyone, _filtered, _not_excluded)
send_to_group: Final = _send(_of_group, _filtered, _not_excluded, message=_from_group)
send_to_user: Final = _send(_of_user, _filtered)
send_to_connection: Final = _send(_of_connection)
close_all_connections: Final = _close(_everyone, _not_excluded)
close_group_connections: Final = _close(_of_group, _not_excluded)
close_user_connections: Final = _close(_of_user, _not_excluded)
close_connection: Final = _close(_of_connection)
group_exists: Final = _exists(_of_group, "Group")
user_exists: Final = _exists(_of_user, "User")
connection_exists: Final = _exists(_of_connection, "Connection")
add_connection_to_group: Final = _join(_of_connection, "Error", "Connection")
add_user_to_group: Final = _join(_of_user, "Warning", "User")
remove_connection_from_group: Final = _leave(_of_connection)
remove_user_from_group: Final = _leave(_of_user)
remove_connection_from_all_groups: Final = _leave_all(_of_connection)
remove_user_from_all_groups: Final = _leave_all(_of_user)
add_connections_to_groups: Final = _change_groups(Hubs.join)
remove_connections_from_groups: Final = _change_groups(Hubs.leave)
