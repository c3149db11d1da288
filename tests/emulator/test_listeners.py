"""The emulator is at both addresses of ``localhost``, or at none."""

from __future__ import annotations

import errno
import socket

import aiohttp
import pytest
from yarl import URL

from webpubsub_emulator import Emulator, EmulatorSettings, listeners

pytestmark = pytest.mark.external  # it listens
REAL_BIND = listeners.bind


async def health(url: str) -> int:
    async with aiohttp.ClientSession() as http, http.head(f"{url}/api/health") as answer:
        return answer.status


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_both_loopback_addresses_are_served_at_one_port(address: str) -> None:
    async with Emulator(EmulatorSettings(port=0)) as emulator:
        assert await health(f"http://{address}:{URL(emulator.url).port}") == 200


async def test_a_machine_without_ipv6_is_served_at_the_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_ipv6(address: str, port: int) -> socket.socket:
        if address == "::1":
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return REAL_BIND(address, port)

    monkeypatch.setattr(listeners, "bind", without_ipv6)
    async with Emulator(EmulatorSettings(port=0)) as emulator:
        assert await health(f"http://127.0.0.1:{URL(emulator.url).port}") == 200


async def test_a_free_port_that_is_taken_at_the_other_address_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    passed_over: list[int] = []

    def taken_at_first(address: str, port: int) -> socket.socket:
        if address == "::1" and not passed_over:
            passed_over.append(port)
            raise OSError(errno.EADDRINUSE, "Address already in use", f"[{address}]")
        return REAL_BIND(address, port)

    monkeypatch.setattr(listeners, "bind", taken_at_first)
    async with Emulator(EmulatorSettings(port=0)) as emulator:
        assert passed_over
        assert await health(f"http://[::1]:{URL(emulator.url).port}") == 200
