"""A private deployment reaches its data through its network alone, and there is no network unless it is asked for."""

from __future__ import annotations

from ipaddress import IPv4Network

from tests.infra.infra import Infra


def test_a_private_deployment_reaches_its_data_through_private_endpoints_only(infra: Infra) -> None:
    deployment = infra.deploy(vnetEnabled=True, eventAuthentication="accessKey")
    storage = deployment.one("Microsoft.Storage/storageAccounts")
    vault = deployment.one("Microsoft.KeyVault/vaults")
    for resource in (storage, vault):
        assert resource.body["properties"]["publicNetworkAccess"] == "Disabled"
        assert resource.body["properties"]["networkAcls"]["defaultAction"] == "Deny"
    endpoints = {
        (connection["privateLinkServiceId"], *connection["groupIds"])
        for endpoint in deployment.of_type("Microsoft.Network/privateEndpoints")
        for connection in [endpoint.body["properties"]["privateLinkServiceConnections"][0]["properties"]]
    }
    assert endpoints == {(storage.id, "blob"), (storage.id, "table"), (vault.id, "vault")}
    zones = {zone.name for zone in deployment.of_type("Microsoft.Network/privateDnsZones")}
    assert zones == {
        "privatelink.blob.core.windows.net",
        "privatelink.table.core.windows.net",
        "privatelink.vaultcore.azure.net",
    }
    site = deployment.one("Microsoft.Web/sites").body["properties"]
    assert site["virtualNetworkSubnetId"].endswith("/subnets/app")


def test_there_is_no_network_unless_it_is_asked_for(infra: Infra) -> None:
    deployment = infra.deploy()
    assert not [r for r in deployment.resources.values() if r.type.startswith("Microsoft.Network/")]
    assert deployment.one("Microsoft.Web/sites").body["properties"]["virtualNetworkSubnetId"] is None
    assert deployment.one("Microsoft.Storage/storageAccounts").body["properties"]["publicNetworkAccess"] == "Enabled"


def test_the_network_has_a_subnet_for_the_app_and_one_for_the_endpoints(infra: Infra) -> None:
    network = infra.deploy(vnetEnabled=True).one("Microsoft.Network/virtualNetworks").body["properties"]
    (whole,) = (IPv4Network(prefix) for prefix in network["addressSpace"]["addressPrefixes"])
    subnets = {subnet["name"]: subnet["properties"] for subnet in network["subnets"]}
    assert set(subnets) == {"app", "endpoints"}
    ranges = [IPv4Network(subnet["addressPrefix"]) for subnet in subnets.values()]
    assert all(whole.supernet_of(each) for each in ranges)
    assert not ranges[0].overlaps(ranges[1])
    # Flex Consumption takes a subnet that is its own, and Web PubSub and Entra ID are reached over the internet.
    (delegation,) = subnets["app"]["delegations"]
    assert delegation["properties"] == {"serviceName": "Microsoft.App/environments"}
    assert subnets["app"]["defaultOutboundAccess"] is True
    assert subnets["endpoints"]["privateEndpointNetworkPolicies"] == "Disabled"


def test_the_app_finds_the_endpoints_by_the_public_names_of_its_data(infra: Infra) -> None:
    deployment = infra.deploy(vnetEnabled=True)
    network = deployment.one("Microsoft.Network/virtualNetworks").id
    for link in deployment.of_type("Microsoft.Network/privateDnsZones/virtualNetworkLinks"):
        assert link.body["properties"] == {"registrationEnabled": False, "virtualNetwork": {"id": network}}
    zones = {zone.id: zone.name for zone in deployment.of_type("Microsoft.Network/privateDnsZones")}
    for group in deployment.of_type("Microsoft.Network/privateEndpoints/privateDnsZoneGroups"):
        (config,) = group.body["properties"]["privateDnsZoneConfigs"]
        assert zones[config["properties"]["privateDnsZoneId"]].startswith(f"privatelink.{config['name']}.")
    for resource in deployment.resources.values():
        if resource.type.startswith("Microsoft.Network/privateDnsZones"):
            assert resource.body["location"] == "global"
    for endpoint in deployment.of_type("Microsoft.Network/privateEndpoints"):
        assert endpoint.body["properties"]["subnet"]["id"] == f"{network}/subnets/endpoints"


def test_storage_lets_nobody_past_its_network_rules_and_the_vault_only_azure(infra: Infra) -> None:
    deployment = infra.deploy(vnetEnabled=True, eventAuthentication="accessKey")
    assert deployment.one("Microsoft.Storage/storageAccounts").body["properties"]["networkAcls"]["bypass"] == "None"
    assert deployment.one("Microsoft.KeyVault/vaults").body["properties"]["networkAcls"]["bypass"] == "AzureServices"
