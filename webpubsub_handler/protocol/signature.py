"""The signature of an event: HMAC-SHA256 of the connection id with an access key."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from webpubsub_handler.protocol.attributes import decode_text

__all__ = ["is_signed", "sign"]

_PREFIX: Final = "sha256="
# Two keys make two values. The bound keeps a header of thousands from costing a hash comparison each.
_MAX_VALUES: Final = 16


def sign(access_key: str, connection_id: str) -> str:
    """Make the signature that the service sends: ``sha256=`` and lower-case hex.

    The key is the UTF-8 text of the access key as the portal shows it, not base64-decoded.
    """
    message = connection_id.encode("utf-8", "surrogatepass")
    # Not hmac.digest: it releases the GIL, and with other threads at work a microsecond became a hundred.
    return _PREFIX + hmac.new(access_key.encode(), message, "sha256").hexdigest()


def is_signed(signatures: Iterable[str], access_keys: Iterable[str], connection_id: str) -> bool:
    """Return whether any of the signature values was made with any of the keys, compared in constant time.

    ``signatures`` are the members of the ``ce-signature`` header in any order and case; unknown ones are ignored.
    ``connection_id`` is the header as received: the service signs the real id, which may be encoded in the header.
    """
    given = [value.lower().encode("utf-8", "surrogatepass") for value in signatures]
    if len(given) > _MAX_VALUES:
        return False
    signed = False
    # It is not documented whether the service signs an id outside ASCII percent-encoded or not.
    for candidate in {connection_id, decode_text(connection_id)}:
        for key in access_keys:
            expected = sign(key, candidate).encode()
            for value in given:
                # No early exit: the time must not tell which key or value matched.
                signed |= hmac.compare_digest(expected, value)
    return signed
