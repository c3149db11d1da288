"""A message on its way through the service, and how it looks as an HTTP body.

The body is kept as the bytes that HTTP carries: UTF-8 for text, the JSON text for json, raw bytes for binary.
Most messages come from HTTP or go to HTTP, so most are never converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message as MimeHeaders
from enum import StrEnum
from typing import Final

from webpubsub_emulator.core import json_text
from webpubsub_emulator.core.json_text import JsonTextError, JsonTooDeepError
from webpubsub_emulator.core.names import is_unicode

__all__ = [
    "MAX_MESSAGE_BYTES",
    "MAX_TTL_SECONDS",
    "METADATA_HEADER_PREFIX",
    "DataType",
    "MessageBodyError",
    "Payload",
    "UnsupportedContentTypeError",
    "metadata_from_headers",
    "parse_json",
    "payload_from_http",
    "text_payload",
]

MAX_MESSAGE_BYTES: Final = 1024 * 1024
MAX_TTL_SECONDS: Final = 300
METADATA_HEADER_PREFIX: Final = "x-webpubsub-metadata-"


class DataType(StrEnum):
    """How a message's body is to be read."""

    TEXT = "text"
    JSON = "json"
    BINARY = "binary"
    PROTOBUF = "protobuf"


_CONTENT_TYPES: Final = {
    DataType.TEXT: "text/plain; charset=utf-8",
    DataType.JSON: "application/json",
    DataType.BINARY: "application/octet-stream",
    DataType.PROTOBUF: "application/x-protobuf",
}
# Only clients send protobuf: neither the REST API nor the answer of an event handler may carry it.
_DATA_TYPES: Final = {
    "text/plain": DataType.TEXT,
    "application/json": DataType.JSON,
    "application/octet-stream": DataType.BINARY,
}


class UnsupportedContentTypeError(ValueError):
    """The body's content type is not one that a message can have."""


class MessageBodyError(ValueError):
    """The body is not what its content type says."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One message: its type, its body as HTTP carries it, and its metadata."""

    data_type: DataType
    body: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """The Content-Type this body travels with."""
        return _CONTENT_TYPES[self.data_type]


def payload_from_http(content_type: str | None, body: bytes, metadata: Mapping[str, str]) -> Payload:
    """Return the message in an HTTP body; a missing Content-Type means binary.

    Raises:
        UnsupportedContentTypeError: for any other type than text/plain, application/json, application/octet-stream, and
            for an unknown charset.
        MessageBodyError: when the body is not JSON, or not text in its charset.
    """
    if not content_type:
        return Payload(DataType.BINARY, body, metadata)
    media_type, _, parameters = content_type.partition(";")
    data_type = _DATA_TYPES.get(media_type.strip().lower())
    if data_type is None:
        raise UnsupportedContentTypeError(
            f"Content-Type {content_type!r} is not supported; use {', '.join(_DATA_TYPES)}."
        )
    if data_type is DataType.BINARY:
        return Payload(data_type, body, metadata)
    text = _decode(body, _charset(content_type) if parameters else "utf-8")
    if data_type is DataType.JSON:
        with _json_errors():
            json_text.check_json(text)
    return Payload(data_type, text.encode(), metadata)


def text_payload(text: str, metadata: Mapping[str, str]) -> Payload:
    """Return a message of text; half a surrogate pair, which UTF-8 cannot carry, becomes U+FFFD."""
    if not is_unicode(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return Payload(DataType.TEXT, text.encode(), metadata)


def parse_json(body: bytes) -> object:
    """Return the value in a body of JSON, which is UTF-8 (RFC 8259 §8.1) and may begin with a byte order mark.

    Raises:
        MessageBodyError: when it is not valid JSON, or is nested too deep.
    """
    with _json_errors():
        return json_text.parse_json(body.decode("utf-8-sig"))


def metadata_from_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the ``X-WebPubSub-Metadata-*`` headers as metadata: keys in lower case, of several values the last one."""
    return {
        name[len(METADATA_HEADER_PREFIX) :].lower(): value.rpartition(",")[2].strip()
        for name, value in headers
        if name[: len(METADATA_HEADER_PREFIX)].lower() == METADATA_HEADER_PREFIX
    }


def _charset(content_type: str) -> str:
    headers = MimeHeaders()
    # A header's bytes that are not UTF-8 arrive as lone surrogates, which this reader cannot take beside other letters.
    headers["Content-Type"] = content_type.encode("ascii", "replace").decode()
    return headers.get_content_charset() or "utf-8"


def _decode(body: bytes, charset: str) -> str:
    try:
        text: str | None = body.decode(charset)
    except UnicodeError:
        text = None
    except (LookupError, ValueError):
        # ValueError is for a name with a null character.
        raise UnsupportedContentTypeError(f"The charset {charset!r} is unknown; use utf-8.") from None
    if text is None or not is_unicode(text):
        raise MessageBodyError(f"The request body is not text in charset {charset!r}.")
    return text


@contextmanager
def _json_errors() -> Iterator[None]:
    try:
        yield
    except JsonTooDeepError as error:
        raise MessageBodyError(f"The request body {error}.") from None
    except (JsonTextError, UnicodeDecodeError):
        raise MessageBodyError("The request body is not a valid JSON.") from None
