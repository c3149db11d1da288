"""The page's files over HTTP: what is served, as what, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from tests.e2e.conftest import StartSystem, System

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "demo"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


async def test_every_file_of_the_page_is_served_as_what_it_is_and_may_load_nothing_from_elsewhere(
    system: System,
) -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.name != "tsconfig.json"]
    for path in files:
        async with system.http.get(f"{system.url}/api/demo/{path.relative_to(FOLDER).as_posix()}") as answer:
            kept = path.read_bytes()
            if path.name == "index.html":
                for name, value in ((b"client-auth", b"anonymous"), (b"default-room", b"lobby")):
                    kept = kept.replace(b'data-%s=""' % name, b'data-%s="%s"' % (name, value))
                kept = kept.replace(b'data-max-message-bytes=""', b'data-max-message-bytes="65536"')
            assert (answer.status, await answer.read()) == (200, kept)
            assert answer.headers["Content-Type"] == TYPES[path.suffix]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
            assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
            assert "unsafe" not in policy


async def test_the_page_is_told_the_default_room_whatever_is_in_its_name(start_system: StartSystem) -> None:
    system = await start_system(DEFAULT_ROOM='"><b>')
    async with system.http.get(f"{system.url}/api/demo/") as answer:
        assert 'data-default-room="&quot;&gt;&lt;b&gt;" ' in await answer.text()


async def test_only_the_split_view_holds_frames_and_only_the_page_is_held_in_one_of_this_site(system: System) -> None:
    for name, holds, ancestors in (("", False, "'self'"), ("split.html", True, "'none'"), ("chat.js", False, "'none'")):
        async with system.http.get(f"{system.url}/api/demo/{name}") as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert ("frame-src 'self';" in policy) == holds
            assert f"frame-ancestors {ancestors};" in policy


async def test_the_page_may_connect_to_its_services_only(start_system: StartSystem) -> None:
    local = await start_system()
    keyed = "Endpoint=https://contoso.webpubsub.azure.com;AccessKey=secret;"
    azure = await start_system(WebPubSubConnectionString=keyed)
    for system, allowed in (
        (local, f"'self' {local.emulator.url.replace('http', 'ws')} {local.emulator.url}"),
        (azure, "'self' wss://contoso.webpubsub.azure.com"),
    ):
        async with system.http.get(f"{system.url}/api/demo/") as answer:
            assert f"connect-src {allowed};" in answer.headers["Content-Security-Policy"]


async def test_the_folder_s_address_without_a_slash_leads_to_the_one_with(system: System) -> None:
    async with system.http.get(f"{system.url}/api/demo?room=a") as answer:
        assert str(answer.url) == f"{system.url}/api/demo/?room=a"
        assert "<title>" in await answer.text()


@pytest.mark.parametrize(
    "path",
    [
        "../function_app.py",
        "..%2Ffunction_app.py",
        "..%5Cfunction_app.py",
        "%2e%2e/function_app.py",
        "demo/index.html",
        "/etc/passwd",
        "index.html/",
        "index.html%00.js",
        "tsconfig.json",
        "nothing.js",
    ],
)
async def test_no_path_leads_elsewhere(system: System, path: str) -> None:
    async with system.http.get(URL(f"{system.url}/api/demo/{path}", encoded=True)) as answer:
        assert answer.status == 404
        assert b"import" not in await answer.read()
