"""Properties that travel as a header field each: MQTT user properties (``mqtt-*``) and metadata.

Header names have no case, and an answer carries one value a name (the Functions host), so neither can an answer's
properties differ by case only or repeat. What HTTP would change on the way is refused rather than encoded: no document
says how a client would know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from webpubsub_handler.protocol.attributes import mend_text
from webpubsub_handler.protocol.http import Headers

__all__ = ["METADATA_PREFIX", "MQTT_PREFIX", "metadata_fields", "properties_of", "to_fields"]

MQTT_PREFIX: Final = "mqtt-"
METADATA_PREFIX: Final = "x-webpubsub-metadata-"

# Bytes; what the service takes of a client's metadata.
_MAX_KEY: Final = 256
_MAX_VALUE: Final = 1024
_MAX_METADATA: Final = 8192

# A field name (RFC 9110 5.6.2). Anything else could end the line, or be a field of its own.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Servers trim spaces around a value and refuse or mangle what is not ASCII: neither would arrive as it was given.
_VALUE: Final = re.compile(r"([!-~]([ -~]*[!-~])?)?")


def properties_of(headers: Headers, prefix: str) -> Iterator[tuple[str, str]]:
    """Return the properties of an event, names in lower case, raw UTF-8 repaired."""
    return (
        (mend_text(name[len(prefix) :]), mend_text(value))
        for name, value in headers
        if name.startswith(prefix) and name != prefix
    )


def to_fields(prefix: str, properties: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Make the header fields of an answer.

    Raises:
        ValueError: A name is not an HTTP token or comes twice, or a value is not printable ASCII without spaces around.
    """
    fields: dict[str, str] = {}
    for name, value in properties:
        field = f"{prefix}{name.lower()}"
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"what follows {prefix} in a header's name must be letters, digits, !#$%&'*+.^_`|~-")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {field} must be printable ASCII without spaces around it: encode it")
        if field in fields:
            raise ValueError(f"{field} is there twice; an answer has one value for each name")
        fields[field] = value
    return fields


def metadata_fields(metadata: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Make the header fields of an answer's metadata.

    Raises:
        ValueError: As ``to_fields``, or the service takes less: 256 bytes a key, 1 KiB a value, 8 KiB in all.
    """
    pairs = list(metadata)
    fields = to_fields(METADATA_PREFIX, pairs)
    for key, value in pairs:
        if len(key) > _MAX_KEY or len(value) > _MAX_VALUE:
            raise ValueError(f"a metadata key has at most {_MAX_KEY} bytes, a value {_MAX_VALUE}: {key[:_MAX_KEY]!r}")
    if sum(len(key) + len(value) for key, value in pairs) > _MAX_METADATA:
        raise ValueError(f"metadata has at most {_MAX_METADATA} bytes in all")
    return fields
