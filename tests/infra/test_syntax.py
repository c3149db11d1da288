"""Every file is Bicep that the compiler takes without a warning, as far as that can be told without it."""

from __future__ import annotations

import posixpath
import re
from typing import Final

from tests.infra.bicep import File, properties, text, walk
from tests.infra.infra import MAIN, Infra
from tests.infra.schema import misfits, published

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
    """The versions are pinned by the file of published types: another one has other properties."""
    used = {resource.what for file in infra.files.values() for resource in file.resources.values()}
    # No body of a subnet is written, so its type is not among them; its version is that of the network around it.
    pinned = set(published()) | {
        what.replace("virtualNetworks", "virtualNetworks/subnets")
        for what in published()
        if "/virtualNetworks@" in what
    }
    assert used == pinned


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
    for name, deployment in infra.deployments.items():
        assert len(deployment.resources) > 15, name


def test_every_combination_of_choices_is_looked_at() -> None:
    assert len(Infra.read().deployments) == 24


def test_every_body_fits_what_azure_publishes_about_its_type(infra: Infra) -> None:
    for name, deployment in infra.deployments.items():
        assert not misfits(deployment), name


def test_a_preview_can_predict_what_modules_do(infra: Infra) -> None:
    """A name or a condition that comes out of another module is unknown before; only new identities' ids are that."""
    for module in infra.main.modules.values():
        file = infra.files[f"infra/{module.what}"]
        body = {text(key): value for key, value in properties(module.body)}
        given = {text(key): value for key, value in properties(body["params"])}
        from_modules = {name for name, value in given.items() if ".outputs." in text(value)}
        assert from_modules & deciding(file) <= {"principalId", "readerPrincipalId"}, module.symbol


def deciding(file: File) -> set[str]:
    """Return the parameters that names, conditions and keys follow from."""
    found: set[str] = set()
    for declared in (*file.resources.values(), *file.modules.values()):
        nodes = [value for key, value in properties(declared.body) if text(key) in {"name", "scope", "parent"}]
        for node in [*nodes, *filter(None, [declared.condition])]:
            found |= {text(each) for each in walk(node) if each.type == "identifier"}
    return found & set(file.parameters)


def test_the_compiler_names_the_modules(infra: Infra) -> None:
    for path, file in infra.files.items():
        for module in file.modules.values():
            assert "name" not in {text(key) for key, _ in properties(module.body)}, (path, module.symbol)


def test_parameters_say_what_collections_hold(infra: Infra) -> None:
    for path, file in infra.files.items():
        for parameter in file.parameters.values():
            assert parameter.type in {"string", "int", "bool", "string[]", "{ *: string }"}, (path, parameter.name)


def test_the_files_are_formatted_as_far_as_that_can_be_told_without_the_formatter(infra: Infra) -> None:
    assert infra.json("infra/bicepconfig.json")["formatting"]["width"] == 120
    for path, file in infra.files.items():
        assert file.text.endswith("}\n") or file.text.rstrip("\n").count("\n") + 1 == file.text.count("\n"), path
        assert "\n\n\n" not in file.text, path
        for number, line in enumerate(file.text.split("\n"), 1):
            assert len(line) <= 120, (path, number)
            assert line == line.rstrip(), (path, number)
            assert "\t" not in line, (path, number)
            # The values of a condition that takes several lines stand on lines of their own.
            assert not re.search(r"[^ ].* \? [{\[]$", line), (path, number)
            assert not re.search(r"^\s*[}\]] : ", line), (path, number)


def test_a_resource_group_holds_everything(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        group = deployment.one("Microsoft.Resources/resourceGroups")
        assert group.name == "rg-dev"
        for resource in deployment.resources.values():
            assert resource.id.startswith(group.id), resource.id
