"""Somebody is told when something fails, if somebody wants to be, and the documents have what each alert looks at."""

from __future__ import annotations

import inspect
import json

import function_app
from chat.backends.service import Service
from chat.backends.table_store import TableStore
from chat.messaging.outbox import Outbox
from chat.settings import Settings
from tests.infra.deployment import Deployment
from tests.infra.infra import ROOT, Infra
from tests.infra.test_settings import app_settings
from webpubsub_handler.azure_functions import blueprint

EMAIL = "operators@contoso.com"


def queries(deployment: Deployment) -> dict[str, str]:
    rules = deployment.of_type("Microsoft.Insights/scheduledQueryRules")
    return {
        rule.body["properties"]["displayName"]: rule.body["properties"]["criteria"]["allOf"][0]["query"]
        for rule in rules
    }


def test_there_are_no_alerts_unless_somebody_wants_them(infra: Infra) -> None:
    kinds = {resource.type for resource in infra.deploy().resources.values()}
    assert not {kind for kind in kinds if kind.endswith(("actionGroups", "metricAlerts", "scheduledQueryRules"))}


def test_every_alert_goes_to_the_one_address(infra: Infra) -> None:
    deployment = infra.deploy(alertEmail=EMAIL)
    group = deployment.one("Microsoft.Insights/actionGroups")
    assert [receiver["emailAddress"] for receiver in group.body["properties"]["emailReceivers"]] == [EMAIL]
    assert group.body["properties"]["enabled"] is True
    assert group.body["location"] == "global"
    rules = deployment.of_type("Microsoft.Insights/scheduledQueryRules")
    metrics = deployment.of_type("Microsoft.Insights/metricAlerts")
    assert (len(rules), len(metrics)) == (3, 2)
    for rule in (*rules, *metrics):
        assert rule.body["properties"]["enabled"] is True, rule.name
        assert rule.body["properties"]["evaluationFrequency"] == rule.body["properties"]["windowSize"] == "PT5M"
    assert all(rule.body["properties"]["actions"]["actionGroups"] == [group.id] for rule in rules)
    assert all(rule.body["properties"]["actions"] == [{"actionGroupId": group.id}] for rule in metrics)
    assert all(rule.body["location"] == "global" for rule in metrics)


def test_one_row_is_enough_for_an_alert_on_the_log(infra: Infra) -> None:
    deployment = infra.deploy(alertEmail=EMAIL)
    for rule in deployment.of_type("Microsoft.Insights/scheduledQueryRules"):
        (criterion,) = rule.body["properties"]["criteria"]["allOf"]
        assert (criterion["timeAggregation"], criterion["operator"], criterion["threshold"]) == (
            "Count",
            "GreaterThan",
            0,
        )
        assert set(criterion["failingPeriods"].values()) == {1}
        assert rule.body["properties"]["scopes"] == [deployment.one("Microsoft.Insights/components").id]
        # The tables appear with their first rows; until then Azure would refuse the rule.
        assert rule.body["properties"]["skipQueryValidation"] is True


def test_the_alerts_on_the_log_look_for_what_the_app_writes(infra: Infra) -> None:
    found = queries(infra.deploy(alertEmail=EMAIL))
    assert set(found) == {"failed-events", "refused-events", "outbox-not-draining"}
    written = "".join(
        path.read_text("utf-8") for folder in ("chat", "webpubsub_handler") for path in (ROOT / folder).rglob("*.py")
    )
    refusals = ("Refused an event", "Refused the validation")
    assert found["refused-events"] == "traces | where " + " or ".join(f'message has "{text}"' for text in refusals)
    assert all(text in written for text in refusals)
    waits = ("outbox waits", "is never broadcast")
    assert found["outbox-not-draining"] == "traces | where " + " or ".join(f'message has "{text}"' for text in waits)
    assert all(text in written for text in waits)
    assert inspect.signature(blueprint).parameters["name"].default == "eventhandler"
    assert found["failed-events"] == 'requests | where name == "eventhandler" and toint(resultCode) >= 500'


def test_nothing_that_an_alert_looks_for_is_sampled_away(infra: Infra) -> None:
    """One line in five minutes would be lost among those of a hundred events a second."""
    settings = json.loads((ROOT / "host.json").read_text("utf-8"))["logging"]["applicationInsights"]["samplingSettings"]
    tables = {query.partition(" ")[0] for query in queries(infra.deploy(alertEmail=EMAIL)).values()}
    types = {"requests": "Request", "traces": "Trace"}
    assert {types[table] for table in tables} <= set(settings["excludedTypes"].split(";"))


