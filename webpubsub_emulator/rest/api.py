"""The REST data plane under ``/api``: routes, versions, access tokens and error bodies.

Paths are matched as they arrived and each segment is decoded once, so ``%2F`` in a name is a slash in that name. A
known path with another method is 404. Sources: Azure/azure-rest-api-specs ``specification/webpubsub/data-plane``;
details from Microsoft's emulator.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from webpubsub_emulator.core import names
from webpubsub_emulator.core.hub import Delivery, Hubs
from webpubsub_emulator.core.query import all_values, parse_query
from webpubsub_emulator.core.tokens import (
    ServiceIdentity,
    TokenError,
    bearer_token,
    client_token,
    is_entra_token,
    verify_entra_lifetime,
    verify_token,
)
from webpubsub_emulator.rest import members, operations, permissions, tokens
from webpubsub_emulator.rest.call import (
    NEWEST_API_VERSION,
    Call,
    Caller,
    InvalidParameterError,
    RestError,
    bad_request,
    client_request_id,
    send_target,
    unauthorized,
)
from webpubsub_emulator.rest.operations import Operation
from webpubsub_emulator.upstream.exchange import IN_EXCHANGE
from webpubsub_emulator.upstream.faults import FaultKind, Faults

__all__ = ["API_VERSIONS", "HEALTH", "HUB", "ROUTES", "RestApi"]

API_VERSIONS: Final = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", NEWEST_API_VERSION)
HEALTH: Final = "HEAD /api/health"
HUB: Final = "/api/hubs/{hub}"
ROUTES: Final[Mapping[str, Operation]] = {
    "POST /:send": operations.send_to_all,
    "POST /:closeConnections": operations.close_all_connections,
    "POST /:generateToken": tokens.generate_client_token,
    "POST /:addToGroups": operations.add_connections_to_groups,
    "POST /:removeFromGroups": operations.remove_connections_from_groups,
    "HEAD /connections/{connection}": operations.connection_exists,
    "DELETE /connections/{connection}": operations.close_connection,
    "POST /connections/{connection}/:send": operations.send_to_connection,
    "DELETE /connections/{connection}/groups": operations.remove_connection_from_all_groups,
    "HEAD /groups/{group}": operations.group_exists,
    "POST /groups/{group}/:send": operations.send_to_group,
    "POST /groups/{group}/:closeConnections": operations.close_group_connections,
    "GET /groups/{group}/connections": members.list_connections,
    "PUT /groups/{group}/connections/{connection}": operations.add_connection_to_group,
    "DELETE /groups/{group}/connections/{connection}": operations.remove_connection_from_group,
    "HEAD /users/{user}": operations.user_exists,
    "POST /users/{user}/:send": operations.send_to_user,
    "POST /users/{user}/:closeConnections": operations.close_user_connections,
    "PUT /users/{user}/groups/{group}": operations.add_user_to_group,
    "DELETE /users/{user}/groups/{group}": operations.remove_user_from_group,
    "DELETE /users/{user}/groups": operations.remove_user_from_all_groups,
    "PUT /permissions/{permission}/connections/{connection}": permissions.grant_permission,
    "DELETE /permissions/{permission}/connections/{connection}": permissions.revoke_permission,
    "HEAD /permissions/{permission}/connections/{connection}": permissions.check_permission,
}
logger = logging.getLogger("webpubsub_emulator")


@dataclass(frozen=True, slots=True)
class _Route:
    operation: Operation
    parameters: Sequence[str]


def _key(method: str, segments: Sequence[str]) -> tuple[str, str, int]:
    """Return the key of a route: literals and parameters alternate in every path below a hub."""
    return method, "/".join(segments[::2]), len(segments)


def _route(template: str, operation: Operation) -> tuple[tuple[str, str, int], _Route]:
    method, _, path = template.partition(" /")
    segments = path.split("/")
    return _key(method, segments), _Route(operation, [name.strip("{}") for name in segments[1::2]])


_TABLE: Final = dict(_route(template, operation) for template, operation in ROUTES.items())


class RestApi:
    """Answers every request under ``/api``."""

    def __init__(
        self,
        identity: ServiceIdentity,
        hubs: Hubs,
        faults: Faults,
        delivered: Callable[[Delivery], None],
        *,
        allow_unvalidated_entra_tokens: bool = False,
    ) -> None:
        """``delivered`` is called with what was sent to clients."""
        self._identity = identity
        self._hubs = hubs
        self._faults = faults
        self._delivered = delivered
        self._allow_unvalidated_entra_tokens = allow_unvalidated_entra_tokens
        self._headers = {"api-supported-versions": ", ".join(API_VERSIONS)}

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        try:
            response = await self._answer(request)
        except RestError as error:
            log = logger.debug if request.method == "HEAD" else logger.warning
            log("REFUSED %s %r with %d: %.500s", request.method, request.path[:300], error.status, error)
            response = _error_response(error)
        response.headers.update(self._headers)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path, _, raw_query = request.raw_path.partition("?")
        path = path.removesuffix("/")
        if f"{request.method} {path}" == HEALTH:
            return web.Response(status=200)
        match path.split("/"):
            case ["", "api", "hubs", raw_hub, *raw_segments]:
                segments = [unquote(segment) for segment in raw_segments]
            case _:
                raise _not_found(request)
        route = _TABLE.get(_key(request.method, segments))
        if route is None:
            raise _not_found(request)
        hub = unquote(raw_hub).lower()
        parameters = dict(zip(route.parameters, segments[1::2], strict=True))
        if segments[-1] == ":send" and self._faults.is_active(FaultKind.UNAVAILABLE, hub):
            return self._unavailable(request, hub, parameters)
        urls = self._identity.origins(request.headers)
        caller = self._authenticate(request, [f"{url}{target}" for url in urls for target in (path, request.raw_path)])
        query = parse_query(raw_query)
        _check_api_version(all_values(query, "api-version"))
        if not all(segments):
            raise bad_request("A name in the path is empty.")
        if not names.is_hub(hub):
            raise InvalidParameterError(
                "hub", "The hub's name is not valid: a letter first, then letters, digits and _ ` , . [ ]."
            )
        url = f"{urls[-1]}{path}"
        call = Call(request, self._hubs, hub, parameters, query, url, caller, self._sign, self._delivered)
        return await route.operation(call)

    def _unavailable(self, request: web.BaseRequest, hub: str, parameters: Mapping[str, str]) -> web.Response:
        logger.warning(
            "HTTP 503 on purpose, by the fault unavailable: %s %r",
            request.method,
            request.path[:300],
            extra=IN_EXCHANGE,
        )
        target, request_id = send_target(parameters), client_request_id(request)
        self._delivered(Delivery(hub, target, None, 0, request_id=request_id, problem="HTTP 503 on purpose"))
        return web.Response(status=503, text="On purpose: the fault unavailable is on.")

    def _authenticate(self, request: web.BaseRequest, audiences: Sequence[str]) -> Caller:
        token = bearer_token(request.headers)
        if token is None:
            raise unauthorized("There is no Authorization: Bearer header with an access token.")
        try:
            if not is_entra_token(token):
                verify_token(token, self._identity.access_keys, audiences)
                return Caller.ACCESS_KEY
            if not self._allow_unvalidated_entra_tokens:
                raise TokenError(
                    "it is one of Microsoft Entra ID, which this emulator cannot validate; start it with "
                    "--allow-unvalidated-entra-tokens to accept any such token"
                )
            verify_entra_lifetime(token)
        except TokenError as error:
            raise unauthorized(f"The access token is not accepted: {error}.") from None
        return Caller.ENTRA_ID

    def _sign(self, path: str, minutes: int, claims: Mapping[str, Any]) -> str:
        return client_token(self._identity.access_keys[0], f"{self._identity.endpoint}{path}", minutes, claims)


def _check_api_version(versions: Sequence[str]) -> None:
    if len(versions) > 1 or (versions and versions[0] not in API_VERSIONS):
        raise InvalidParameterError("api-version", f"api-version must be one of {', '.join(API_VERSIONS)}, given once.")


def _not_found(request: web.BaseRequest) -> RestError:
    return RestError(404, "Error.NotFound", f"There is no operation {request.method} at this path.")


def _error_response(error: RestError) -> web.Response:
    return web.Response(
        status=error.status,
        headers={"x-ms-error-code": error.code},
        body=json.dumps(error.body(), separators=(",", ":")).encode(),
        content_type=error.content_type,
        charset="utf-8",
    )
