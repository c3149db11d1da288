"""What only Azure knows, invented the same at each run: ids, host names, keys; and the functions of its templates."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.infra.bicep import BicepError
from tests.infra.unique_string import unique_string

SUBSCRIPTION: Final = "/subscriptions/00000000-0000-0000-0000-000000000001"
TENANT: Final = "00000000-0000-0000-0000-00000000007e"

# What a resource tells once it is there, by its path: ids ...
_IDS: Final = {
    "appId": "appId",
    "identity.principalId": "principalId",
    "properties.principalId": "principalId",
    "properties.clientId": "clientId",
}
# ... and texts that follow from its name.
_TEXTS: Final = {
    "properties.hostName": "{}.webpubsub.azure.com",
    "properties.defaultHostName": "{}-x1.westeurope-01.azurewebsites.net",
    "properties.primaryEndpoints.blob": "https://{}.blob.core.windows.net/",
    "properties.primaryEndpoints.table": "https://{}.table.core.windows.net/",
    "properties.vaultUri": "https://{}.vault.azure.net/",
    "properties.ConnectionString": "InstrumentationKey=0;IngestionEndpoint=https://{}.example/",
    "listKeys().primaryConnectionString": "Endpoint=https://{}.webpubsub.azure.com;AccessKey=primary-key;Version=1.0;",
    "listKeys().secondaryConnectionString": "Endpoint=https://{}.webpubsub.azure.com;AccessKey=secondary-key;Version=1.0;",
}


# The namespace of the GUIDs that Azure's templates make.
_NAMESPACE: Final = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")


def guid(*parts: str) -> str:
    """Return the GUID of some texts, as Azure makes it."""
    return str(uuid.uuid5(_NAMESPACE, "-".join(parts)))


def resource_id(scope: str, kind: str, name: str) -> str:
    """Put an id together as Azure does."""
    if kind == "Microsoft.Resources/resourceGroups":
        return f"{scope}/resourceGroups/{name}"
    provider, *kinds = kind.split("/")
    pairs: Iterator[str] = (f"{part}/{own}" for part, own in zip(kinds, name.split("/"), strict=True))
    return f"{scope}/providers/{provider}/{'/'.join(pairs)}"


@dataclass(frozen=True)
class Reference:
    """A symbol of a resource, or a path into it."""

    resource_id: str
    name: str
    body: Mapping[str, Any]
    path: tuple[str, ...] = ()

    def member(self, name: str) -> Any:
        """Follow one more part of the path.

        Raises:
            BicepError: There is nothing.
        """
        path = (*self.path, name)
        own_name = self.name.rpartition("/")[2]
        if path == ("id",):
            # Microsoft Graph gives out GUIDs.
            return guid(self.resource_id) if "/Microsoft.Graph/" in self.resource_id else self.resource_id
        if path == ("name",):
            return own_name
        found: Any = self.body
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, str):
            return found
        known = ".".join(path)
        if known in _IDS:
            return guid(self.resource_id, _IDS[known])
        if known in _TEXTS:
            return _TEXTS[known].format(own_name)
        if any(candidate.startswith(f"{known}.") for candidate in (*_IDS, *_TEXTS)):
            return Reference(self.resource_id, self.name, self.body, path)
        raise BicepError(f"{self.resource_id} has no {known}")


def _union(*values: Any) -> Any:
    merged: dict[str, Any] = {}
    for value in values:
        merged |= value
    return merged


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "concat": lambda *lists: [item for each in lists for item in each],
    "empty": lambda value: not value,
    "environment": lambda: {
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
        "resourceManager": "https://management.azure.com/",
        "suffixes": {"storage": "core.windows.net"},
    },
    "guid": guid,
    "replace": str.replace,
    "split": str.split,
    "string": str,
    "subscription": lambda: {"id": SUBSCRIPTION},
    "subscriptionResourceId": lambda kind, name: f"{SUBSCRIPTION}/providers/{kind}/{name}",
    "tenant": lambda: {"tenantId": TENANT},
    "toLower": str.lower,
    "union": _union,
    "uniqueString": unique_string,
}
