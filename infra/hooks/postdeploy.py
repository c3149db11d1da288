"""Look at a deployment as a user and the Web PubSub service will: ``azd`` runs this after each ``azd deploy``.

It wakes the app up, waits until it is healthy, asks it what the service asks before the first event, makes sure that it
refuses an event without a proof, and prints where the demo is. It changes nothing. Standard library only.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

# The service itself waits no longer.
ANSWER_SECONDS = 10
RETRY_SECONDS = 2
MAX_BYTES = 64 * 1024

ROLES = (
    "Roles take up to ten minutes to be in effect after the first deployment: run `azd hooks run postdeploy` again.\n"
    "If it stays so, look at the app's log: docs/deploy.md, section 'When it does not work'."
)


class CheckError(Exception):
    """Raised when the deployment does not work; the text says what is wrong and what to do."""


@dataclass(frozen=True)
class Answer:
    """What a URL answered: ``status`` is 0 and ``problem`` says why when it did not."""

    status: int
    headers: Message = field(default_factory=Message)
    body: bytes = b""
    problem: str = ""

    @property
    def is_passing(self) -> bool:
        """Return whether it can be another one soon: no answer, or an error of the platform."""
        return self.status == 0 or self.status >= 500

    def __str__(self) -> str:
        return self.problem or f"status {self.status}"


class KeepRedirects(HTTPRedirectHandler):
    """Shows a redirect as it is: it is the answer of who demands a sign-in."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str) -> None:
        """Follow none."""