def test_the_host_logs_no_line_for_each_event_and_the_app_s_lines_are_kept(infra: Infra) -> None:
    """The host writes two about each call at the level of information; the app's have a category of their own."""
    levels = json.loads((ROOT / "host.json").read_text("utf-8"))["logging"]["logLevel"]
    assert levels["Function"] == "Warning"
    settings = Settings.from_env(app_settings(infra.deploy(messageRetentionDays=30)))
    store, service = TableStore("chat", settings.storage), Service("chat", settings.endpoints[0])
    functions = function_app.build(settings, store, service, Outbox(store, service)).get_functions()
    users = {f"Function.{function.get_function_name()}.User": "Information" for function in functions}
    assert {category: level for category, level in levels.items() if category.endswith(".User")} == users


def test_the_metrics_are_those_of_connections_and_of_slowed_down_tables(infra: Infra) -> None:
    deployment = infra.deploy(alertEmail=EMAIL)
    watched = {
        alert.name.partition("-")[0]: (
            alert.body["properties"]["scopes"],
            alert.body["properties"]["criteria"]["allOf"],
        )
        for alert in deployment.of_type("Microsoft.Insights/metricAlerts")
    }
    (service,), (connections,) = watched["wps"]
    assert service == deployment.one("Microsoft.SignalRService/webPubSub").id
    assert connections["metricNamespace"] == "Microsoft.SignalRService/WebPubSub"
    assert connections["metricName"] == "ConnectionQuotaUtilization"
    assert (connections["timeAggregation"], connections["operator"]) == ("Maximum", "GreaterThan")
    assert 50 < connections["threshold"] < 100
    (tables,), (throttled,) = next(value for name, value in watched.items() if name.startswith("st"))
    assert tables == deployment.one("Microsoft.Storage/storageAccounts/tableServices").id
    assert throttled["metricNamespace"] == "Microsoft.Storage/storageAccounts/tableServices"
    assert (throttled["metricName"], throttled["timeAggregation"], throttled["threshold"]) == (
        "Transactions",
        "Total",
        0,
    )
    assert throttled["operator"] == "GreaterThan"
    assert connections["criterionType"] == throttled["criterionType"] == "StaticThresholdCriterion"
    (dimension,) = throttled["dimensions"]
    assert (dimension["name"], dimension["operator"]) == ("ResponseType", "Include")
    assert set(dimension["values"]) == {
        "ClientAccountBandwidthThrottlingError",
        "ClientAccountRequestThrottlingError",
        "ClientThrottlingError",
        "ServerBusyError",
        "SuccessWithThrottling",
    }


def test_the_documents_have_each_query(infra: Infra) -> None:
    page = (ROOT / "docs" / "operate" / "monitor.md").read_text("utf-8")
    for name, query in queries(infra.deploy(alertEmail=EMAIL)).items():
        assert f"`{name}`" in page
        assert query in page


def test_web_pubsub_and_the_tables_log_to_the_workspace(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        workspace = deployment.one("Microsoft.OperationalInsights/workspaces").id
        settings = {
            (setting.scope or "").split("/")[-2]: setting.body["properties"]
            for setting in deployment.of_type("Microsoft.Insights/diagnosticSettings")
        }
        assert set(settings) == {"webPubSub", "tableServices"}, name
        logged = {
            part: {log["category"] for log in properties["logs"] if log["enabled"]}
            for part, properties in settings.items()
        }
        assert logged == {
            "webPubSub": {"ConnectivityLogs", "HttpRequestLogs"},
            "tableServices": {"StorageRead", "StorageWrite", "StorageDelete"},
        }
        assert {properties["workspaceId"] for properties in settings.values()} == {workspace}
        # The queries of the documents name the tables of this kind.
        assert settings["webPubSub"]["logAnalyticsDestinationType"] == "Dedicated"
        service = deployment.one("Microsoft.SignalRService/webPubSub").body["properties"]
        written = {
            each["name"] for each in service["resourceLogConfiguration"]["categories"] if each["enabled"] == "true"
        }
        assert written == logged["webPubSub"]
        assert {each["enabled"] for each in service["resourceLogConfiguration"]["categories"]} == {"true", "false"}


def test_an_existing_workspace_takes_the_place_of_a_new_one(infra: Infra) -> None:
    theirs = "/subscriptions/s/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/all"
    deployment = infra.deploy(logWorkspaceId=theirs)
    assert not deployment.of_type("Microsoft.OperationalInsights/workspaces")
    assert deployment.one("Microsoft.Insights/components").body["properties"]["WorkspaceResourceId"] == theirs
    for setting in deployment.of_type("Microsoft.Insights/diagnosticSettings"):
        assert setting.body["properties"]["workspaceId"] == theirs


def test_a_new_workspace_takes_a_bounded_number_of_gigabytes_a_day(infra: Infra) -> None:
    workspace = infra.deploy().one("Microsoft.OperationalInsights/workspaces").body["properties"]
    assert workspace["workspaceCapping"]["dailyQuotaGb"] > 0
    unlimited = infra.deploy(logDailyCapGB=-1).one("Microsoft.OperationalInsights/workspaces").body["properties"]
    assert unlimited["workspaceCapping"] == {"dailyQuotaGb": -1}
