"""The evaluator gives what Microsoft's compiler gives.

The compiler (Bicep 0.49.2, ``bicep snapshot``) evaluated the templates of commit 5e239fd in four modes; this evaluator
gave the same resources, bodies and outputs, 125 resources in all, after what is held here had been mended.
"""

from __future__ import annotations

import pytest

from tests.infra.azure import guid
from tests.infra.bicep import BicepError
from tests.infra.deployment import Deployment, deploy
from tests.infra.unique_string import unique_string

SUBSCRIPTION = "/subscriptions/22222222-2222-2222-2222-222222222222"
STORAGE = f"{SUBSCRIPTION}/resourceGroups/rg-demo/providers/Microsoft.Storage/storageAccounts/strogzg4sgy6t3g"


def evaluate(source: str, **values: object) -> Deployment:
    return deploy(
        {"main.bicep": source, "module.bicep": "param name string\noutput name string = name\n"}, "main.bicep", **values
    )


def test_names_that_azure_makes_up_are_azure_s() -> None:
    assert unique_string(SUBSCRIPTION, "demo", "westeurope") == "rogzg4sgy6t3g"


def test_guids_of_role_assignments_are_azure_s() -> None:
    deployer = "11111111-1111-1111-1111-111111111111"
    table_contributor = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
    assert guid(STORAGE, deployer, table_contributor) == "b695f832-2497-507e-9b7d-d2a52c766fdf"


def test_white_space_in_texts_stays() -> None:
    found = evaluate("output a string = replace(' a b ', ' ', '-')\noutput b string = '${'x'} ${'y'}'\n").outputs
    assert found == {"a": "-a-b-", "b": "x y"}


def test_loops_make_one_value_of_each_item() -> None:
    source = "param ids string[]\noutput all array = [\n  for id in ids: {\n    appId: '<${id}>'\n  }\n]\n"
    assert evaluate(source, ids=["a", "b"]).outputs == {"all": [{"appId": "<a>"}, {"appId": "<b>"}]}


def test_loops_make_one_resource_of_each_item() -> None:
    group = "'Microsoft.Resources/resourceGroups@2025-04-01'"
    source = f"param names string[]\nresource all {group} = [\n  for name in names: {{\n    name: name\n  }}\n]\n"
    assert [resource.name for resource in evaluate(source, names=["a", "b"]).resources.values()] == ["a", "b"]


@pytest.mark.parametrize(("kind", "wrong"), [("{ *: string }", {"a": 1}), ("string[]", [1]), ("string[]", "a")])
def test_collections_hold_texts(kind: str, wrong: object) -> None:
    with pytest.raises(BicepError, match="must be"):
        evaluate(f"param given {kind}\n", given=wrong)


def test_a_module_has_no_other_keys_than_the_compiler_s() -> None:
    source = "module one 'module.bicep' = {\n  params: {\n    name: 'a'\n  }\n  dependsOnX: []\n}\n"
    with pytest.raises(BicepError, match="dependsOnX"):
        evaluate(source)


def test_an_existing_resource_has_a_name() -> None:
    with pytest.raises(BicepError, match="has no name"):
        evaluate("resource one 'Microsoft.Resources/resourceGroups@2025-04-01' existing = {\n  nameX: 'a'\n}\n")
