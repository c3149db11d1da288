"""The checks can fail, everywhere: each key that is renamed and each value that is changed is found by a check.

A mistake that makes the evaluation fail, or a body that its type forbids, is found at once; for the others the checks
of the subject are run. What nothing finds is named here, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from fnmatch import fnmatchcase
from io import StringIO
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
from tests.infra.infra import Infra, Sample
from tests.infra.mutations import Mutation, changed_values, renamed_keys
from tests.infra.schema import misfits
from tests.infra.test_mutants import checks_of

# Which checks look at a file, those that find the most first.
SUBJECTS: Final[Mapping[str, tuple[ModuleType, ...]]] = {
    "alerts": (test_alerts,),
    "app-roles": (test_security, test_order),
    "app-settings": (test_settings, test_sign_in),
    "developer-roles": (test_security, test_order),
    "entra": (test_sign_in,),
    "function-app": (test_function_app, test_settings, test_security, test_network, test_azd),
    "hub": (test_settings, test_security),
    "key-vault": (test_security, test_network, test_order),
    "identity": (test_security, test_order),
    "main": (test_order, test_settings, test_azd, test_security, test_syntax),
    "monitoring": (test_security, test_alerts, test_order),
    "network": (test_network, test_order),
    "private-endpoint": (test_network,),
    "service-role": (test_security, test_order),
    "storage": (test_alerts, test_security, test_settings, test_network),
    "web-pubsub": (test_alerts, test_security),
}

PROSE: Final = "text for people"
FREE: Final = "a name of our own that nothing outside the templates knows"
SURVIVORS: Final[Mapping[str, str]] = {
    "*escription": PROSE,
    "*isplayName": PROSE,
    "alerts: logAlerts.*.severity": "how loud an alert is, is a matter of taste",
    "alerts: *.properties.severity": "how loud an alert is, is a matter of taste",
    "alerts: connections.properties.criteria.allOf.0.threshold": "any share of the quota that leaves time to act",
    "alerts: *.autoMitigate": "whether an alert that is over closes itself is a matter of taste",
    "alerts: operators.properties.groupShortName": FREE,
    "alerts: operators.properties.emailReceivers.0.*": "how the email looks",
    "alerts: *.name": FREE,
    "entra: application.appRoles.0.value": FREE,
    "entra: credential.name": FREE,
    "key-vault: connectionStrings.name": FREE,
    "key-vault: vault.properties.softDeleteRetentionInDays": "7 to 90 are all right",
    "main: *.params.*ame": FREE,
    "monitoring: applicationInsights.kind": "Azure takes any text, and shows it",
    "network: network.properties.subnets.*.delegations.0.name": FREE,
    "private-endpoint: *.name": FREE,
    "storage: logs.name": FREE,
    "storage: packages.name": FREE,
    "web-pubsub: logs.name": FREE,
    "web-pubsub: service.properties.resourceLogConfiguration.categories.2.name": "the category that is off",
}


def is_found(mutation: Mutation, infra: Infra) -> bool:
    mutant = mutation.of(infra)
    try:
        if any(misfits(deployment) for deployment in mutant.deployments.values()):
            return True
        for subject in SUBJECTS[mutation.file]:
            for _, check in checks_of(subject):
                check(mutant)
    except (AssertionError, SettingsError, LookupError, ValueError, TypeError, AttributeError, pytest.fail.Exception):
        return True
    return False


def survivors(mutations: Iterator[Mutation], infra: Infra) -> list[str]:
    unnamed = (each for each in mutations if not any(fnmatchcase(each.name, name) for name in SURVIVORS))
    with redirect_stderr(StringIO()):
        return [f"{each.name} → {each.replacement}" for each in unnamed if not is_found(each, infra)]


def test_the_files_as_they_are_pass_on_the_sample(infra: Infra) -> None:
    sample = Sample(infra.sources)
    assert not any(misfits(deployment) for deployment in sample.deployments.values())
    for subject in {subject for subjects in SUBJECTS.values() for subject in subjects}:
        for _, check in checks_of(subject):
            check(sample)


@pytest.mark.parametrize("file", SUBJECTS)
def test_a_renamed_key_is_found(infra: Infra, file: str) -> None:
    mutations = [each for each in renamed_keys(infra) if each.file == file]
    assert mutations
    assert not survivors(iter(mutations), infra)


@pytest.mark.parametrize("file", SUBJECTS)
def test_a_changed_value_is_found(infra: Infra, file: str) -> None:
    assert not survivors((each for each in changed_values(infra) if each.file == file), infra)


def test_every_file_has_its_checks(infra: Infra) -> None:
    assert {each.file for each in renamed_keys(infra)} <= set(SUBJECTS)


def test_every_survivor_that_is_named_is_there(infra: Infra) -> None:
    names = {each.name for each in (*renamed_keys(infra), *changed_values(infra))}
    for name in SURVIVORS:
        assert any(fnmatchcase(each, name) for each in names), name
