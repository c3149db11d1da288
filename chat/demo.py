"""The demo page's files."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chat.settings import Settings, SettingsError, WebPubSubEndpoint
from webpubsub_handler import HttpResponse

__all__ = ["DemoFiles"]

_INDEX: Final = "index.html"
_SPLIT: Final = "split.html"
_TOLD: Final = 'data-client-auth="{}" data-default-room="{}" data-max-message-bytes="{}"'
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class DemoFiles:
    """Serves the files of a folder and its subfolders by their relative paths; an empty path is ``index.html``.

    The files are read once. Any other name is 404, so no path can lead outside the folder. ``index.html`` gets the
    settings that the page needs before its first request.

    Raises:
        SettingsError: There is no page, or it has no place for the settings.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        paths = [path for path in folder.rglob("*") if path.suffix in _TYPES]
        self._files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        place = _TOLD.format("", "", "").encode()
        if place not in self._files.get(_INDEX, b""):
            # Without the settings, the page would not warn that anyone can use any name.
            raise SettingsError([f"DEMO_PAGE: set it to false, or restore demo/{_INDEX} with {place.decode()}"])
        told = _TOLD.format(settings.client_auth, html.escape(settings.default_room), settings.max_message_bytes)
        self._files[_INDEX] = self._files[_INDEX].replace(place, told.encode(), 1)
        self._connectable = " ".join(["'self'", *_connectable(settings.endpoints)])

    def get(self, url: str, name: str) -> HttpResponse:
        """Answer a request for ``url`` with the file of this name, or 404."""
        address = urlsplit(url)
        if not name and not address.path.endswith("/"):
            # The page's links are relative to its folder.
            folder = address.path.rpartition("/")[2]
            return HttpResponse(308, {"Location": f"{folder}/{address.query and f'?{address.query}'}"})
        name = name or _INDEX
        body = self._files.get(name)
        if body is None:
            return HttpResponse.text(404, "There is no such file.")
        headers = {
            "Content-Type": _TYPES[Path(name).suffix],
            "Content-Security-Policy": self._policy(name),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        return HttpResponse(200, headers, body)

    def _policy(self, name: str) -> str:
        # Only the split view has frames: two of the page itself, for two users side by side.
        frames = "frame-src 'self'; " if name == _SPLIT else ""
        ancestors = "'self'" if name == _INDEX else "'none'"
        return (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; {frames}"
            f"connect-src {self._connectable}; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors {ancestors}; require-trusted-types-for 'script'; trusted-types 'none'"
        )


def _connectable(endpoints: Sequence[WebPubSubEndpoint]) -> list[str]:
    sockets = ["ws" + endpoint.url.removeprefix("http") for endpoint in endpoints]
    # Only the emulator has plain HTTP; the page also sends it faults to simulate.
    return sockets + [endpoint.url for endpoint in endpoints if endpoint.url.startswith("http://")]
