"""Every file is Bicep that the compiler takes without a warning, as far as that can be told without it."""

from __future__ import annotations

import posixpath
import re
from typing import Final

from tests.infra.bicep import text, walk
from tests.infra.infra import MAIN, Infra

API_VERSIONS: Final = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Graph/appRoleAssignedTo": "v1.0",
    "Microsoft.Graph/applications": "v1.0",
    "Microsoft.Graph/applications/federatedIdentityCredentials": "v1.0",
    "Microsoft.Graph/servicePrincipals": "v1.0",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.Insights/scheduledQueryRules": "2023-12-01",
    "Microsoft.KeyVault/vaults": "2025-05-01",
    "Microsoft.KeyVault/vaults/secrets": "2025-05-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2024-11-30",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2024-06-01",
    "Microsoft.Network/privateEndpoints": "2025-05-01",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "2025-05-01",
    "Microsoft.Network/virtualNetworks": "2025-05-01",
    "Microsoft.Network/virtualNetworks/subnets": "2025-05-01",
    "Microsoft.OperationalInsights/workspaces": "2025-02-01",
    "Microsoft.Resources/resourceGroups": "2025-04-01",
    "Microsoft.SignalRService/webPubSub": "2024-03-01",
    "Microsoft.SignalRService/webPubSub/hubs": "2024-03-01",
    "Microsoft.Storage/storageAccounts": "2025-01-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2025-01-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2025-01-01",
    "Microsoft.Storage/storageAccounts/tableServices": "2025-01-01",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "2025-01-01",
    "Microsoft.Web/serverfarms": "2025-03-01",
    "Microsoft.Web/sites": "2025-03-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2025-03-01",
    "Microsoft.Web/sites/config": "2025-03-01",
}

# Hosts that differ between Azure's clouds; environment() knows them.
CLOUD_HOSTS: Final = ("microsoftonline.com", "core.windows.net", "vault.azure.net", "azurewebsites.net")


def test_every_file_parses_and_declares_something(infra: Infra) -> None:
    assert len(infra.files) >= 10
    for path, file in infra.files.items():
        assert {*file.resources, *file.modules, *file.outputs}, path


def test_every_symbol_that_is_used_is_declared(infra: Infra) -> None:
    for path, file in infra.files.items():
        assert file.used_symbols() <= file.symbols, (path, file.used_symbols() - file.symbols)


def test_no_parameter_variable_or_existing_resource_is_unused(infra: Infra) -> None:
    for path, file in infra.files.items():
        existing = {symbol for symbol, resource in file.resources.items() if resource.is_existing}
        unused = {*file.parameters, *file.variables, *existing} - file.used_symbols()
        assert not unused, (path, unused)


def test_the_modules_are_the_files(infra: Infra) -> None:
    called = {
        posixpath.normpath(posixpath.join(posixpath.dirname(path), module.what))
        for path, file in infra.files.items()
        for module in file.modules.values()
    }
    assert called == set(infra.files) - {MAIN}


def test_every_api_version_is_the_pinned_one(infra: Infra) -> None:
    found = {resource.what for file in infra.files.values() for resource in file.resources.values()}
    assert found == {f"{kind}@{version}" for kind, version in API_VERSIONS.items()}


def test_outputs_of_a_conditional_module_are_taken_with_an_exclamation_mark(infra: Infra) -> None:
    """Without it the compiler warns that the module may be null."""
    for path, file in infra.files.items():
        for symbol, module in file.modules.items():
            if module.condition is not None:
                assert not re.findall(rf"\b{symbol}\.outputs", file.text), (path, symbol)


def test_no_host_of_one_cloud_is_written_out(infra: Infra) -> None:
    for path, file in infra.files.items():
        for node in walk(file.root):
            if node.type == "string_content":
                assert not any(host in text(node) for host in CLOUD_HOSTS), (path, text(node))


def test_the_template_is_of_the_subscription(infra: Infra) -> None:
    assert "\ntargetScope = 'subscription'\n" in infra.main.text


def test_every_parameter_of_the_template_is_described(infra: Infra) -> None:
    for name, parameter in infra.main.parameters.items():
        assert "description" in parameter.decorators, name


def test_the_extension_is_configured_and_used_in_one_file(infra: Infra) -> None:
    users = [path for path, file in infra.files.items() if re.search(r"^extension ", file.text, re.MULTILINE)]
    assert users == ["infra/app/entra.bicep"]
    assert "extension microsoftGraphV1\n" in infra.files[users[0]].text
    assert list(infra.json("infra/bicepconfig.json")["extensions"]) == ["microsoftGraphV1"]


def test_every_choice_can_be_deployed(infra: Infra) -> None:
    """Names, parameters of modules, their types, and properties of resources are right on every way through."""
    assert len(infra.deployments) == 24
    for name, deployment in infra.deployments.items():
        assert len(deployment.resources) > 15, name


def test_a_resource_group_holds_everything(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        group = deployment.one("Microsoft.Resources/resourceGroups")
        assert group.name == "rg-dev"
        for resource in deployment.resources.values():
            assert resource.id.startswith(group.id), resource.id
