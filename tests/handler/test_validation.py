from __future__ import annotations

import pytest

from tests.wire import event
from webpubsub_handler import AccessKeyAuthenticator, ConfigurationError, Headers, HttpRequest, WebPubSubEventHandler


def handler_allowing(*origins: str) -> WebPubSubEventHandler:
    return WebPubSubEventHandler("chat", [AccessKeyAuthenticator(["key"])], allowed_origins=origins)


@pytest.mark.parametrize("name", ["quirks/validation", "quirks/validation_origin_lines"])
@pytest.mark.parametrize("origin", ["contoso.webpubsub.azure.com", "https://Chat.Contoso.com:443/"])
async def test_the_service_is_answered_without_a_signature(name: str, origin: str) -> None:
    response = await handler_allowing(origin).handle(event(name))

    assert response.status == 200
    assert response.headers["WebHook-Allowed-Origin"] in {"contoso.webpubsub.azure.com", "chat.contoso.com"}
    assert response.headers["Allow"] == "POST, OPTIONS"


async def test_a_star_allows_every_service() -> None:
    response = await handler_allowing("*").handle(event("quirks/validation"))

    assert response.headers["WebHook-Allowed-Origin"] == "*"


@pytest.mark.parametrize("origin", ["evil-chat.contoso.com", "chat.contoso.com.attacker.tld", "contoso.com"])
async def test_a_host_that_only_looks_alike_is_refused_and_the_log_names_both(
    caplog: pytest.LogCaptureFixture, origin: str
) -> None:
    response = await handler_allowing("chat.contoso.com").handle(
        event("quirks/validation", headers={"WebHook-Request-Origin": origin})
    )

    assert response.status == 400
    assert "WebHook-Allowed-Origin" not in response.headers
    assert f"'{origin}'. Allowed: chat.contoso.com." in caplog.text


async def test_a_question_without_an_origin_is_refused() -> None:
    response = await handler_allowing("*").handle(HttpRequest("OPTIONS", Headers()))

    assert response.status == 400


@pytest.mark.parametrize("origin", ["x" * 100_000, "\udcff\n\x00", ", " * 10_000])
async def test_a_strange_origin_is_refused_in_one_short_line_of_the_log(
    caplog: pytest.LogCaptureFixture, origin: str
) -> None:
    response = await handler_allowing("chat.contoso.com").handle(
        event("quirks/validation", headers={"WebHook-Request-Origin": origin})
    )

    (message,) = [record.getMessage() for record in caplog.records]
    assert response.status == 400
    assert len(message) < 1000
    assert message.isprintable()


async def test_a_validation_that_is_consented_to_is_not_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    await handler_allowing("*").handle(event("quirks/validation"))

    assert caplog.records == []


async def test_thousands_of_origin_lines_are_answered() -> None:
    origins = [f"host-{number}" for number in range(5000)]
    request = event("quirks/validation", headers={"WebHook-Request-Origin": [*origins, "chat.contoso.com"]})

    assert (await handler_allowing("chat.contoso.com").handle(request)).status == 200


@pytest.mark.parametrize("origins", [[], [""], ["a b"], ["a.example, b.example"]])
def test_a_handler_without_a_usable_origin_does_not_start(origins: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        handler_allowing(*origins)
