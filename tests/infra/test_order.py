"""Azure makes things in the right order, so that the first ``azd up`` works."""

from __future__ import annotations

from tests.infra.deployment import Deployment, Resource
from tests.infra.infra import Infra


def ids(deployment: Deployment, kind: str) -> set[str]:
    return {resource.id for resource in deployment.of_type(kind)}


def settings(deployment: Deployment) -> Resource:
    (found,) = [r for r in deployment.of_type("Microsoft.Web/sites/config") if r.name.endswith("/appsettings")]
    return found


def app_roles(deployment: Deployment) -> set[str]:
    return {
        role.id
        for role in deployment.of_type("Microsoft.Authorization/roleAssignments")
        if role.module != "infra/app/developer-roles.bicep"
    }


def test_the_app_s_roles_come_before_the_app(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        site = deployment.one("Microsoft.Web/sites")
        roles = deployment.of_type("Microsoft.Authorization/roleAssignments")
        own = {r.id for r in roles if r.module in {"infra/app/app-roles.bicep", "infra/app/service-role.bicep"}}
        assert len(own) == 4
        assert own <= deployment.before(site), name
        assert app_roles(deployment) <= deployment.before(settings(deployment)), name


def test_the_roles_on_data_and_logs_wait_for_nothing_slow(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        slow = {"Microsoft.SignalRService/webPubSub", "Microsoft.KeyVault/vaults", "Microsoft.Network/virtualNetworks"}
        for role in deployment.of_type("Microsoft.Authorization/roleAssignments"):
            if role.module == "infra/app/app-roles.bicep":
                before = {deployment.resources[each].type for each in deployment.before(role)}
                assert not before & slow, name


def test_the_package_s_container_comes_before_the_app(infra: Infra) -> None:
    deployment = infra.deploy()
    containers = ids(deployment, "Microsoft.Storage/storageAccounts/blobServices/containers")
    assert containers <= deployment.before(deployment.one("Microsoft.Web/sites"))


def test_the_settings_come_after_the_identities_that_they_trust(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        before = deployment.before(settings(deployment))
        for kind in ("Microsoft.SignalRService/webPubSub", "Microsoft.Graph/servicePrincipals"):
            assert ids(deployment, kind) <= before, name
        assert ids(deployment, "Microsoft.KeyVault/vaults/secrets") <= before, name


def test_the_hub_comes_last(infra: Infra) -> None:
    """Otherwise the service could send before the app knows whom to trust."""
    for name, deployment in infra.deployments.items():
        hub = deployment.one("Microsoft.SignalRService/webPubSub/hubs")
        assert settings(deployment).id in deployment.before(hub), name


def test_what_is_referred_to_as_existing_was_made_before(infra: Infra) -> None:
    """A name that was put together again, and not taken from an output, would not be waited for."""
    for name, deployment in infra.deployments.items():
        for resource_id, after in deployment.existing:
            if resource_id.endswith("/subnets/endpoints"):
                continue  # part of its network
            reached = after | {before for each in after for before in deployment.before(deployment.resources[each])}
            assert resource_id in reached, (name, resource_id)


def test_private_endpoints_come_before_the_app_that_needs_them(infra: Infra) -> None:
    deployment = infra.deploy(vnetEnabled=True)
    zones = ids(deployment, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    assert len(zones) == 2
    assert zones <= deployment.before(deployment.one("Microsoft.Web/sites"))
