"""Cross-origin rules as ``func start`` applies them from ``Host.CORS`` of the local settings."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

__all__ = ["Cors"]


@dataclass(frozen=True, slots=True)
class Cors:
    """The origins that may call; if there are none, the headers are not checked."""

    origins: frozenset[str]
    credentials: bool

    def is_preflight(self, request: web.BaseRequest) -> bool:
        """Return whether to answer the request here: only if it has both headers of a browser's preflight."""
        asks = "Origin" in request.headers and "Access-Control-Request-Method" in request.headers
        return bool(self.origins) and request.method == "OPTIONS" and asks

    def preflight(self, request: web.BaseRequest) -> dict[str, str]:
        """Return the headers that a preflight answer has in addition to those of ``allowed``."""
        if not self.allowed(request):
            return {}
        wanted = request.headers.get("Access-Control-Request-Headers")
        headers = {"Access-Control-Allow-Methods": request.headers["Access-Control-Request-Method"]}
        return headers | ({"Access-Control-Allow-Headers": wanted} if wanted else {})

    def allowed(self, request: web.BaseRequest) -> dict[str, str]:
        """Return the headers that let the request's origin read the answer; none for an unknown or absent origin."""
        origin = request.headers.get("Origin", "")
        if origin and origin in self.origins:
            headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
            return headers | ({"Access-Control-Allow-Credentials": "true"} if self.credentials else {})
        return {"Access-Control-Allow-Origin": "*"} if origin and "*" in self.origins else {}
