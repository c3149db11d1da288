"""The files that describe the deployment, as texts: a test looks at these, or at a mutant of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from tests.infra.bicep import File, parse
from tests.infra.deployment import Deployment, deploy

ROOT: Final = Path(__file__).resolve().parents[2]
MAIN: Final = "infra/main.bicep"

EVENT_PROOFS: Final = ("managedIdentity", "accessKey")
CLIENT_AUTHS: Final = ("app_service", "function_key", "anonymous")
EXISTING_APPLICATION: Final = "11111111-2222-3333-4444-555555555555"
# Whatever is off by default.
EVERYTHING: Final[Mapping[str, Any]] = {
    "alertEmail": "operators@contoso.com",
    "alwaysReadyInstances": 1,
    "appSettings": {"MY_SETTING": "1"},
    "clientAppIds": EXISTING_APPLICATION[::-1],
    "corsOrigins": "https://www.contoso.com, https://contoso.com",
    "messageRetentionDays": 90,
    "usersAssignedOnly": True,
    "webPubSubSku": "Standard_S1",
}


@dataclass(frozen=True)
class Infra:
    """All files by their paths."""

    sources: dict[str, str]

    @classmethod
    def read(cls) -> Infra:
        """Read them as they are."""
        paths = [ROOT / "azure.yaml", *(ROOT / ".github" / "workflows").glob("*.yml")]
        paths += [path for path in (ROOT / "infra").rglob("*") if path.suffix in {".bicep", ".json"}]
        return cls({path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(paths)})

    def mutant(self, path: str, old: str, new: str) -> Infra:
        """Return a copy with one change."""
        if self.sources[path].count(old) != 1:
            # Not an AssertionError: that is what a mistake that is found looks like.
            raise LookupError(f"{path} does not have this once: {old}")
        return Infra(self.sources | {path: self.sources[path].replace(old, new)})

    @cached_property
    def files(self) -> dict[str, File]:
        """Every Bicep file."""
        return {path: parse(path, text) for path, text in self.sources.items() if path.endswith(".bicep")}

    @property
    def main(self) -> File:
        return self.files[MAIN]

    def json(self, path: str) -> Any:
        return json.loads(self.sources[path])

    def yaml(self, path: str) -> Any:
        return yaml.safe_load(self.sources[path])

    def deploy(self, **parameters: Any) -> Deployment:
        """Evaluate the templates; what is not given has its default."""
        return deploy(self.sources, MAIN, **({"environmentName": "dev", "location": "westeurope"} | parameters))

    @cached_property
    def deployments(self) -> dict[str, Deployment]:
        """One deployment for each choice that changes which resources there are."""
        found = {}
        choices = itertools.product(EVENT_PROOFS, CLIENT_AUTHS, ("", EXISTING_APPLICATION), (False, True))
        for proof, client, application, is_private in choices:
            name = f"{proof} {client} {'existing' if application else 'new'} {'private' if is_private else 'public'}"
            found[name] = self.deploy(
                eventAuthentication=proof,
                clientAuth=client,
                webhookAppClientId=application,
                vnetEnabled=is_private,
                principalId="6a0d3c11-0000-0000-0000-000000000001" if is_private else "",
                principalType="ServicePrincipal",
                **(EVERYTHING if is_private else {}),
            )
        return found


class Sample(Infra):
    """The same files, looked at in the two most different deployments: quick enough for each of many mistakes."""

    @cached_property
    def deployments(self) -> dict[str, Deployment]:
        developer = {"principalId": "6a0d3c11-0000-0000-0000-000000000001", "principalType": "ServicePrincipal"}
        return {
            "managedIdentity app_service new private": self.deploy(**EVERYTHING, **developer, vnetEnabled=True),
            "accessKey app_service new private": self.deploy(
                **EVERYTHING, vnetEnabled=True, eventAuthentication="accessKey"
            ),
        }
