"""Who a caller is, in each of the three modes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chat.callers import (
    Query,
    RequestRefusedError,
    identify,
    parameter,
    read_query,
    requested_room,
    requested_rooms,
)
from chat.settings import Settings

BASE = {
    "WebPubSubConnectionString": "Endpoint=https://x.y;AccessKey=k;",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
PRINCIPAL = {"X-MS-CLIENT-PRINCIPAL-ID": "8d1f-ana", "X-MS-CLIENT-PRINCIPAL-NAME": "ana@contoso.com"}


def settings(**changes: str) -> Settings:
    return Settings.from_env(BASE | changes)


def status(given: Settings, headers: Mapping[str, str], query: Query) -> int:
    with pytest.raises(RequestRefusedError) as caught:
        identify(given, headers, query)
    return caught.value.status


def test_app_service_names_the_principal() -> None:
    assert identify(settings(WEBSITE_AUTH_ENABLED="True"), PRINCIPAL, {}) == "8d1f-ana"


def test_app_service_ignores_a_name_in_the_query() -> None:
    assert identify(settings(WEBSITE_AUTH_ENABLED="True"), PRINCIPAL, {"userId": ["root"]}) == "8d1f-ana"


def test_app_service_refuses_a_user_who_is_not_signed_in() -> None:
    assert status(settings(WEBSITE_AUTH_ENABLED="True"), {}, {"userId": ["ana"]}) == 401


def test_principal_headers_are_not_trusted_when_app_service_authentication_is_off() -> None:
    with pytest.raises(RequestRefusedError) as caught:
        identify(settings(), PRINCIPAL, {})
    assert caught.value.status == 401
    assert "WEBSITE_AUTH_ENABLED" in (caught.value.log or "")
    assert "WEBSITE_AUTH_ENABLED" not in caught.value.message


@pytest.mark.parametrize("mode", ["function_key", "anonymous"])
def test_the_caller_names_the_user_in_the_other_modes(mode: str) -> None:
    given = settings(CLIENT_AUTH=mode)
    assert identify(given, {}, {"userId": ["ana"]}) == "ana"
    assert identify(given, PRINCIPAL, {}) is None


@pytest.mark.parametrize("user_id", ["x" * 129, "a\nb", "%41na"])
def test_an_impossible_user_id_is_refused(user_id: str) -> None:
    assert status(settings(CLIENT_AUTH="anonymous"), {}, {"userId": [user_id]}) == 400


def test_who_names_no_room_asks_about_the_default_one() -> None:
    assert requested_room({}, "lobby") == "lobby"


def test_a_room_is_taken_as_it_is_written() -> None:
    assert requested_room({"room": ["a/b#c?😀'"]}, "lobby") == "a/b#c?😀'"


@pytest.mark.parametrize("room", ["x" * 129, ""], ids=["too long", "empty is not missing"])
def test_an_impossible_room_is_refused(room: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        requested_room({"room": [room]}, "lobby")
    assert caught.value.code == "invalid_room"


def test_a_comma_in_a_name_is_not_the_host_s_and_an_empty_value_is_not_a_missing_one() -> None:
    url = "https://x.azurewebsites.net/api/negotiate?code=k&room=a%2Cb&room=c+d&room=%E4%B8%96&limit=#room=no"
    assert read_query(url) == {"code": ["k"], "room": ["a,b", "c d", "世"], "limit": [""]}
    assert read_query("https://x.azurewebsites.net/api/negotiate") == {}


def test_several_rooms_are_each_asked_for_once_and_in_their_order() -> None:
    assert requested_rooms({"room": ["b", "a", "b"]}, "lobby") == ["b", "a"]
    assert requested_rooms({}, "lobby") == ["lobby"]


@pytest.mark.parametrize(
    ("rooms", "code"),
    [
        (["a", ""], "invalid_room"),
        (["a", "x" * 129], "invalid_room"),
        ([f"room {n}" for n in range(21)], "too_many_rooms"),
        (["😀" * 31 + f"{n:02}" for n in range(20)], "too_many_rooms"),
    ],
)
def test_rooms_that_no_connection_can_be_in_are_refused(rooms: list[str], code: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        requested_rooms({"room": rooms}, "lobby")
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize("name", ["room", "userId", "limit"])
def test_a_parameter_with_one_value_is_not_taken_from_several(name: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        parameter({name: ["a", "b"]}, name)
    assert (caught.value.code, name in caught.value.message) == ("repeated_parameter", True)
