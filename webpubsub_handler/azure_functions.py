"""The adapter to Azure Functions: ``func.HttpRequest`` in, ``func.HttpResponse`` out."""

from __future__ import annotations

import azure.functions as func

from webpubsub_handler.protocol.http import Headers, HttpRequest, HttpResponse

__all__ = ["to_func_response", "to_request"]


def to_request(request: func.HttpRequest) -> HttpRequest:
    """Take over method, header fields (the host joins repeated ones by a comma) and body."""
    return HttpRequest(request.method.upper(), Headers(request.headers), request.get_body())


def to_func_response(response: HttpResponse) -> func.HttpResponse:
    """Make the host's response; it carries one value a header name."""
    return func.HttpResponse(response.body, status_code=response.status, headers=dict(response.headers))
