"""The adapter to Azure Functions: ``func.HttpRequest`` in, ``func.HttpResponse`` out."""

from __future__ import annotations

import azure.functions as func

from webpubsub_handler.handler import WebPubSubEventHandler
from webpubsub_handler.protocol.http import Headers, HttpRequest, HttpResponse

__all__ = ["blueprint", "to_func_response", "to_request"]


def blueprint(
    handler: WebPubSubEventHandler,
    *,
    route: str = "eventhandler/{event?}",
    name: str = "eventhandler",
    auth_level: func.AuthLevel = func.AuthLevel.ANONYMOUS,
) -> func.Blueprint:
    """Return the HTTP function that answers the service, to be registered in a v2 model app.

        app = func.FunctionApp()
        app.register_functions(blueprint(handler))

    It answers POST (events) and OPTIONS (the service's question whether this endpoint takes them).

    Args:
        handler: The event handler.
        route: Below the host's route prefix, ``api`` by default. Keep ``{event?}`` at its end: the service asks at
            ``/validate``, and sends to ``/<event>`` where the hub's URL template has ``{event}``.
        name: The function's name. Handlers of several hubs in one app need a name and a route each.
        auth_level: Anonymous, as the handler authenticates the events itself. With another level the hub's URL template
            must end in ``?code=<key>``.
    """
    functions = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK has types for all but this

    @functions.function_name(name)
    @functions.route(route, methods=["POST", "OPTIONS"], auth_level=auth_level)
    async def eventhandler(req: func.HttpRequest) -> func.HttpResponse:
        return to_func_response(await handler.handle(to_request(req)))

    return functions


def to_request(request: func.HttpRequest) -> HttpRequest:
    """Take over method, header fields (the host joins repeated ones by a comma) and body.

    The host passes on a chunked body as an empty one. ``Transfer-Encoding`` tells the handler so, and it refuses that.
    """
    return HttpRequest(request.method.upper(), Headers(request.headers), request.get_body() or b"")


def to_func_response(response: HttpResponse) -> func.HttpResponse:
    """Make the host's response; it carries one value a header name."""
    return func.HttpResponse(response.body, status_code=response.status, headers=dict(response.headers))
