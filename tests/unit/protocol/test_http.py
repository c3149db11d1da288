from __future__ import annotations

from webpubsub_handler.protocol.http import Headers, HttpRequest, HttpResponse


def test_a_header_is_found_in_any_case() -> None:
    headers = Headers({"ce-connectionId": "conn-42"})

    assert headers.get("CE-CONNECTIONID") == headers.get("ce-connectionid") == "conn-42"


def test_a_header_that_is_absent_is_none_and_has_no_members() -> None:
    headers = Headers()

    assert headers.get("ce-id") is None
    assert headers.get_list("ce-id") == []


def test_a_header_that_is_empty_is_not_absent() -> None:
    assert Headers({"ce-userId": ""}).get("ce-userId") == ""


def test_repeated_lines_are_joined_in_order_whatever_their_case() -> None:
    headers = Headers([("ce-signature", "a"), ("other", "x"), ("CE-Signature", "b")])

    assert headers.get("ce-signature") == "a, b"


def test_the_members_of_a_list_come_from_all_lines_without_spaces_and_empty_ones() -> None:
    headers = Headers([("origin", " a ,b,, "), ("Origin", "c"), ("origin", "")])

    assert headers.get_list("ORIGIN") == ["a", "b", "c"]


def test_walking_headers_gives_one_pair_a_line() -> None:
    headers = Headers([("A", "1"), ("B", "2"), ("a", "3")])

    assert list(headers) == [("a", "1"), ("a", "3"), ("b", "2")]


def test_thousands_of_lines_of_one_header_are_read() -> None:
    headers = Headers([("ce-signature", f"sha256={number}") for number in range(5000)])

    assert len(headers.get_list("ce-signature")) == 5000


def test_the_repr_of_a_request_shows_no_header_value() -> None:
    request = HttpRequest("POST", Headers({"Authorization": "Bearer secret"}))

    assert "secret" not in repr(request)
    assert "authorization" in repr(request)


def test_a_text_response_says_that_it_is_utf_8() -> None:
    response = HttpResponse.text(400, "é")

    assert response == HttpResponse(400, {"Content-Type": "text/plain; charset=utf-8"}, b"\xc3\xa9")


def test_text_that_no_encoding_has_is_answered_all_the_same() -> None:
    assert HttpResponse.text(404, "no group a\ud800").body == b"no group a?"
