"""The REST operations on what a connection may do with one group.

Rules, their number and their precedence are in ``permissions``. The service wants ``targetName``, the group, although
SDKs make it optional.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from webpubsub_emulator.core.permissions import GroupRights, Permission, TooManyRulesError
from webpubsub_emulator.rest.call import Call, InvalidParameterError, RestError, group, not_existed

__all__ = ["check_permission", "grant_permission", "revoke_permission"]

_PERMISSIONS: Final = {
    "sendtogroup": Permission.SEND_TO_GROUP,
    "joinleavegroup": Permission.JOIN_LEAVE_GROUP,
    "1": Permission.SEND_TO_GROUP,
    "2": Permission.JOIN_LEAVE_GROUP,
}


async def grant_permission(call: Call) -> web.Response:
    """PUT a permission; the connection must exist."""
    target, rights = _target(call), _rights(call)
    if rights is None:
        raise not_existed("Info", "Connection", call["connection"])
    try:
        rights.grant(target)
    except TooManyRulesError:
        raise _too_many_rules() from None
    return web.Response(status=200)


async def revoke_permission(call: Call) -> web.Response:
    """DELETE a permission; the connection need not exist."""
    target, rights = _target(call), _rights(call)
    try:
        if rights is not None:
            rights.revoke(target)
    except TooManyRulesError:
        raise _too_many_rules() from None
    return web.Response(status=204)


async def check_permission(call: Call) -> web.Response:
    """HEAD a permission; that of a connection that does not exist is none."""
    target, rights = _target(call), _rights(call)
    if rights is None or not rights.allows(target):
        raise not_existed("Info", "Connection", call["connection"])
    return web.Response(status=200)


def _target(call: Call) -> str:
    return group(call.single("targetName") or "")


def _rights(call: Call) -> GroupRights | None:
    permission = _PERMISSIONS.get(call["permission"].lower())
    if permission is None:
        message = f"The permission must be {Permission.SEND_TO_GROUP} or {Permission.JOIN_LEAVE_GROUP}."
        raise InvalidParameterError("permission", message)
    connection = call.connection()
    return None if connection is None else connection.rights[permission]


def _too_many_rules() -> RestError:
    return RestError(409, "Error.Connection.Conflict", "The connection has too many permission rules.", "Connection")