def ask(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Send one request."""
    try:
        request = Request(url, method=method, headers=headers or {}, data=body)
        with build_opener(KeepRedirects()).open(request, timeout=ANSWER_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read(MAX_BYTES))
    except HTTPError as error:
        return Answer(error.code, error.headers, error.read(MAX_BYTES))
    except (OSError, HTTPException, ValueError) as error:
        return Answer(0, problem=f"no answer: {getattr(error, 'reason', None) or error}")


class Deadline:
    """Asks again until an answer is wanted or the time is over, and shows each new reason to wait."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._shown = ""

    def until(self, ask_once: Callable[[], Answer], reason: Callable[[Answer], str | None]) -> Answer:
        """Ask until ``reason`` knows none to wait; at the end give the last answer."""
        while True:
            answer = ask_once()
            why = reason(answer)
            if why is None or time.monotonic() + RETRY_SECONDS > self._end:
                return answer
            if why != self._shown:
                print(f"  waiting: {why}", flush=True)
                self._shown = why
            time.sleep(RETRY_SECONDS)


def health_problems(answer: Answer) -> list[str]:
    """Read what ``health`` names: settings, or back ends that do not answer."""
    try:
        told: Any = json.loads(answer.body)
    except ValueError:
        return []
    if not isinstance(told, dict):
        return []
    settings = [str(problem) for problem in told.get("settings", [])]
    return settings or [f"{part}: {state}" for part, state in told.items() if state == "unavailable"]


def check_health(app: str, deadline: Deadline) -> None:
    """Wait until the app and what it needs are there.

    Raises:
        CheckError: They are not.
    """
    url = f"{app}/api/health"
    answer = deadline.until(
        lambda: ask("GET", url),
        lambda answer: None if answer.status == 200 else "; ".join(health_problems(answer)) or str(answer),
    )
    if answer.status == 200:
        return
    problems = "\n".join(f"  - {problem}" for problem in health_problems(answer))
    if problems and b'"settings"' in answer.body:
        raise CheckError(
            f"The app refuses its settings:\n{problems}\n"
            "`azd provision` writes them anew. A reference to the key vault that is not resolved shows like this, too."
        )
    if problems:
        raise CheckError(f"The app runs, but not what it needs:\n{problems}\n{ROLES}")
    if answer.status == 404:
        raise CheckError(
            f"No function is loaded: {url} is 404. The package is not there, or function_app.py fails at import.\n"
            "Run `azd deploy` again; then see the app's log stream in the portal."
        )
    raise CheckError(f"The app does not answer at {url}: {answer}.\nRun `azd deploy` again. {ROLES}")


def check_handshake(webhook: str, service: str, deadline: Deadline) -> None:
    """Ask for the consent to send events, as the service does.

    Raises:
        CheckError: It is not given.
    """
    origin = urlsplit(service).hostname or service
    headers = {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}
    answer = deadline.until(lambda: ask("OPTIONS", webhook, headers), lambda a: str(a) if a.is_passing else None)
    allowed = [value.strip().lower() for value in answer.headers.get("WebHook-Allowed-Origin", "").split(",")]
    if 200 <= answer.status < 300 and ("*" in allowed or origin.lower() in allowed):
        return
    if answer.status in {301, 302, 307, 401, 403}:
        fix = (
            "Another answers in place of the app: App Service authentication or a firewall. It must leave this path "
            "alone; `azd provision` excludes it from App Service authentication."
        )
    else:
        fix = (
            "The app's log says which origins it knows: its WebPubSubConnectionString__serviceUri must name this "
            "service. `azd provision` writes it anew."
        )
    raise CheckError(
        f"The app does not let the service send events: {origin} asked {webhook} with OPTIONS.\n"
        f"  wanted:    status 2xx and WebHook-Allowed-Origin: {origin}\n"
        f"  came back: {answer} and {', '.join(filter(None, allowed)) or 'no such header'}\n{fix}"
    )


def check_protection(webhook: str, deadline: Deadline) -> None:
    """Send an event without a proof, as anyone could.

    Raises:
        CheckError: It is not refused.
    """
    headers = {"Content-Type": "text/plain", "ce-type": "azure.webpubsub.user.message", "ce-specversion": "1.0"}
    answer = deadline.until(
        lambda: ask("POST", webhook, headers, b"unproven"), lambda a: str(a) if a.is_passing else None
    )
    if answer.status != 401:
        raise CheckError(
            f"An event without any proof got {answer} at {webhook}, and must get 401.\n"
            "If ALLOW_UNAUTHENTICATED_EVENTS is set, anyone can send events as any user: remove it, or `azd provision`."
        )


def main() -> int:
    """Check; the exit status is 1 when something does not work."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    env = os.environ.get
    parser.add_argument("--app", default=env("SERVICE_API_URI"), help="the app's URL (SERVICE_API_URI)")
    parser.add_argument("--webhook", default=env("EVENT_HANDLER_URL"), help="the event handler's (EVENT_HANDLER_URL)")
    parser.add_argument("--service", default=env("WEB_PUBSUB_ENDPOINT"), help="Web PubSub's (WEB_PUBSUB_ENDPOINT)")
    parser.add_argument("--demo", default=env("DEMO_URL"), help="the demo page's (DEMO_URL)")
    parser.add_argument("--wait", type=float, default=300, help="how long to wait in all, in seconds (300)")
    given = parser.parse_args()
    missing = [f"--{name}" for name in ("app", "webhook", "service", "demo") if not getattr(given, name)]
    if missing:
        parser.error(
            f"{', '.join(missing)}: azd sets these from the outputs of `azd provision`; run that, or give them"
        )
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the app tells may have characters that a console of Windows has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    deadline = Deadline(given.wait)
    print(f"Looking at {given.app} (a first start takes a minute) …", flush=True)
    try:
        check_health(given.app, deadline)
        print("  ok: the app, its storage and its service answer", flush=True)
        check_handshake(given.webhook, given.service, deadline)
        print("  ok: the service may send events", flush=True)
        check_protection(given.webhook, deadline)
        print("  ok: nobody else may", flush=True)
    except CheckError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"\n  Ready. Open the demo in two tabs.\n\n  demo      {given.demo}\n  webhook   {given.webhook}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
