"""The members of a group, listed page by page over REST."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.emulator.conftest import Service

PATH = "/groups/g/connections"


async def pages(service: Service, query: str) -> list[dict[str, Any]]:
    """Follow ``nextLink`` to its end."""
    found: list[dict[str, Any]] = []
    path = f"{PATH}?{query}" if query else PATH
    while path:
        status, _, page = await service.rest("GET", path)
        assert status == 200
        found.append(page)
        path = page.get("nextLink", "").removeprefix(f"{service.url}/api/hubs/chat")
    return found


def ids(page: dict[str, Any]) -> list[str]:
    return [member["connectionId"] for member in page["value"]]


def next_query(page: dict[str, Any]) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page["nextLink"]).query).items()}


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("", [5]),
        ("maxpagesize=2", [2, 2, 1]),
        ("maxpagesize=5", [5]),
        ("top=3", [3]),
        ("maxpagesize=2&top=3", [2, 1]),
        ("maxpagesize=2&top=4", [2, 2]),
        ("maxpagesize=200&top=2147483647", [5]),
    ],
)
async def test_pages_end_with_the_group_or_with_top(service: Service, query: str, sizes: list[int]) -> None:
    for _ in range(5):
        await service.connect(groups="g")
    found = await pages(service, query)
    assert [len(page["value"]) for page in found] == sizes
    assert [one for page in found for one in ids(page)] == [f"conn-{n}" for n in range(1, sum(sizes) + 1)]


async def test_a_member_has_its_user_where_it_has_one(service: Service) -> None:
    await service.connect(groups="g", sub="ana")
    await service.connect(groups="g")
    _, _, page = await service.rest("GET", PATH)
    assert page == {"value": [{"connectionId": "conn-1", "userId": "ana"}, {"connectionId": "conn-2"}]}


@pytest.mark.parametrize("version", ["", "&api-version=2021-10-01"])
async def test_a_next_link_says_what_is_left_and_the_newest_version(service: Service, version: str) -> None:
    for _ in range(3):
        await service.connect(groups="g")
    _, _, page = await service.rest("GET", f"{PATH}?maxpagesize=1&top=3{version}")
    query = next_query(page)
    assert page["nextLink"].startswith(f"{service.url}/api/hubs/chat{PATH}?")
    assert (query["maxpagesize"], query["top"], query["api-version"]) == ("1", "2", "2024-12-01")


async def test_who_comes_and_goes_between_two_pages_is_never_seen_twice(service: Service) -> None:
    sockets = [await service.connect(groups="g") for _ in range(4)]
    _, _, first = await service.rest("GET", f"{PATH}?maxpagesize=2")
    assert ids(first) == ["conn-1", "conn-2"]
    await service.rest("DELETE", "/connections/conn-2/groups")
    await service.rest("DELETE", "/connections/conn-3/groups")
    await service.connect(groups="g")
    _, _, second = await service.rest("GET", first["nextLink"].removeprefix(f"{service.url}/api/hubs/chat"))
    assert ids(second) == ["conn-4", "conn-5"]
    assert len(sockets) == 4


async def test_a_group_that_nobody_is_in_has_an_empty_list(service: Service) -> None:
    assert (await service.rest("GET", PATH))[::2] == (200, {"value": []})


@pytest.mark.parametrize(
    "query",
    [
        "maxpagesize=0",
        "maxpagesize=-1",
        "maxpagesize=201",
        "maxpagesize=1.5",
        "maxpagesize=",
        "maxpagesize=1&maxpagesize=1",
        "top=0",
        "top=x",
        "top=%C2%B2",
        "top=2147483648",
        "top=",
        "continuationToken=",
        "continuationToken=*",
        "continuationToken=conn-1",
        "continuationToken=AAAAAAAAAAAAAAAAAAAAAA==",
        f"continuationToken={'z' * 4000}",
        "continuationToken=%F0%9F%98%80",
        "continuationToken=a&continuationToken=b",
    ],
)
async def test_a_page_that_cannot_be_is_400(service: Service, query: str) -> None:
    await service.connect(groups="g")
    assert (await service.rest("GET", f"{PATH}?{query}"))[0] == 400


async def test_a_token_of_one_list_is_not_a_token_of_another(service: Service) -> None:
    for _ in range(2):
        await service.connect(groups=["g", "G"])
    _, _, page = await service.rest("GET", f"{PATH}?maxpagesize=1")
    token = next_query(page)["continuationToken"]
    assert (await service.rest("GET", f"{PATH}?continuationToken={token}"))[0] == 200
    assert (await service.rest("GET", f"/groups/G/connections?continuationToken={token}"))[0] == 400
    changed = ("C" if token.startswith("B") else "B") + token[1:]
    assert (await service.rest("GET", f"{PATH}?continuationToken={changed}"))[0] == 400
