"""The checks can fail: each of these small mistakes in the infrastructure is found by the check meant for it."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Final

import pytest

from chat.settings import SettingsError
from tests.infra import (
    test_alerts,
    test_azd,
    test_function_app,
    test_network,
    test_order,
    test_security,
    test_settings,
    test_sign_in,
    test_syntax,
)
from tests.infra.infra import MAIN, Infra

SUBJECTS: Final[tuple[ModuleType, ...]] = (
    test_syntax,
    test_settings,
    test_security,
    test_order,
    test_function_app,
    test_sign_in,
    test_network,
    test_alerts,
    test_azd,
)
APP: Final = "infra/app/function-app.bicep"
HUB: Final = "infra/app/hub.bicep"
SERVICE: Final = "infra/app/web-pubsub.bicep"
SETTINGS: Final = "infra/app/app-settings.bicep"
PARAMETERS: Final = "infra/main.parameters.json"

MUTANTS: Final = {
    "a missing brace": (
        HUB,
        "  parent: webPubSub\n",
        "  parent: webPubSub }\n",
        "test_every_file_parses_and_declares_something",
    ),
    "an undeclared symbol": (
        MAIN,
        "location: location\n    tags: allTags\n    sku",
        "location: place\n    tags: allTags\n    sku",
        "test_every_symbol_that_is_used_is_declared",
    ),
    "a misspelt property": (
        APP,
        "hostName string = site.properties.defaultHostName",
        "hostName string = site.properties.defaultHostname",
        "test_every_choice_can_be_deployed",
    ),
    "a misspelt output": (
        MAIN,
        "principalId: identity.outputs.principalId\n    storage",
        "principalId: identity.outputs.principal\n    storage",
        "test_every_choice_can_be_deployed",
    ),
    "a module's parameter left out": (MAIN, "    clientAuth: clientAuth\n", "", "test_every_choice_can_be_deployed"),
    "a module's parameter of another type": (
        MAIN,
        "    units: webPubSubUnits\n",
        "    units: '1'\n",
        "test_every_choice_can_be_deployed",
    ),
    "a module that does not exist": (MAIN, "'app/hub.bicep'", "'app/hubs.bicep'", "test_the_modules_are_the_files"),
    "an unused parameter": (
        HUB,
        "param name string\n",
        "param name string\nparam location string = ''\n",
        "test_no_parameter_variable_or_existing_resource_is_unused",
    ),
    "another API version": (
        HUB,
        "webPubSub/hubs@2024-03-01",
        "webPubSub/hubs@2024-10-01",
        "test_every_api_version_is_the_pinned_one",
    ),
    "a conditional module without !": (
        MAIN,
        "keyVault!.outputs.reference",
        "keyVault.outputs.reference",
        "test_outputs_of_a_conditional_module_are_taken_with_an_exclamation_mark",
    ),
    "a host of one cloud": (
        SETTINGS,
        "${environment().authentication.loginEndpoint}",
        "https://login.microsoftonline.com/",
        "test_no_host_of_one_cloud_is_written_out",
    ),
    "a misspelt setting": (
        SETTINGS,
        "WebPubSubHub: hubName",
        "WEBPUBSUB_HUB: hubName",
        "test_every_setting_is_one_that_somebody_reads",
    ),
    "a setting that nobody reads": (
        SETTINGS,
        "    CLIENT_AUTH:",
        "    MESSAGE_LIMIT: '1'\n    CLIENT_AUTH:",
        "test_every_setting_is_one_that_somebody_reads",
    ),
    "another hub": (
        MAIN,
        "param hubName string = 'chat'",
        "param hubName string = 'demo'",
        "test_the_hub_s_default_is_the_code_s",
    ),
    "another table": ("infra/app/storage.bicep", "name: 'messages'", "name: 'chat'", "test_the_tables_are_the_code_s"),
    "another route": (
        MAIN,
        "'/api/eventhandler'",
        "'/api/events'",
        "test_the_event_handler_s_url_is_the_route_of_the_function",
    ),
    "a system event that is not sent": (
        HUB,
        "          'connected'\n",
        "",
        "test_the_hub_sends_every_event_that_the_app_handles",
    ),
    "user events that are not sent": (
        HUB,
        "userEventPattern: '*'",
        "userEventPattern: 'chat'",
        "test_the_hub_sends_every_event_that_the_app_handles",
    ),
    "a hub that sends no token": (
        HUB,
        "type: 'ManagedIdentity'",
        "type: 'None'",
        "test_the_token_that_the_service_asks_for_is_the_one_that_the_app_wants",
    ),
    "an app that pins no caller": (
        SETTINGS,
        "      WEBHOOK_CALLER_OBJECT_IDS: callerPrincipalId\n",
        "",
        "test_the_app_starts_with_the_settings_of_every_choice",
    ),
    "an app that pins itself": (
        SETTINGS,
        "OBJECT_IDS: callerPrincipalId",
        "OBJECT_IDS: identityClientId",
        "test_the_token_that_the_service_asks_for_is_the_one_that_the_app_wants",
    ),
    "a service whose token App Service refuses": (
        SETTINGS,
        "concat([applicationClientId, callerClientId], clientApplications)",
        "concat([applicationClientId], clientApplications)",
        "test_app_service_lets_the_service_s_token_pass_by_the_client_id_of_its_identity",
    ),
    "a proof that follows from a value of Azure": (
        HUB,
        "auth: eventAuthentication == 'accessKey'",
        "auth: empty(applicationClientId)",
        "test_no_proof_never_comes_out_of_a_value_that_only_azure_knows",
    ),
    "roles that wait for the service": (
        MAIN,
        "    storage\n    monitoring\n  ]\n}\n\n// 2.",
        "    storage\n    monitoring\n    webPubSub\n  ]\n}\n\n// 2.",
        "test_the_roles_on_data_and_logs_wait_for_nothing_slow",
    ),
    "a name that a preview cannot know": (
        MAIN,
        "    webPubSubName: webPubSubName\n    eventHandlerUrl",
        "    webPubSubName: functionApp.outputs.hostName\n    eventHandlerUrl",
        "test_a_preview_can_predict_what_modules_do",
    ),
    "a deployment that waits for no tests": (
        ".github/workflows/azure-dev.yml",
        "    needs: ci\n",
        "",
        "test_a_push_to_main_deploys_only_what_passed_ci",
    ),
    "an app without a proof": (
        SETTINGS,
        "  WebPubSubConnectionString: connectionStringReference\n",
        "",
        "test_each_mode_has_its_one_proof",
    ),
    "an open webhook": (
        SETTINGS,
        "    CLIENT_AUTH:",
        "    ALLOW_UNAUTHENTICATED_EVENTS: 'true'\n    CLIENT_AUTH:",
        "test_every_setting_that_the_code_reads_is_set_or_left_alone_on_purpose",
    ),
    "App Service authentication on the webhook": (
        SETTINGS,
        "        webhookPath\n",
        "",
        "test_app_service_lets_everyone_pass_and_leaves_the_webhook_alone",
    ),
    "App Service authentication before everything": (
        SETTINGS,
        "'AllowAnonymous'",
        "'Return401'",
        "test_app_service_lets_everyone_pass_and_leaves_the_webhook_alone",
    ),
    "access keys that nobody needs": (
        SERVICE,
        "disableLocalAuth: eventAuthentication != 'accessKey'",
        "disableLocalAuth: false",
        "test_access_keys_exist_only_where_they_sign",
    ),
    "a key in an output": (
        SERVICE,
        "output endpoint string",
        "output key string = service.listKeys().primaryConnectionString\noutput endpoint string",
        "test_keys_are_read_into_the_key_vault_alone",
    ),
    "a key in a setting": (
        SETTINGS,
        "AZURE_CLIENT_ID: identityClientId",
        "AZURE_CLIENT_ID: webPubSub.listKeys().primaryConnectionString",
        "test_no_output_and_no_setting_holds_a_key",
    ),
    "storage with keys": (
        "infra/app/storage.bicep",
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: true",
        "test_nothing_else_has_a_key",
    ),
    "logs with keys": (
        "infra/app/monitoring.bicep",
        "DisableLocalAuth: true",
        "DisableLocalAuth: false",
        "test_nothing_else_has_a_key",
    ),
    "a role with another id": (
        "infra/roles.json",
        "12cf5a90",
        "12cf5a91",
        "test_the_roles_are_the_known_ones_by_name_and_id",
    ),
    "a role on the whole group": (
        "infra/app/app-roles.bicep",
        "  scope: applicationInsights\n",
        "",
        "test_the_app_has_the_least_roles_each_on_one_resource",
    ),
    "a role named after names": (
        "infra/app/developer-roles.bicep",
        "guid(storage.id, principalId,",
        "guid(storage.id, storageAccountName,",
        "test_a_role_of_a_new_identity_never_collides_with_that_of_a_deleted_one",
    ),
    "every principal a user": (
        MAIN,
        "    principalType: principalType\n",
        "    principalType: 'User'\n",
        "test_a_developer_gets_what_running_the_app_takes_unless_not_wanted",
    ),
    "an app before its roles": (
        MAIN,
        "    appRoles\n    network\n",
        "    network\n",
        "test_the_app_s_roles_come_before_the_app",
    ),
    "a hub before the settings": (MAIN, "  dependsOn: [\n    settings\n  ]\n", "", "test_the_hub_comes_last"),
    "a name that orders nothing": (
        MAIN,
        "  dependsOn: [\n    functionApp\n  ]\n",
        "",
        "test_what_is_referred_to_as_existing_was_made_before",
    ),
    "a setting that Flex refuses": (
        SETTINGS,
        "    CLIENT_AUTH:",
        "    FUNCTIONS_WORKER_RUNTIME: 'python'\n    CLIENT_AUTH:",
        "test_what_flex_consumption_refuses_is_absent",
    ),
    "a property that Flex refuses": (
        APP,
        "minTlsVersion: '1.2'",
        "minTlsVersion: '1.2'\n      alwaysOn: true",
        "test_what_flex_consumption_refuses_is_absent",
    ),
    "any Python version": (
        MAIN,
        "  '3.11'\n  '3.12'\n  '3.13'\n",
        "  '3.11'\n  '3.12'\n  '3.13'\n  '3.9'\n",
        "test_the_python_versions_are_texts_from_a_list",
    ),
    "one request at a time": (
        MAIN,
        "param httpConcurrency int = 16",
        "param httpConcurrency int = 1",
        "test_by_default_no_instance_waits_and_each_works_on_several_requests",
    ),
    "another tag than azd looks for": (
        MAIN,
        "serviceName: 'api'",
        "serviceName: 'app'",
        "test_the_app_carries_the_tags_by_which_azd_finds_it",
    ),
    "another service than the tag": (
        "azure.yaml",
        "  api:\n",
        "  web:\n",
        "test_the_app_carries_the_tags_by_which_azd_finds_it",
    ),
    "a parameter that is not filled in": (
        PARAMETERS,
        '    "location": { "value": "${AZURE_LOCATION}" },\n',
        "",
        "test_the_parameters_are_those_of_the_template",
    ),
    "a parameter that is not there": (
        PARAMETERS,
        '"tags": {',
        '"labels": {',
        "test_the_parameters_are_those_of_the_template",
    ),
    "another default": (
        PARAMETERS,
        "${CLIENT_AUTH=app_service}",
        "${CLIENT_AUTH=anonymous}",
        "test_defaults_of_template_and_parameters_file_agree",
    ),
    "a prompt": (
        MAIN,
        "param vnetEnabled bool = false",
        "param vnetEnabled bool",
        "test_nothing_is_asked_for_but_environment_and_region",
    ),
    "a choice that the pipeline forgets": (
        "azure.yaml",
        "    - CLIENT_AUTH\n",
        "",
        "test_a_pipeline_passes_every_choice_on",
    ),
    "a pipeline without OIDC": (
        ".github/workflows/azure-dev.yml",
        "id-token: write",
        "id-token: read",
        "test_the_pipeline_signs_in_without_a_secret",
    ),
}


@cache
def checks_of(subject: ModuleType) -> list[tuple[str, Callable[[Infra], None]]]:
    """Return a module's tests that look at nothing but the infrastructure, with their names."""
    return [
        (name, check)
        for name, check in inspect.getmembers(subject, inspect.isfunction)
        if name.startswith("test_")
        and not inspect.iscoroutinefunction(check)
        and list(inspect.signature(check).parameters) == ["infra"]
    ]


CHECKS: Final = dict(itertools.chain.from_iterable(checks_of(subject) for subject in SUBJECTS))


def test_the_files_as_they_are_pass(infra: Infra) -> None:
    for _, _, _, finder in MUTANTS.values():
        CHECKS[finder](infra)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_found(infra: Infra, name: str) -> None:
    path, old, new, finder = MUTANTS[name]
    mutant = infra.mutant(path, old, new)
    check = CHECKS[finder]
    with pytest.raises((AssertionError, SettingsError, KeyError, pytest.fail.Exception)):
        check(mutant)
