"""The adapter between the host's messages and ours."""

from __future__ import annotations

import azure.functions as func

from tests.wire import ACCESS_KEY, event
from webpubsub_handler import AccessKeyAuthenticator, HttpResponse, WebPubSubEventHandler
from webpubsub_handler.azure_functions import to_func_response, to_request


def test_method_header_fields_and_body_are_taken_over() -> None:
    request = to_request(
        func.HttpRequest("post", "https://x.example/api/eventhandler?code=5ec4e7", headers={"CE-Id": "1"}, body=b"\xff")
    )

    assert request.method == "POST"
    assert list(request.headers) == [("ce-id", "1")]
    assert request.body == b"\xff"


def test_a_request_without_a_body_has_an_empty_one() -> None:
    assert to_request(func.HttpRequest("OPTIONS", "/", body=b"")).body == b""


def test_an_answer_keeps_status_header_fields_and_body() -> None:
    response = to_func_response(HttpResponse(200, {"Content-Type": "text/plain", "ce-connectionState": "e30="}, b"hi"))

    assert (response.status_code, response.get_body()) == (200, b"hi")
    assert dict(response.headers) == {"Content-Type": "text/plain", "ce-connectionState": "e30="}


async def test_header_lines_that_the_host_has_joined_are_verified_one_by_one() -> None:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"])
    request = event("quirks/user_signature_lines")
    joined = {name: request.headers.get(name) or "" for name, _ in request.headers}

    response = await handler.handle(to_request(func.HttpRequest("POST", "/", headers=joined, body=request.body)))

    assert response.status == 204
