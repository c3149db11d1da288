"""An HTTP request as a curl command for a POSIX shell."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable
from typing import Final

__all__ = ["curl_command"]

# Linux limits the length of a program's argument; a shell builtin such as printf has no such limit.
_MAX_ARGUMENT_BYTES: Final = 64 * 1024


def curl_command(url: str, headers: Iterable[tuple[str, str]], body: bytes) -> str:
    """Return the command that POSTs ``body`` with exactly these headers; a body that is not short text is piped in."""
    # curl reads `X:` as "leave the header out"; an empty one is `X;`.
    texts = (f"{name}: {value}" if value else f"{name};" for name, value in headers)
    # Without --globoff curl expands brackets and braces of the URL.
    command = ["curl", "--include", "--globoff", "--request", "POST", shlex.quote(url)]
    options = [f"--header {shlex.quote(text)}" for text in texts]
    text = _short_text(body)
    if text is not None:
        options.append(f"--data-raw {shlex.quote(text)}")
        pipe = ""
    else:
        options.append("--data-binary @-")
        pipe = f"printf %s {base64.b64encode(body).decode()} | base64 -d | "
    return pipe + " \\\n  ".join([" ".join(command), *options])


def _short_text(body: bytes) -> str | None:
    if len(body) > _MAX_ARGUMENT_BYTES or b"\0" in body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
