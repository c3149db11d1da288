"""The demo page's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chat.settings import WebPubSubEndpoint
from webpubsub_handler import HttpResponse

__all__ = ["DemoFiles"]

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class DemoFiles:
    """Serves the files of one folder by their plain names, ``index.html`` for none.

    They are read once; a name that is not among them is 404, so no path can lead elsewhere.
    """

    def __init__(self, folder: Path, endpoints: Sequence[WebPubSubEndpoint]) -> None:
        self._files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in _TYPES}
        sockets = " ".join("ws" + endpoint.url.removeprefix("http") for endpoint in endpoints)
        self._headers = {
            "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }

    def get(self, name: str) -> HttpResponse:
        """Answer with a file, or 404."""
        body = self._files.get(name or "index.html")
        if body is None:
            return HttpResponse.text(404, "There is no such file.")
        suffix = Path(name or "index.html").suffix
        return HttpResponse(200, {"Content-Type": _TYPES[suffix], **self._headers}, body)
