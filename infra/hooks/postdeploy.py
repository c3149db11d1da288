"""Look at a deployment as a user and the Web PubSub service will: ``azd`` runs this after each ``azd deploy``.

It wakes the app up, waits until it is healthy, asks it what the service asks before the first event, makes sure that it
refuses an event without a proof, lets the service send it one event, and prints where the demo is, if there is one. It
changes nothing, except for one message in a room of its own where ``CLIENT_AUTH`` is anonymous. Standard library only.
"""

from __future__ import annotations

import argparse
import os
import sys
from urllib.parse import urlsplit

from infra.hooks.event_probe import Probe
from infra.hooks.web import Answer, CheckError, Deadline, ask, use_any_console

ROLES = (
    "Roles take up to ten minutes to be in effect after the first deployment: run `azd hooks run postdeploy` again.\n"
    "If it stays so, look at the app's log: docs/operate/troubleshooting.md."
)


def health_problems(answer: Answer) -> list[str]:
    """Return what ``health`` names: settings, or parts that are not well."""
    settings = answer.document.get("settings")
    if isinstance(settings, list):
        return [str(problem) for problem in settings]
    parts = {name: state for name, state in answer.document.items() if name != "status" and isinstance(state, str)}
    return [f"{part}: {state}" for part, state in parts.items() if state != "ok"]


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
            "`azd provision --no-state` writes them again. A reference to the key vault that is not resolved looks "
            "like this, too."
        )
    if "sign_in" in answer.document:
        raise CheckError(
            f"The app runs, but nobody can sign in:\n{problems}\n"
            "`azd provision --no-state` turns App Service authentication on; a minute later run "
            "`azd hooks run postdeploy` again."
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
    answer = deadline.until_settled(lambda: ask("OPTIONS", webhook, headers))
    allowed = [value.strip().lower() for value in answer.headers.get("WebHook-Allowed-Origin", "").split(",")]
    if 200 <= answer.status < 300 and ("*" in allowed or origin.lower() in allowed):
        return
    if answer.status in {301, 302, 307, 401, 403}:
        fix = (
            "Something else answers for the app: App Service authentication or a firewall. It must leave this path "
            "alone; `azd provision --no-state` excludes it from App Service authentication."
        )
    else:
        fix = (
            "The app's log says which origins it knows: its WebPubSubConnectionString__serviceUri must name this "
            "service. `azd provision --no-state` writes it again."
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
    answer = deadline.until_settled(lambda: ask("POST", webhook, headers, b"unproven"))
    if answer.status != 401:
        raise CheckError(
            f"An event without any proof got {answer} at {webhook}, and must get 401.\n"
            "If ALLOW_UNAUTHENTICATED_EVENTS is set, anyone can send events as any user: remove it, or run "
            "`azd provision --no-state`."
        )


def check_sign_in(app: str, tenant_id: str, deadline: Deadline) -> None:
    """Ask for the sign-in page, as a browser does.

    Raises:
        CheckError: It is not the tenant's.
    """
    url = f"{app}/.auth/login/aad"
    answer = deadline.until_settled(lambda: ask("GET", url))
    target = urlsplit(answer.headers.get("Location", ""))
    if 300 <= answer.status < 400 and target.scheme == "https" and tenant_id.lower() in target.path.lower().split("/"):
        return
    raise CheckError(
        f"Nobody can sign in: {url} must redirect to the tenant {tenant_id}.\n"
        f"  came back: {answer} and {target.geturl().partition('?')[0] or 'no Location'}\n"
        "`azd provision --no-state` writes App Service authentication again. Or CLIENT_AUTH is meant to be another "
        "one: docs/operate/choices.md."
    )


def main() -> int:
    """Check; the exit status is 1 when something does not work."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    env = os.environ.get
    parser.add_argument("--app", default=env("SERVICE_API_URI"), help="the app's URL (SERVICE_API_URI)")
    parser.add_argument("--webhook", default=env("EVENT_HANDLER_URL"), help="the event handler's (EVENT_HANDLER_URL)")
    parser.add_argument("--service", default=env("WEB_PUBSUB_ENDPOINT"), help="Web PubSub's (WEB_PUBSUB_ENDPOINT)")
    parser.add_argument("--demo", default=env("DEMO_URL"), help="the demo page's, where there is one (DEMO_URL)")
    parser.add_argument("--hub", default=env("WEB_PUBSUB_HUB"), help="the hub (WEB_PUBSUB_HUB)")
    parser.add_argument("--client-auth", default=env("CLIENT_AUTH"), help="who clients are (CLIENT_AUTH)")
    parser.add_argument("--tenant", default=env("AZURE_TENANT_ID"), help="the tenant's id (AZURE_TENANT_ID)")
    parser.add_argument(
        "--room", default=env("POSTDEPLOY_ROOM") or "azd-postdeploy", help="where to connect to (POSTDEPLOY_ROOM)"
    )
    parser.add_argument("--wait", type=float, default=300, help="how long to wait in all, in seconds (300)")
    given = parser.parse_args()
    needed = ("app", "webhook", "service", "hub", "client_auth", "tenant")
    missing = [f"--{name.replace('_', '-')}" for name in needed if not getattr(given, name)]
    if missing:
        parser.error(
            f"{', '.join(missing)}: azd sets these from the outputs of `azd provision --no-state`; "
            "run that, or pass them"
        )
    use_any_console()
    deadline = Deadline(given.wait)
    probe = Probe(given.service, given.hub, given.app, given.client_auth, given.room, given.tenant)
    print(f"Looking at {given.app} (a first start takes a minute) …", flush=True)
    try:
        check_health(given.app, deadline)
        print("  ok: the app, its storage and its service answer", flush=True)
        check_handshake(given.webhook, given.service, deadline)
        print("  ok: the service may send events", flush=True)
        check_protection(given.webhook, deadline)
        print("  ok: nobody else may", flush=True)
        if given.client_auth == "app_service":
            check_sign_in(given.app, given.tenant, deadline)
            print("  ok: users sign in to the tenant", flush=True)
        is_proven, told = probe.run(deadline)
        print(f"  {'ok' if is_proven else 'note'}: {told}", flush=True)
    except CheckError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"\n  {'Ready.' if is_proven else 'Deployed. Whether events arrive was not seen: the note says why.'}\n")
    if given.demo:
        print(f"  demo      {given.demo} (open it in two tabs)")
    print(f"  webhook   {given.webhook}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
