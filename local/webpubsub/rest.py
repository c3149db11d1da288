"""The REST data plane under `/api`: routes, versions, access tokens and error bodies.

Paths are matched as they arrived and each segment is decoded once, so `%2F` in a name is a slash in that name.
Source: Azure/azure-rest-api-specs `specification/webpubsub/data-plane`; details from Microsoft's emulator.
"""

import json
import logging
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, unquote

from aiohttp import web

from local.webpubsub import names
from local.webpubsub import rest_operations as operations
from local.webpubsub.hub import Hub, Hubs
from local.webpubsub.rest_call import NEWEST_API_VERSION, Call, RestError, bad_request
from local.webpubsub.rest_operations import Operation
from local.webpubsub.tokens import TokenError, bearer_token, origins, verify_token

API_VERSIONS: Final = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", NEWEST_API_VERSION)

# Literals and parameters take turns in every path below a hub, so (method, literals, number of parameters) is a route.
_ROUTES: Final[dict[tuple[str, str, int], Operation]] = {
    ("POST", ":send", 0): operations.send(operations.everyone),
    ("POST", ":closeConnections", 0): operations.close(operations.everyone),
    ("POST", ":addToGroups", 0): operations.change_groups(Hub.join),
    ("POST", ":removeFromGroups", 0): operations.change_groups(Hub.leave),
    ("HEAD", "connections", 1): operations.exists(operations.of_connection, "Connection"),
    ("DELETE", "connections", 1): operations.close(operations.of_connection),
    ("POST", "connections/:send", 1): operations.send(operations.of_connection),
    ("DELETE", "connections/groups", 1): operations.remove_from_all_groups(operations.of_connection),
    ("HEAD", "groups", 1): operations.exists(operations.of_group, "Group"),
    ("POST", "groups/:send", 1): operations.send(operations.of_group),
    ("POST", "groups/:closeConnections", 1): operations.close(operations.of_group),
    ("GET", "groups/connections", 1): operations.list_connections,
    ("PUT", "groups/connections", 2): operations.add_connection_to_group,
    ("DELETE", "groups/connections", 2): operations.remove_connection_from_group,
    ("HEAD", "users", 1): operations.exists(operations.of_user, "User"),
    ("POST", "users/:send", 1): operations.send(operations.of_user),
    ("POST", "users/:closeConnections", 1): operations.close(operations.of_user),
    ("PUT", "users/groups", 2): operations.add_user_to_group,
    ("DELETE", "users/groups", 2): operations.remove_user_from_group,
    ("DELETE", "users/groups", 1): operations.remove_from_all_groups(operations.of_user),
    ("PUT", "permissions/connections", 2): operations.grant_permission,
    ("DELETE", "permissions/connections", 2): operations.revoke_permission,
    ("HEAD", "permissions/connections", 2): operations.check_permission,
}
_log = logging.getLogger(__name__)


class RestApi:
    """Answers every request under `/api`."""

    def __init__(self, access_keys: Sequence[str], endpoint: str, hubs: Hubs) -> None:
        """`endpoint` is the service's public URL; tokens for it and for the Host header as received are accepted."""
        self._access_keys = access_keys
        self._endpoint = endpoint
        self._hubs = hubs
        self._headers = {"api-supported-versions": ", ".join(API_VERSIONS)}

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        try:
            response = await self._answer(request)
        except RestError as error:
            log = _log.debug if request.method == "HEAD" else _log.warning
            log("REFUSED %s %r with %d: %s", request.method, request.path[:300], error.status, error)
            response = _error_response(error)
        response.headers.update(self._headers)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path, _, raw_query = request.raw_path.partition("?")
        if path == "/api/health" and request.method == "HEAD":
            return web.Response(status=200)
        match path.split("/"):
            case ["", "api", "hubs", raw_hub, *raw_segments] if raw_segments:
                segments = [unquote(segment) for segment in raw_segments]
            case _:
                raise _not_found(request)
        operation = _ROUTES.get((request.method, "/".join(segments[::2]), len(segments) // 2))
        if operation is None:
            raise _not_found(request)
        self._authenticate(request, path)
        query = parse_qs(raw_query, keep_blank_values=True)
        _check_api_version(query.get("api-version", []))
        parameters = segments[1::2]
        if not all(parameters):
            raise bad_request("A name in the path is empty.")
        hub = unquote(raw_hub)
        if not names.is_hub(hub):
            raise bad_request("The hub's name is not valid: a letter first, then letters, digits and _ ` , . [ ].")
        call = Call(request, parameters, query, f"{origins(self._endpoint, request.headers)[-1]}{path}")
        return await operation(self._hubs[hub], call)

    def _authenticate(self, request: web.BaseRequest, path: str) -> None:
        token = bearer_token(request.headers)
        if token is None:
            raise RestError(401, "Error.Unauthorized", "There is no Authorization: Bearer header with an access token.")
        urls = origins(self._endpoint, request.headers)
        audiences = [f"{origin}{target}" for origin in urls for target in (path, request.raw_path)]
        try:
            verify_token(token, self._access_keys, audiences)
        except TokenError as error:
            raise RestError(401, "Error.Unauthorized", f"The access token is not accepted: {error}.") from None


def _check_api_version(versions: Sequence[str]) -> None:
    if len(versions) > 1 or (versions and versions[0] not in API_VERSIONS):
        raise bad_request(f"api-version must be one of {', '.join(API_VERSIONS)}, given once.")


def _not_found(request: web.BaseRequest) -> RestError:
    return RestError(404, "Error.NotFound", f"There is no operation {request.method} at this path.")


def _error_response(error: RestError) -> web.Response:
    fields: dict[str, object] = {
        "code": error.code,
        "message": str(error),
        "target": error.target,
        "details": [],
        "inner": None,
    }
    return web.Response(
        status=error.status,
        headers={"x-ms-error-code": error.code},
        body=json.dumps(fields).encode(),
        content_type="application/json",
    )
