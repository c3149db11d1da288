"""The REST operation that makes a client's token, for callers without a key to sign one themselves."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from webpubsub_emulator.rest.call import MAX_INT, Call, Caller, InvalidParameterError, group, unauthorized

__all__ = ["generate_client_token"]

_DEFAULT_MINUTES: Final = 60
_CLIENT_PATHS: Final = {
    "default": "/client/hubs/{hub}",
    "mqtt": "/clients/mqtt/hubs/{hub}",
    "socketio": "/clients/socketio/hubs/{hub}",
}


async def generate_client_token(call: Call) -> web.Response:
    """POST: a token for one client, with its user, roles and groups."""
    if call.caller is not Caller.ENTRA_ID:
        raise unauthorized(
            "Only callers with a token of Microsoft Entra ID may ask; sign with the access key yourself."
        )
    path = _CLIENT_PATHS.get((call.single("clientType") or "default").lower())
    if path is None:
        raise InvalidParameterError("clientType", "clientType must be Default, MQTT or socketio.")
    minutes = call.integer("minutesToExpire", 1, MAX_INT) or _DEFAULT_MINUTES
    claims: dict[str, Any] = {
        "sub": call.single("userId"),
        "role": call.values("role"),
        "webpubsub.group": [group(name) for name in call.values("group")],
    }
    token = call.sign(path.format(hub=call.hub_name), minutes, {name: value for name, value in claims.items() if value})
    return web.json_response({"token": token})
