"""HTTP for the hooks: one request, or the same one repeated until its answer is final."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from ssl import SSLCertVerificationError
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

__all__ = ["Answer", "CheckError", "Deadline", "KeepRedirects", "ask", "use_any_console"]

# The service itself does not wait longer for the app.
ANSWER_SECONDS: Final = 10
RETRY_SECONDS: Final = 2
MAX_BYTES: Final = 1024 * 1024
_UNTRUSTED: Final = (
    " (this Python does not trust the certificate: on macOS run its 'Install Certificates.command'; behind a proxy "
    "with a certificate of its own, set SSL_CERT_FILE to that)"
)


class CheckError(Exception):
    """Raised when a hook found something wrong; the text says what, and what to do."""


@dataclass(frozen=True)
class Answer:
    """What a URL answered; if it did not answer, ``status`` is 0 and ``problem`` says why."""

    status: int
    headers: Message = field(default_factory=Message)
    body: bytes = b""
    problem: str = ""

    @property
    def is_passing(self) -> bool:
        """Return whether it may change soon: no answer, too many requests, or an error of the platform."""
        return self.status in {0, 429} or self.status >= 500

    @property
    def document(self) -> dict[str, Any]:
        """Return the JSON object in the body, or an empty one if it is something else."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def __str__(self) -> str:
        return self.problem or f"status {self.status}"


class KeepRedirects(HTTPRedirectHandler):
    """Returns a redirect as it is: it is the answer of a page that requires sign-in."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str) -> None:
        """Follow no redirect."""


def ask(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Send one request and return its answer."""
    try:
        request = Request(url, method=method, headers=headers or {}, data=body)
        with build_opener(KeepRedirects()).open(request, timeout=ANSWER_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read(MAX_BYTES))
    except HTTPError as error:
        return Answer(error.code, error.headers, error.read(MAX_BYTES))
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return Answer(
            0, problem=f"no answer: {reason}{_UNTRUSTED if isinstance(reason, SSLCertVerificationError) else ''}"
        )


class Deadline:
    """Repeats a request until its answer is final or the time is over, and shows each new reason to wait."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._shown = ""

    def until(self, ask_once: Callable[[], Answer], reason: Callable[[Answer], str | None]) -> Answer:
        """Repeat a request while ``reason`` returns a reason to wait; return the last answer."""
        while True:
            answer = ask_once()
            why = reason(answer)
            if why is None or time.monotonic() + RETRY_SECONDS > self._end:
                return answer
            if why != self._shown:
                print(f"  waiting: {why}", flush=True)
                self._shown = why
            time.sleep(RETRY_SECONDS)

    def until_settled(self, ask_once: Callable[[], Answer]) -> Answer:
        """Repeat a request until the answer is not a temporary one."""
        return self.until(ask_once, lambda answer: str(answer) if answer.is_passing else None)


def use_any_console() -> None:
    """Let Windows consoles replace characters that they cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
