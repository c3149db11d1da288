"""The app is on Flex Consumption, as that plan wants it."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from tests.infra.bicep import BicepError, literal
from tests.infra.infra import ROOT, Infra

# Flex Consumption refuses these settings or ignores them.
FORBIDDEN_SETTINGS: Final = re.compile(
    r"FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|FUNCTIONS_WORKER_PROCESS_COUNT|"
    r"WEBSITE_(RUN_FROM_PACKAGE|CONTENT\w*|NODE_DEFAULT_VERSION|MAX_DYNAMIC_APPLICATION_SCALE_OUT|TIME_ZONE|VNET_ROUTE_ALL)|"
    r"SCM_DO_BUILD_\w+|ENABLE_ORYX_BUILD|BUILD_FLAGS|XDG_CACHE_HOME"
)
FORBIDDEN_PROPERTIES: Final = re.compile(
    r"\b(alwaysOn|linuxFxVersion|windowsFxVersion|functionAppScaleLimit|minimumElasticInstanceCount|preWarmedInstanceCount|"
    r"use32BitWorkerProcess|vnetRouteAllEnabled|containerSize|dailyMemoryTimeQuota|pythonVersion: ')"
)


def test_what_flex_consumption_refuses_is_absent(infra: Infra) -> None:
    for path, file in infra.files.items():
        assert not FORBIDDEN_SETTINGS.search(file.text), path
        assert not FORBIDDEN_PROPERTIES.search(file.text), path


def test_the_plan_is_flex_consumption_on_linux(infra: Infra) -> None:
    plan = infra.deploy().one("Microsoft.Web/serverfarms").body
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan["properties"] == {"reserved": True}
    assert infra.deploy().one("Microsoft.Web/sites").body["kind"] == "functionapp,linux"


def test_the_package_is_fetched_with_the_app_s_identity(infra: Infra) -> None:
    deployment = infra.deploy()
    site = deployment.one("Microsoft.Web/sites").body["properties"]
    container = deployment.one("Microsoft.Storage/storageAccounts/blobServices/containers").name.split("/")
    storage = site["functionAppConfig"]["deployment"]["storage"]
    assert storage["value"] == f"https://{container[0]}.blob.core.windows.net/{container[-1]}"
    assert storage["type"] == "blobContainer"
    assert storage["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": next(
            iter(deployment.one("Microsoft.Web/sites").body["identity"]["userAssignedIdentities"])
        ),
    }


def test_the_python_versions_are_texts_from_a_list(infra: Infra) -> None:
    parameter = infra.main.parameters["pythonVersion"]
    assert parameter.type == "string"
    assert parameter.default is not None
    allowed = literal(parameter.decorators["allowed"])[0]
    assert literal(parameter.default) == "3.13"
    assert allowed == ["3.11", "3.12", "3.13", "3.14"]
    for version in allowed:
        site = infra.deploy(pythonVersion=version).one("Microsoft.Web/sites").body["properties"]
        assert site["functionAppConfig"]["runtime"] == {"name": "python", "version": version}
    with pytest.raises(BicepError, match="must be one of"):
        infra.deploy(pythonVersion="3.9")


def test_the_tests_run_on_every_python_that_can_be_chosen(infra: Infra) -> None:
    allowed = literal(infra.main.parameters["pythonVersion"].decorators["allowed"])[0]
    assert infra.yaml(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"] == allowed


def test_scale_is_as_the_parameters_say(infra: Infra) -> None:
    deployment = infra.deploy(
        instanceMemoryMB=512, maximumInstanceCount=100, alwaysReadyInstances=2, httpConcurrency=32
    )
    assert deployment.one("Microsoft.Web/sites").body["properties"]["functionAppConfig"]["scaleAndConcurrency"] == {
        "instanceMemoryMB": 512,
        "maximumInstanceCount": 100,
        "alwaysReady": [{"name": "http", "instanceCount": 2}],
        "triggers": {"http": {"perInstanceConcurrency": 32}},
    }


def test_by_default_no_instance_waits_and_each_works_on_several_requests(infra: Infra) -> None:
    config = infra.deploy().one("Microsoft.Web/sites").body["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    assert config["alwaysReady"] == []
    assert config["triggers"]["http"]["perInstanceConcurrency"] > 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"instanceMemoryMB": 1024},
        {"maximumInstanceCount": 0},
        {"appSettings": {"A": 1}},
        {"maxMessageBytes": 716801},
        {"maxEventAgeSeconds": -1},
        {"logDailyCapGB": -2},
        {"defaultRoom": ""},
        {"pythonVersion": "3.10"},
        {"httpConcurrency": 0},
        {"logRetentionDays": 7},
        {"webPubSubSku": "Standard"},
        {"webPubSubUnits": 0},
        {"clientAuth": "everyone"},
        {"eventAuthentication": "none"},
        {"vnetEnabled": "true"},
        {"environmentName": ""},
    ],
)
def test_values_that_azure_would_refuse_are_refused_before(infra: Infra, wrong: dict[str, object]) -> None:
    with pytest.raises(BicepError):
        infra.deploy(**wrong)


def test_service_size_and_retention_are_as_the_parameters_say(infra: Infra) -> None:
    deployment = infra.deploy(webPubSubSku="Standard_S1", webPubSubUnits=5, logRetentionDays=90)
    service = deployment.one("Microsoft.SignalRService/webPubSub").body
    assert service["sku"] == {"name": "Standard_S1", "capacity": 5}
    assert deployment.one("Microsoft.OperationalInsights/workspaces").body["properties"]["retentionInDays"] == 90


def test_the_route_prefix_is_the_one_of_the_event_handler_s_url(infra: Infra) -> None:
    prefix = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]["routePrefix"]
    assert infra.deploy().outputs["EVENT_HANDLER_URL"].split("/")[3] == prefix
