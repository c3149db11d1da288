"""Connection strings of Web PubSub: where a service is, and the key that signs its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from webpubsub_handler.exceptions import ConfigurationError
from webpubsub_handler.protocol.abuse_protection import normalize_host, normalize_hosts

__all__ = ["ConnectionString", "access_keys_by_host"]


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """A service's URL without a slash at its end, and one of its access keys, which ``repr`` does not show."""

    endpoint: str
    access_key: str = field(repr=False)

    @property
    def host(self) -> str:
        """Return the host that the service calls itself in ``WebHook-Request-Origin``."""
        return normalize_host(self.endpoint)

    @classmethod
    def parse(cls, text: str) -> ConnectionString:
        """Read ``Endpoint=https://…;AccessKey=…;Version=1.0;``; the order and the case of the names do not matter.

        Raises:
            ConfigurationError: There is no URL of a service or no key in it; the text of the error holds no part of it.
        """
        # What an environment variable that is not set reads as, for one.
        if not isinstance(text, str):
            raise ConfigurationError(f"a connection string of Web PubSub must be a str, not {type(text).__name__}")
        # At the first "=" only: a key is base64, and may end in more of them.
        pairs = (part.partition("=") for part in text.split(";"))
        parts = {name.strip().lower(): value.strip() for name, _, value in pairs}
        endpoint, access_key = parts.get("endpoint", "").rstrip("/"), parts.get("accesskey", "")
        if not _is_url(endpoint) or not access_key:
            raise ConfigurationError(
                "a connection string of Web PubSub looks like Endpoint=https://…;AccessKey=…;Version=1.0;"
            )
        return cls(endpoint, access_key)


def access_keys_by_host(connection_strings: Iterable[str], other_origins: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return the keys of every service by its host; other origins, such as a custom domain, have the keys of all.

    Raises:
        ConfigurationError: There is no connection string, or one cannot be read, or an origin has no host.
    """
    services = [ConnectionString.parse(text) for text in connection_strings]
    if not services:
        raise ConfigurationError("from_connection_string needs at least one connection string of Web PubSub")
    keys: dict[str, tuple[str, ...]] = {}
    for service in services:
        keys[service.host] = (*keys.get(service.host, ()), service.access_key)
    # Which of the services a custom domain belongs to is not known here.
    for origin in normalize_hosts(other_origins):
        keys.setdefault(origin, tuple(service.access_key for service in services))
    return keys


def _is_url(text: str) -> bool:
    try:
        normalize_host(text)
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:
        return False
