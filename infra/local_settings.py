"""Write local.settings.json, so that a laptop runs the app against a deployed environment, as its developer.

    azd env get-values --output json | python infra/local_settings.py

No key is written: the developer's own sign-in (``az login`` or ``azd auth login``) has the roles.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

DEFAULT_FILE = Path(__file__).resolve().parents[1] / "local.settings.json"

# Each setting of the app, and the output of infra/main.bicep that it is.
OUTPUTS = {
    "WebPubSubConnectionString__serviceUri": "WEB_PUBSUB_ENDPOINT",
    "WebPubSubHub": "WEB_PUBSUB_HUB",
    "AzureWebJobsStorage__tableServiceUri": "STORAGE_TABLE_ENDPOINT",
}
# Only where tokens prove events.
TOKEN_OUTPUTS = {
    "WEBHOOK_TENANT_ID": "AZURE_TENANT_ID",
    "WEBHOOK_APP_CLIENT_ID": "APPLICATION_CLIENT_ID",
    "WEBHOOK_CALLER_OBJECT_IDS": "WEB_PUBSUB_PRINCIPAL_ID",
}
# A laptop has no App Service authentication, and nobody else reaches it.
FIXED = {"FUNCTIONS_WORKER_RUNTIME": "python", "CLIENT_AUTH": "anonymous"}


def local_settings(values: Mapping[str, str]) -> dict[str, str]:
    """Make the settings from the values of an environment.

    Raises:
        KeyError: An output is missing.
    """
    wanted = OUTPUTS | (TOKEN_OUTPUTS if values["EVENT_AUTHENTICATION"] == "managedIdentity" else {})
    return FIXED | {setting: values[output] for setting, output in wanted.items()}


def main() -> int:
    """Read the values from the standard input and write the file; the exit status is 1 when that cannot be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT_FILE, help="default: local.settings.json")
    file: Path = parser.parse_args().file
    if sys.stdin.isatty():
        parser.error("there is nothing on the standard input: azd env get-values --output json | …")
    try:
        # PowerShell may put a byte order mark first.
        values = json.loads(sys.stdin.read().removeprefix("\ufeff"))
        settings = local_settings(values)
    except ValueError:
        return fail("that is not JSON: use `azd env get-values --output json`")
    except KeyError as missing:
        return fail(f"the environment has no {missing}: run `azd provision --no-state` first")
    # No CORS: any page in the developer's browser could read the messages.
    document = {"IsEncrypted": False, "Values": settings, "Host": {"LocalHttpPort": 7071}}
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(json.dumps(document, indent=2) + "\n")
    except FileExistsError:
        return fail(f"{file} is there already, and may hold what you need: move it away first")
    print(f"Wrote {file}. Now: python -m local.functions_host (or func start)")
    if "WEBHOOK_APP_CLIENT_ID" not in settings:
        print(
            "Events are proven by access keys here, and the app wants to know them. Add WebPubSubConnectionString:\n"
            f"  az webpubsub key show --resource-group {values.get('AZURE_RESOURCE_GROUP')} "
            f"--name {values.get('WEB_PUBSUB_NAME')} --query primaryConnectionString --output tsv"
        )
    return 0


def fail(reason: str) -> int:
    """Say why nothing was written."""
    print(f"Error: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
