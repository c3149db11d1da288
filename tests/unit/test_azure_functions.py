"""The adapter between the host's messages and ours, and the function that a blueprint registers."""

from __future__ import annotations

from typing import Any

import azure.functions as func
import pytest

from tests.wire import ACCESS_KEY, event
from webpubsub_handler import (
    AccessKeyAuthenticator,
    HttpResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.azure_functions import blueprint, to_func_response, to_request


def make_handler() -> WebPubSubEventHandler:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["localhost"])

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(request.data)

    return handler


def registered(functions: func.Blueprint) -> Any:
    """Return the one function of an app that has nothing else."""
    app = func.FunctionApp()
    app.register_functions(functions)
    (function,) = app.get_functions()
    return function


def binding_of(function: Any) -> dict[str, Any]:
    binding: dict[str, Any] = function.get_dict_repr()["bindings"][0]
    return binding


async def call(function: Any, request: func.HttpRequest) -> func.HttpResponse:
    response: func.HttpResponse = await function.get_user_function()(request)
    return response


def test_method_header_fields_and_body_are_taken_over() -> None:
    request = to_request(
        func.HttpRequest("post", "https://x.example/api/eventhandler?code=5ec4e7", headers={"CE-Id": "1"}, body=b"\xff")
    )

    assert request.method == "POST"
    assert list(request.headers) == [("ce-id", "1")]
    assert request.body == b"\xff"


@pytest.mark.parametrize("body", [b"", None])
def test_a_request_without_a_body_has_an_empty_one(body: Any) -> None:
    assert to_request(func.HttpRequest("OPTIONS", "/", body=body)).body == b""


def test_an_answer_keeps_status_header_fields_and_body() -> None:
    response = to_func_response(HttpResponse(200, {"Content-Type": "text/plain", "ce-connectionState": "e30="}, b"hi"))

    assert (response.status_code, response.get_body()) == (200, b"hi")
    assert dict(response.headers) == {"Content-Type": "text/plain", "ce-connectionState": "e30="}


async def test_header_lines_that_the_host_has_joined_are_verified_one_by_one() -> None:
    request = event("quirks/user_signature_lines")
    joined = {name: request.headers.get(name) or "" for name, _ in request.headers}

    response = await make_handler().handle(to_request(func.HttpRequest("POST", "/", headers=joined, body=request.body)))

    assert response.status == 200


def test_a_blueprint_is_one_function_of_the_event_handler_s_route_and_methods() -> None:
    function = registered(blueprint(make_handler()))
    binding = binding_of(function)

    assert function.get_function_name() == "eventhandler"
    assert binding["route"] == "eventhandler/{event?}"
    assert [str(getattr(method, "value", method)) for method in binding["methods"]] == ["POST", "OPTIONS"]
    assert binding["authLevel"] == func.AuthLevel.ANONYMOUS


def test_route_name_and_level_can_be_chosen() -> None:
    function = registered(
        blueprint(make_handler(), route="hubs/chat/{event?}", name="chat", auth_level=func.AuthLevel.FUNCTION)
    )

    assert function.get_function_name() == "chat"
    assert binding_of(function)["route"] == "hubs/chat/{event?}"
    assert binding_of(function)["authLevel"] == func.AuthLevel.FUNCTION


def test_two_hubs_are_two_functions_of_one_app() -> None:
    app = func.FunctionApp()
    for hub in ("chat", "games"):
        app.register_functions(blueprint(make_handler(), route=f"{hub}/{{event?}}", name=hub))

    assert [function.get_function_name() for function in app.get_functions()] == ["chat", "games"]


async def test_the_function_answers_an_event_and_a_validation() -> None:
    function = registered(blueprint(make_handler()))
    sent = event("user_text")

    answer = await call(function, func.HttpRequest("POST", "/", headers=dict(sent.headers), body=sent.body))
    consent = await call(
        function, func.HttpRequest("OPTIONS", "/", headers={"WebHook-Request-Origin": "localhost"}, body=b"")
    )

    assert (answer.status_code, answer.get_body()) == (200, sent.body)
    assert consent.headers["WebHook-Allowed-Origin"] == "localhost"


@pytest.mark.parametrize("name", ["connect", "user_text", "connected"])
async def test_an_event_that_the_host_hands_on_without_its_chunks_is_refused(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    function = registered(blueprint(make_handler()))
    headers = {**dict(event(name).headers), "transfer-encoding": "chunked"}

    response = await call(function, func.HttpRequest("POST", "/", headers=headers, body=b""))

    assert response.status_code == 411
    assert "Azure Functions does not pass on a body that is sent in chunks" in caplog.text
