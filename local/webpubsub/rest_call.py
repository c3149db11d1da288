"""One call of the REST data plane: what an operation can ask of it, and how an operation says no."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from local.webpubsub import names
from local.webpubsub.messages import (
    MAX_MESSAGE_BYTES,
    MessageBodyError,
    Payload,
    UnsupportedContentTypeError,
    metadata_from_headers,
    payload_from_http,
)

NEWEST_API_VERSION: Final = "2024-12-01"


class RestError(Exception):
    """An operation that did not happen: the status, the service's error code and a sentence."""

    def __init__(self, status: int, code: str, message: str, target: str | None = None) -> None:
        """Keep what the error body needs."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.target = target


def bad_request(message: str) -> RestError:
    """The error of a caller who asks for what cannot be."""
    return RestError(400, "Error.BadRequest", message)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the parameters of its path, decoded, its query, and the absolute URL without the query."""

    request: web.BaseRequest
    parameters: Sequence[str]
    query: dict[str, list[str]]
    url: str

    def value(self, name: str) -> str | None:
        """A query parameter; of several the last, and empty is absent."""
        return self.query.get(name, [""])[-1] or None

    def integer(self, name: str, minimum: int, maximum: int) -> int | None:
        """A query parameter as an integer between two bounds."""
        value = self.value(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= 10 and minimum <= int(value) <= maximum):
            raise bad_request(f"{name} must be an integer from {minimum} to {maximum}.")
        return int(value)

    def excluded(self) -> frozenset[str]:
        """The connections that the operation leaves out."""
        return frozenset(self.query.get("excluded", ()))

    def refuse_filter(self) -> None:
        """Ignoring a filter would reach connections it was meant to leave out."""
        if self.value("filter") is not None:
            raise bad_request("The parameter 'filter' is not supported yet by this emulator; leave it away.")

    async def body(self) -> bytes:
        """The body, whose length must be announced and at most 1 MiB."""
        length = self.request.content_length
        if length is None or length > MAX_MESSAGE_BYTES:
            raise bad_request("Invalid Content-Length header.")
        try:
            return await self.request.read()
        except web.HTTPRequestEntityTooLarge:
            raise bad_request(f"The body is larger than {MAX_MESSAGE_BYTES} bytes when it is decompressed.") from None

    async def payload(self) -> Payload:
        """The body as a message."""
        headers = self.request.headers
        metadata = metadata_from_headers(headers.items())
        if problem := names.metadata_problem(metadata):
            raise bad_request(problem)
        try:
            return payload_from_http(headers.get("Content-Type"), await self.body(), metadata)
        except UnsupportedContentTypeError as error:
            raise RestError(415, "Error.UnsupportedMediaType", str(error)) from None
        except MessageBodyError as error:
            raise bad_request(str(error)) from None
