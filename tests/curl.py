"""What the tests run as ``curl``: the options that this project writes, as curl documents them, and no other.

No machine needs curl for the tests, and all test the same. The shell's part, quoting and pipes, is the shell's.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.patience import PATIENCE_SECONDS

__all__ = ["main", "run_shell"]


async def run_shell(command: str, folder: Path) -> str:
    """Run a command as a shell does, with this module as its curl, and return what it printed; ``folder`` is for that.

    Large commands come from the shell's input, as a person pastes them.
    """
    program = folder / "curl"
    program.write_text(f"#!{sys.executable}\nfrom tests.curl import main\nmain()\n")
    program.chmod(0o755)
    places = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[1])}
    pipe = asyncio.subprocess.PIPE
    shell = await asyncio.create_subprocess_exec("sh", stdin=pipe, stdout=pipe, env={**os.environ, **places})
    output, _ = await asyncio.wait_for(shell.communicate(command.encode()), PATIENCE_SECONDS)
    assert shell.returncode == 0
    return output.decode()


def main() -> None:
    """Send the request of the arguments and print the answer."""
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("-g", "--globoff", action="store_true")
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("--data-raw")
    parser.add_argument("--data-binary")
    given = parser.parse_args()
    if not given.globoff and re.search(r"[\[\]{}]", given.url):
        parser.error("brackets and braces of a URL are expanded without --globoff")
    body = _body(given)
    headers = {"accept": ("Accept", "*/*"), "user-agent": ("User-Agent", "curl")}
    if body is not None:
        headers["content-type"] = ("Content-Type", "application/x-www-form-urlencoded")
    for text in given.header:
        name, colon, value = text.partition(":") if ":" in text else (text.removesuffix(";"), "", "")
        if colon and not value.strip():
            headers.pop(name.lower(), None)  # `X:` leaves a header out, `X;` sends an empty one
        else:
            headers[name.lower()] = (name, value.strip())
    _send(given.request or ("GET" if body is None else "POST"), given.url, list(headers.values()), body, given.include)


def _body(given: argparse.Namespace) -> bytes | None:
    if given.data_raw is not None:
        return os.fsencode(given.data_raw)
    if given.data_binary == "@-":
        return sys.stdin.buffer.read()
    text = given.data if given.data is not None else given.data_binary
    if text is not None and text.startswith("@"):
        raise SystemExit("curl: files are not read here")
    return None if text is None else os.fsencode(text)


def _send(method: str, url: str, headers: list[tuple[str, str]], body: bytes | None, shows_head: bool) -> None:
    address = urlsplit(url)
    target = url.partition(address.netloc)[2] or "/"
    connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE_SECONDS)
    connection.putrequest(method, "/", skip_accept_encoding=True)
    # As it stands: the library would refuse characters that curl sends.
    connection._buffer[0] = f"{method} {target} HTTP/1.1".encode()  # type: ignore[attr-defined]
    for name, value in headers:
        connection.putheader(name, value.encode())
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    if shows_head:
        sys.stdout.write(f"HTTP/1.1 {answer.status} {answer.reason}\r\n{answer.headers}")
    sys.stdout.flush()
    sys.stdout.buffer.write(answer.read())
