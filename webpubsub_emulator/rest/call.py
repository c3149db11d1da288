"""One call of the REST data plane: what an operation can ask of it, and how an operation says no."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from aiohttp import web

from webpubsub_emulator.core import names, query
from webpubsub_emulator.core.connection import Connection
from webpubsub_emulator.core.hub import Delivery, Hub, Hubs
from webpubsub_emulator.core.messages import (
    MAX_MESSAGE_BYTES,
    MessageBodyError,
    Payload,
    UnsupportedContentTypeError,
    metadata_from_headers,
    payload_from_http,
)
from webpubsub_emulator.core.query import Query
from webpubsub_emulator.rest.filter import ConnectionFacts, ConnectionFilter, FilterError

__all__ = [
    "MAX_INT",
    "NEWEST_API_VERSION",
    "Call",
    "Caller",
    "ConnectionPredicate",
    "InvalidParameterError",
    "RestError",
    "bad_request",
    "client_request_id",
    "group",
    "matching",
    "not_existed",
    "send_target",
    "unauthorized",
    "unsupported_media_type",
]

NEWEST_API_VERSION: Final = "2024-12-01"
MAX_INT: Final = 2**31 - 1
_MAX_REQUEST_ID_LENGTH: Final = 128
ConnectionPredicate = Callable[[Connection], bool]


class RestError(Exception):
    """An operation that did not happen: the status, the service's error code, a sentence and what it is about."""

    content_type = "application/json"

    def __init__(self, status: int, code: str, message: str, target: str | None = None) -> None:
        """Keep what the error body needs."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.target = target

    def body(self) -> dict[str, object]:
        """Return the fields of the error body."""
        return {
            "code": self.code,
            "message": str(self),
            "target": self.target,
            "details": None,
            "innererror": None,
        }


class InvalidParameterError(RestError):
    """A parameter cannot have its value; the service answers such errors in a form of their own."""

    content_type = "application/problem+json"

    def __init__(self, parameter: str, message: str) -> None:
        """Say what is wrong with ``parameter``."""
        super().__init__(400, "Error.BadRequest", message, parameter)

    def body(self) -> dict[str, object]:
        """Return the fields of the error body."""
        return {
            "code": self.code,
            "message": str(self),
            "target": self.target,
            "errors": {self.target: [str(self)]},
            "type": None,
            "title": "One or more validation errors occurred.",
            "status": self.status,
            "detail": None,
            "instance": None,
            "extensions": {},
        }


def bad_request(message: str) -> RestError:
    """Return the error for a caller that asks for something impossible."""
    return RestError(400, "Error.BadRequest", message, "Request")


def not_existed(severity: str, kind: str, name: str) -> RestError:
    """Return the error of a caller who names what is not there; the severities are the service's."""
    return RestError(404, f"{severity}.{kind}.NotExisted", f"{kind} `{name}` is not found.", kind)


def unauthorized(message: str) -> RestError:
    """Return the error of a caller whose token does not do."""
    return RestError(401, "Error.Unauthorized", message)


def unsupported_media_type(message: str) -> RestError:
    """Return the error of a body that the operation cannot read."""
    return RestError(415, "Error.UnsupportedMediaType", message)


class Caller(Enum):
    """By what a caller is known."""

    ACCESS_KEY = auto()
    ENTRA_ID = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its hub, the parameters of its path, its query, the absolute URL without the query, who calls.

    ``sign`` makes a client's token: for a path of the service, for some minutes, with claims. ``delivered`` is told
    what went to clients.
    """

    request: web.BaseRequest
    hubs: Hubs
    hub_name: str
    parameters: Mapping[str, str]
    query: Query
    url: str
    caller: Caller
    sign: Callable[[str, int, Mapping[str, Any]], str]
    delivered: Callable[[Delivery], None]

    @property
    def hub(self) -> Hub | None:
        """The hub as it is now: ``None`` without a connection, and the first may come while a body arrives."""
        return self.hubs.find(self.hub_name)

    def connection(self) -> Connection | None:
        """Return the connection that the path names."""
        return None if self.hub is None else self.hub.connection(self["connection"])

    def group_members(self) -> Collection[Connection]:
        """Return the members of the group that the path names; empty when there are none."""
        name = self["group"]
        return () if self.hub is None else self.hub.group(name)

    def __getitem__(self, name: str) -> str:
        """Return a parameter of the path; a group's is valid."""
        value = self.parameters[name]
        return group(value) if name == "group" else value

    def single(self, name: str) -> str | None:
        """Return a query parameter that must not be given twice."""
        given = self.values(name)
        if len(given) > 1:
            raise InvalidParameterError(name, f"{name} is given {len(given)} times; once is enough.")
        return given[0] if given else None

    def values(self, name: str) -> list[str]:
        """Return all values of a query parameter, whose name may be written in any case."""
        return query.all_values(self.query, name)

    def integer(self, name: str, minimum: int, maximum: int) -> int | None:
        """Return a query parameter as an integer between two bounds."""
        value = self.single(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= 10 and minimum <= int(value) <= maximum):
            raise InvalidParameterError(name, f"{name} must be an integer from {minimum} to {maximum}.")
        return int(value)

    async def body(self) -> bytes:
        """Return the body, whose length must be announced and at most 1 MiB."""
        length = self.request.content_length
        if length is None or length > MAX_MESSAGE_BYTES:
            raise bad_request("Invalid Content-Length header.")
        try:
            return await self.request.read()
        except web.HTTPRequestEntityTooLarge:
            raise bad_request(f"The body is larger than {MAX_MESSAGE_BYTES} bytes when it is decompressed.") from None
        except web.RequestPayloadError:
            raise bad_request("The request body is not what its Content-Encoding says.") from None

    async def payload(self) -> Payload:
        """Return the body as a message."""
        headers = self.request.headers
        metadata = metadata_from_headers(headers.items())
        if problem := names.metadata_problem(metadata):
            raise bad_request(problem)
        try:
            return payload_from_http(headers.get("Content-Type"), await self.body(), metadata)
        except UnsupportedContentTypeError as error:
            raise unsupported_media_type(str(error)) from None
        except MessageBodyError as error:
            raise bad_request(str(error)) from None


def send_target(parameters: Mapping[str, str]) -> str:
    """Return the receivers of a call, in words, such as ``group lobby``; ``parameters`` are those of its path."""
    return " ".join(f"{kind} {name}" for kind, name in parameters.items()) or "all"


def client_request_id(request: web.BaseRequest) -> str | None:
    """Return the id that SDKs give a call, the same in each of its tries; one that is too long for an id is none."""
    request_id = request.headers.get("x-ms-client-request-id", "")
    return request_id if 0 < len(request_id) <= _MAX_REQUEST_ID_LENGTH else None


def group(name: str) -> str:
    """``name``, which must be one that a group can have."""
    if not names.is_group(name):
        raise bad_request("Invalid group name. Valid group name should be in between 1 and 1024 characters long.")
    return name


def matching(text: str | None, parameter: str) -> ConnectionPredicate:
    """Return what a filter lets pass; an empty one, or none, is everything. ``parameter`` is where it came from."""
    if not text:
        return lambda _: True
    try:
        wanted = ConnectionFilter(text)
    except FilterError as error:
        raise InvalidParameterError(parameter, str(error)) from None
    return lambda c: wanted.matches(ConnectionFacts(c.user_id, c.id, c.groups, c.context.subprotocol))
