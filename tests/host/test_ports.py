"""Ports are looked at before anything starts, and what is wrong with each is said as it is."""

from __future__ import annotations

import errno
import socket

import pytest

import local.azurite
import local.ports
from local.azurite import free_port
from local.exceptions import StackError
from local.part import Part
from local.ports import refuse_taken_ports
from webpubsub_emulator.listeners import bind


async def healthy(_: object) -> str | None:
    return None


def part(port: int, name: str = "webpubsub") -> Part:
    return Part(name, port, f"--{name}-port", [], healthy)


def failing_with(number: int, text: str, *, only_at: str = "") -> object:
    def fail(address: str, port: int) -> socket.socket:
        if only_at in address:
            raise OSError(number, text)
        return bind(address, port)

    return fail


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_free_port_is_taken_at_no_address_and_comes_once(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    taken, free = free_port(), free_port()
    assert taken != free
    monkeypatch.setattr(local.azurite, "_CANDIDATES", iter([taken, free]))
    with bind(address, taken) as listening:
        listening.listen()
        assert free_port() == free


def test_a_free_port_is_none_that_a_client_could_be_given_meanwhile() -> None:
    """Linux, macOS and Windows number what they choose themselves from 32,768 or from 49,152."""
    assert all(1024 <= free_port() < 32_768 for _ in range(100))


def test_free_ports_are_fine() -> None:
    refuse_taken_ports([part(free_port()), part(free_port(), "tables")])


def test_all_taken_ports_are_named_together() -> None:
    with bind("127.0.0.1", 0) as first, bind("::1", 0) as second:
        first.listen()
        second.listen()
        ports = [taken.getsockname()[1] for taken in (first, second)]
        with pytest.raises(StackError) as raised:
            refuse_taken_ports([part(ports[0]), part(ports[1], "tables")])
    lines = str(raised.value).splitlines()
    assert f"port {ports[0]} for webpubsub is taken at 127.0.0.1" in lines[0]
    assert f"port {ports[1]} for tables is taken at [::1]" in lines[1]


def test_a_port_without_the_right_to_it_is_not_called_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.ports, "bind", failing_with(errno.EACCES, "Permission denied"))
    with pytest.raises(StackError) as raised:
        refuse_taken_ports([part(80)])
    assert str(raised.value) == (
        "port 80 for webpubsub is not for this user (Permission denied): choose one above 1023 with --webpubsub-port"
    )


def test_a_machine_without_ipv6_has_one_address_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.ports, "bind", failing_with(errno.EADDRNOTAVAIL, "Cannot assign", only_at="::1"))
    refuse_taken_ports([part(free_port())])
