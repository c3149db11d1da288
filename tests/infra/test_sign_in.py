"""Users sign in with the application, other clients and the service pass by name, and nobody needs a secret."""

from __future__ import annotations

from tests.infra.azure import guid
from tests.infra.infra import EXISTING_APPLICATION, Infra
from tests.infra.test_security import DEVELOPER, app_principal, identities, service


def test_app_service_lets_everyone_pass_and_leaves_the_webhook_alone(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        signs_in = name.split()[1] == "app_service"
        settings = deployment.config("authsettingsV2")
        webhook = "/" + deployment.outputs["EVENT_HANDLER_URL"].split("/", 3)[3]
        assert settings["platform"] == {"enabled": signs_in}, name
        assert settings["globalValidation"] == {
            "requireAuthentication": False,
            "unauthenticatedClientAction": "AllowAnonymous",
            "excludedPaths": [webhook],
        }
        assert bool(settings["identityProviders"]) is signs_in, name


def test_app_service_lets_the_service_s_token_pass_by_the_client_id_of_its_identity(infra: Infra) -> None:
    """A valid token of a caller that is not listed is answered 403 before the app sees it."""
    for name, deployment in infra.deployments.items():
        if name.split()[1] != "app_service":
            continue
        provider = deployment.config("authsettingsV2")["identityProviders"]["azureActiveDirectory"]
        policy = provider["validation"]["defaultAuthorizationPolicy"]
        (own,) = identities(deployment.one("Microsoft.SignalRService/webPubSub"))
        assert guid(own, "clientId") in policy["allowedApplications"], name
        assert provider["registration"]["clientId"] in policy["allowedApplications"], name
        # A list of principals is demanded in addition, and would lock every user out.
        assert set(policy) == {"allowedApplications"}, name


def test_users_sign_in_with_the_application_and_no_secret(infra: Infra) -> None:
    deployment = infra.deploy()
    provider = deployment.config("authsettingsV2")["identityProviders"]["azureActiveDirectory"]
    settings = deployment.config("appsettings")
    client_id = provider["registration"]["clientId"]
    assert client_id == settings["WEBHOOK_APP_CLIENT_ID"]
    assert provider["registration"]["clientSecretSettingName"] in settings
    assert provider["validation"] == {
        "allowedAudiences": [client_id],
        "defaultAuthorizationPolicy": {
            "allowedApplications": [client_id, guid(*identities(service(deployment)), "clientId")]
        },
    }

    application = deployment.one("Microsoft.Graph/applications").body
    assert application["signInAudience"] == "AzureADMyOrg"
    assert application["web"]["redirectUris"] == [f"{deployment.outputs['SERVICE_API_URI']}/.auth/login/aad/callback"]
    assert not {"passwordCredentials", "keyCredentials"} & set(application)
    credential = deployment.one("Microsoft.Graph/applications/federatedIdentityCredentials").body
    assert credential["subject"] == app_principal(deployment)
    assert credential["issuer"] == provider["registration"]["openIdIssuer"]
    assert deployment.one("Microsoft.Graph/servicePrincipals").body["appId"] == client_id


def test_other_clients_may_sign_users_in_once_they_are_named(infra: Infra) -> None:
    deployment = infra.deploy(clientAppIds=f"{DEVELOPER}, {EXISTING_APPLICATION}")
    api = deployment.one("Microsoft.Graph/applications").body["api"]
    (scope,) = api["oauth2PermissionScopes"]
    assert (scope["value"], scope["type"], scope["isEnabled"]) == ("access", "User", True)
    assert api["preAuthorizedApplications"] == [
        {"appId": client, "delegatedPermissionIds": [scope["id"]]} for client in (DEVELOPER, EXISTING_APPLICATION)
    ]
    policy = deployment.config("authsettingsV2")["identityProviders"]["azureActiveDirectory"]["validation"]
    assert policy["defaultAuthorizationPolicy"]["allowedApplications"][2:] == [DEVELOPER, EXISTING_APPLICATION]
    assert infra.deploy().one("Microsoft.Graph/applications").body["api"]["preAuthorizedApplications"] == []


def test_where_users_must_be_assigned_the_service_is_too(infra: Infra) -> None:
    """Without a role of its own the service gets no token for an application that demands assignments."""
    deployment = infra.deploy(usersAssignedOnly=True)
    assert deployment.one("Microsoft.Graph/servicePrincipals").body["appRoleAssignmentRequired"] is True
    assignment = deployment.one("Microsoft.Graph/appRoleAssignedTo").body
    (role,) = deployment.one("Microsoft.Graph/applications").body["appRoles"]
    assert (role["allowedMemberTypes"], role["isEnabled"]) == (["Application"], True)
    assert assignment["appRoleId"] == role["id"]
    assert assignment["principalId"] == deployment.outputs["WEB_PUBSUB_PRINCIPAL_ID"]
    everybody = infra.deploy()
    assert everybody.one("Microsoft.Graph/servicePrincipals").body["appRoleAssignmentRequired"] is False
    assert not everybody.of_type("Microsoft.Graph/appRoleAssignedTo")


def test_tokens_are_of_the_version_that_the_issuer_of_the_sign_in_is_of(infra: Infra) -> None:
    deployment = infra.deploy()
    application = deployment.one("Microsoft.Graph/applications").body
    assert application["api"]["requestedAccessTokenVersion"] == 2
    registration = deployment.config("authsettingsV2")["identityProviders"]["azureActiveDirectory"]["registration"]
    assert registration["openIdIssuer"].endswith("/v2.0")
    # App Service asks for an id token, and for no access token by way of the browser.
    assert application["web"]["implicitGrantSettings"] == {
        "enableAccessTokenIssuance": False,
        "enableIdTokenIssuance": True,
    }


def test_the_identity_vouches_for_the_application_as_entra_wants_it(infra: Infra) -> None:
    deployment = infra.deploy()
    credential = deployment.one("Microsoft.Graph/applications/federatedIdentityCredentials").body
    assert credential["audiences"] == ["api://AzureADTokenExchange"]
    assert credential["name"].startswith(f"{deployment.one('Microsoft.Graph/applications').body['uniqueName']}/")


def test_app_service_signs_in_over_https_and_keeps_no_tokens(infra: Infra) -> None:
    settings = infra.deploy().config("authsettingsV2")
    assert settings["identityProviders"]["azureActiveDirectory"]["enabled"] is True
    assert settings["httpSettings"] == {"requireHttps": True}
    assert settings["login"] == {"tokenStore": {"enabled": False}}
