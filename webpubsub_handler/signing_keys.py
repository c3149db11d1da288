"""The public keys that tokens are signed with, as their issuer publishes them (JSON Web Key Set, RFC 7517)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import jwt

from webpubsub_handler.discovery import TIMEOUT_SECONDS, Published

__all__ = ["ALGORITHM", "SigningKeys"]

ALGORITHM: Final = "RS256"


class SigningKeys(Published[jwt.PyJWK]):
    """An issuer's keys for RS256, by their ids.

    Args:
        url: Where the key set is.
        clock: Returns seconds that never go back.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(f"The signing keys of Entra ID cannot be fetched from {url}", clock=clock)
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT_SECONDS)

    def fetch(self) -> Mapping[str, jwt.PyJWK]:
        """Fetch the key set."""
        found = self._client.get_signing_keys()
        return {key.key_id: key for key in found if key.key_id and key.algorithm_name == ALGORITHM}
