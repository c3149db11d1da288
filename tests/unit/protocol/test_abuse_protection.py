from __future__ import annotations

import pytest

from tests.wire import event
from webpubsub_handler import ConfigurationError, Headers, HttpRequest, HttpResponse
from webpubsub_handler.protocol.abuse_protection import answer_validation, normalize_host

HOST = "contoso.webpubsub.azure.com"


def ask(origin: str | list[str], *allowed: str) -> HttpResponse:
    lines = [origin] if isinstance(origin, str) else origin
    request = HttpRequest("OPTIONS", Headers([("WebHook-Request-Origin", line) for line in lines]))
    return answer_validation(request, allowed)


@pytest.mark.parametrize(
    "origin",
    [
        HOST,
        f" {HOST.upper()} ",
        f"{HOST}:443",
        f"https://{HOST}",
        f"https://{HOST}/",
        f"http://{HOST}:8080/api/hubs/chat",
    ],
)
def test_an_allowed_origin_is_taken_as_its_host(origin: str) -> None:
    assert normalize_host(origin) == HOST


@pytest.mark.parametrize(
    "origin",
    [
        "",
        " ",
        "https://",
        ":443",
        "/path",
        "a b",
        "a,b",
        f"{HOST}, {HOST}",
        "https://*",
        "*:80",
        "*.azure.com",
        "u@h",
        "h?x",
    ],
)
def test_an_allowed_origin_without_one_host_is_refused_at_start(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="must be one host name"):
        normalize_host(origin)


def test_an_ip_v6_host_keeps_its_brackets_and_loses_its_port() -> None:
    assert normalize_host("http://[::1]:8080") == normalize_host("[::1]") == "[::1]"


def test_the_allowed_origin_is_consented_to_by_name() -> None:
    response = ask(HOST, HOST, "other.webpubsub.azure.com")

    assert response.status == 200
    assert response.headers["WebHook-Allowed-Origin"] == HOST
    assert response.headers["Allow"] == "POST, OPTIONS"


def test_the_case_of_the_requested_origin_does_not_matter() -> None:
    assert ask(HOST.upper(), HOST).headers["WebHook-Allowed-Origin"] == HOST


@pytest.mark.parametrize(
    "origin",
    [
        f"evil-{HOST}",
        f"{HOST}.attacker.tld",
        f"{HOST}:8080",
        f"https://{HOST}",
        HOST.removeprefix("contoso."),
        f"*.{HOST.removeprefix('contoso.')}",
        "*",
        "\udcff",
        "é",
    ],
)
def test_any_other_host_is_refused_without_consent(origin: str) -> None:
    response = ask(origin, HOST)

    assert response.status == 400
    assert "WebHook-Allowed-Origin" not in response.headers


@pytest.mark.parametrize("origin", [[], "", " , ,", ["", " "]])
def test_a_question_without_an_origin_is_refused_even_if_all_are_allowed(origin: str | list[str]) -> None:
    response = ask(origin, "*")

    assert response.status == 400
    assert "WebHook-Allowed-Origin" not in response.headers


@pytest.mark.parametrize("origin", [HOST, "any.host", [HOST, "any.host"], "\udcff", "é"])
def test_a_star_consents_to_all_by_a_star(origin: str | list[str]) -> None:
    assert ask(origin, "*").headers["WebHook-Allowed-Origin"] == "*"


@pytest.mark.parametrize("name", ["quirks/validation", "quirks/validation_origin_lines"])
def test_one_allowed_origin_among_several_is_consented_to_alone(name: str) -> None:
    response = answer_validation(event(name), ["chat.contoso.com"])

    assert response.status == 200
    assert response.headers["WebHook-Allowed-Origin"] == "chat.contoso.com"


@pytest.mark.parametrize("name", ["quirks/validation", "quirks/validation_origin_lines"])
def test_several_allowed_origins_are_consented_to_by_a_star(name: str) -> None:
    response = answer_validation(event(name), ["chat.contoso.com", HOST])

    assert response.status == 200
    assert response.headers["WebHook-Allowed-Origin"] == "*"


@pytest.mark.parametrize("name", ["quirks/validation", "quirks/validation_origin_lines"])
def test_several_origins_of_which_none_is_allowed_are_refused(name: str) -> None:
    assert answer_validation(event(name), ["fabrikam.webpubsub.azure.com"]).status == 400


def test_thousands_of_origins_are_answered() -> None:
    origins = [f"host-{number}.example" for number in range(5000)]

    assert ask(origins, HOST).status == 400
    assert ask([*origins, HOST], HOST).headers["WebHook-Allowed-Origin"] == HOST
