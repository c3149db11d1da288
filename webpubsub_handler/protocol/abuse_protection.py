"""Abuse protection: the OPTIONS handshake before the service sends events (CloudEvents HTTP webhook 4)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from webpubsub_handler.exceptions import ConfigurationError
from webpubsub_handler.protocol.http import HttpRequest, HttpResponse

__all__ = ["answer_validation", "normalize_host", "normalize_hosts"]

_HOST: Final = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
_ALLOW: Final = {"Allow": "POST, OPTIONS"}


def normalize_host(origin: str) -> str:
    """Return the bare, lower-case host of a configured origin: a host, ``host:port`` or a URL.

    Raises:
        ConfigurationError: There is no host in it.
    """
    host = origin.strip().lower().rpartition("://")[2].partition("/")[0]
    name, _, port = host.rpartition(":")
    host = name if port.isdigit() else host
    if not _HOST.fullmatch(host):
        raise ConfigurationError(f"an allowed origin must be one host name, not {origin!r}")
    return host


def normalize_hosts(origins: Iterable[str]) -> list[str]:
    """Return the bare hosts of configured origins; ``"*"`` stays.

    Raises:
        ConfigurationError: They are one text, or there is no host in one of them.
    """
    # Text is an iterable too: of hosts that are one letter long.
    if isinstance(origins, str):
        raise ConfigurationError(f"allowed_origins is a list of hosts: write [{origins!r}]")
    return [origin if origin == "*" else normalize_host(origin) for origin in origins]


def answer_validation(request: HttpRequest, allowed_hosts: Collection[str]) -> HttpResponse:
    """Answer the service's question whether this endpoint takes its events.

    ``WebHook-Request-Origin`` can name several hosts (replicas, custom domains), joined or repeated. Each is compared
    whole. An answer of the Functions host carries one value a header, so two or more allowed ones are answered
    with ``*``; none is 400 without consent. No text of the request gets into the answer.
    """
    requested = {host.lower() for host in request.headers.get_list("WebHook-Request-Origin")}
    if not requested:
        return HttpResponse.text(400, "The WebHook-Request-Origin header is missing.")
    allowed = {"*"} if "*" in allowed_hosts else requested.intersection(allowed_hosts)
    # A refusal must look like one: with a 200 and another origin, the service alone would notice.
    if not allowed:
        return HttpResponse.text(400, "The requested origin is not allowed.")
    consent = allowed.pop() if len(allowed) == 1 else "*"
    return HttpResponse(200, {**_ALLOW, "WebHook-Allowed-Origin": consent})
