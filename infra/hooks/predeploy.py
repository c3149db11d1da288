"""Wait until the app's roles on its storage are probably in effect: ``azd`` runs this before each ``azd deploy``.

A role takes minutes to take effect, and only the app's own identity could tell when; a package that is deployed before
fails with 403. So the roles must be five minutes old. If they are, or if their age is not known, this does not wait.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from infra.hooks import azd
from infra.hooks.web import Answer, ask, use_any_console

ROLE_SECONDS: Final = 300
PROGRESS_SECONDS: Final = 15
NEEDED: Final = ("Storage Blob Data Owner", "Storage Table Data Contributor")
ROLES: Final = Path(__file__).resolve().parents[1] / "roles.json"


def newest_age(answer: Answer) -> tuple[float, set[str]]:
    """Return how old the newest needed role is by the server's clock, in seconds, and the names of missing ones.

    Raises:
        ValueError: The answer is not a list of assignments.
    """
    ids = json.loads(ROLES.read_text("utf-8"))
    names = {ids[name]: name for name in NEEDED}
    now = parsedate_to_datetime(answer.headers.get("Date", ""))
    made: dict[str, datetime] = {}
    assignments: list[Any] = answer.document["value"]
    for assignment in assignments:
        properties = assignment["properties"]
        name = names.get(str(properties["roleDefinitionId"]).rpartition("/")[2].lower())
        if name:
            created = datetime.fromisoformat(properties["createdOn"])
            # One old assignment is enough, whatever was assigned later.
            made[name] = min(created, made.get(name, created))
    ages = [(now - created).total_seconds() for created in made.values()]
    return min(ages, default=0), set(NEEDED) - made.keys()


def wait(seconds: float) -> None:
    """Wait and show the time left."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        print(f"  waiting: the app's roles are new; {left:.0f} s more", flush=True)
        time.sleep(min(left, PROGRESS_SECONDS))


def main() -> int:
    """Wait; the exit status is always 0, because ``azd deploy`` itself tells more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    env = os.environ.get
    parser.add_argument("--storage", default=env("STORAGE_ACCOUNT_ID"), help="resource id (STORAGE_ACCOUNT_ID)")
    parser.add_argument("--principal", default=env("APP_PRINCIPAL_ID"), help="the app's identity (APP_PRINCIPAL_ID)")
    parser.add_argument(
        "--resource-manager", default=env("AZURE_RESOURCE_MANAGER"), help="its URL (AZURE_RESOURCE_MANAGER)"
    )
    parser.add_argument("--age", type=float, default=ROLE_SECONDS, help="how old roles must be, in seconds (300)")
    given = parser.parse_args()
    use_any_console()
    if not (given.storage and given.principal and given.resource_manager):
        return note("azd knows no deployment yet; run `azd provision --no-state` first")
    manager = given.resource_manager.rstrip("/")
    try:
        bearer = azd.token(f"{manager}/.default", env("AZURE_TENANT_ID"))
    except azd.NoTokenError as error:
        return note(str(error))
    wanted = quote(f"principalId eq '{given.principal}'")
    url = f"{manager}{given.storage}/providers/Microsoft.Authorization/roleAssignments"
    answer = ask("GET", f"{url}?api-version=2022-04-01&$filter={wanted}", {"Authorization": f"Bearer {bearer}"})
    try:
        if answer.status != 200:
            return note(str(answer))
        age, missing = newest_age(answer)
    except (ValueError, KeyError, TypeError) as error:
        return note(f"the list of roles is not understood: {error!r}")
    if missing:
        return note(f"the app lacks {' and '.join(sorted(missing))}; `azd provision --no-state` assigns them")
    wait(given.age - age)
    print("  ok: the app's roles on its storage are old enough", flush=True)
    return 0


def note(reason: str) -> int:
    """Say why nothing was waited for."""
    print(f"  note: did not wait for the app's roles: {reason}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
