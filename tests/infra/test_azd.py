"""azd finds everything, asks for nothing but what it always asks for, and pipelines pass the same choices on."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import yaml

from tests.infra.bicep import literal
from tests.infra.infra import ROOT, Infra

# What azd asks for, or knows.
FROM_AZD: Final = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}
# What a hook reads, and the template does not.
FOR_HOOKS: Final = {"POSTDEPLOY_ROOM"}
# What GitHub's image or a Python image sets for other purposes.
TAKEN: Final = {"PYTHON_VERSION", "HOSTNAME", "LOCATION", "CI", "ENVIRONMENT"}
PARAMETERS: Final = "infra/main.parameters.json"
WORKFLOWS: Final = (".github/workflows/azure-dev.yml", ".github/workflows/ci.yml", ".github/workflows/release.yml")
SYSTEMS: Final = ["macos-15", "windows-2025"]
VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(=(?P<default>[^}]*))?\}")


def parameters(infra: Infra) -> dict[str, Any]:
    return {name: given["value"] for name, given in infra.json(PARAMETERS)["parameters"].items()}


def variables(infra: Infra) -> dict[str, re.Match[str]]:
    """Return the variable of each parameter that has one."""
    found = {}
    for name, value in parameters(infra).items():
        if isinstance(value, str):
            match = VARIABLE.fullmatch(value)
            assert match is not None, value
            found[name] = match
    return found


def test_the_parameters_are_those_of_the_template(infra: Infra) -> None:
    assert set(parameters(infra)) == set(infra.main.parameters)


def test_nothing_is_asked_for_but_environment_and_region(infra: Infra) -> None:
    """A parameter with neither a value nor a default is asked for, and fails with --no-prompt."""
    without = {name for name, parameter in infra.main.parameters.items() if parameter.default is None}
    assert {variables(infra)[name]["name"] for name in without} == {"AZURE_ENV_NAME", "AZURE_LOCATION"}


def test_the_region_is_picked_from_azd_s_list(infra: Infra) -> None:
    decorators = infra.main.parameters["location"].decorators
    assert literal(decorators["metadata"]) == [{"azd": {"type": "location"}}]
    assert "allowed" not in decorators


def test_defaults_of_template_and_parameters_file_agree(infra: Infra) -> None:
    for name, match in variables(infra).items():
        default = infra.main.parameters[name].default
        if default is None or match["default"] is None:
            assert default is None or literal(default) in ("", {}), name
        else:
            assert match["default"] == json.dumps(literal(default)).strip('"'), name


def test_no_variable_is_one_that_machines_have_for_another_purpose(infra: Infra) -> None:
    names = [match["name"] for match in variables(infra).values()]
    assert not TAKEN & set(names)
    assert len(names) == len(set(names))


def test_a_pipeline_passes_every_choice_on(infra: Infra) -> None:
    wanted = {match["name"] for match in variables(infra).values()} - FROM_AZD | FOR_HOOKS
    assert set(infra.yaml("azure.yaml")["pipeline"]["variables"]) == wanted
    env = infra.yaml(".github/workflows/azure-dev.yml")["jobs"]["deploy"]["env"]
    own = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID", "AZURE_ENV_NAME", "AZURE_LOCATION"}
    assert set(env) == wanted | own
    for name, value in env.items():
        default = {"DEVELOPER_ROLES": " || 'false'", "APP_SETTINGS": " || '{}'"}.get(name, "")
        assert value == f"${{{{ vars.{name}{default} }}}}"


def test_the_pipeline_signs_in_without_a_secret(infra: Infra) -> None:
    source = infra.sources[".github/workflows/azure-dev.yml"]
    deploy = infra.yaml(".github/workflows/azure-dev.yml")["jobs"]["deploy"]
    assert deploy["permissions"] == {"id-token": "write", "contents": "read"}
    assert "secrets." not in source
    commands = [step["run"] for step in deploy["steps"] if "run" in step]
    assert "--federated-credential-provider github" in commands[0]
    assert commands[1:] == ["azd provision --no-state --no-prompt", "azd deploy --no-prompt"]


def test_a_push_to_main_deploys_only_what_passed_ci(infra: Infra) -> None:
    workflow = infra.yaml(".github/workflows/azure-dev.yml")
    assert workflow["jobs"]["ci"] == {"uses": "./.github/workflows/ci.yml"}
    assert workflow["jobs"]["deploy"]["needs"] == "ci"
    # YAML 1.1 reads the key "on" as true.
    assert workflow[True]["push"] == {"branches": ["main"]}
    assert set(infra.yaml(".github/workflows/ci.yml")[True]) == {"pull_request", "workflow_call"}


def test_workflows_may_read_and_nothing_else_unless_a_job_says_so(infra: Infra) -> None:
    for path in WORKFLOWS:
        assert infra.yaml(path)["permissions"] == {"contents": "read"}, path
        granted = {name: job["permissions"] for name, job in infra.yaml(path)["jobs"].items() if "permissions" in job}
        assert set(granted) <= {"deploy", "publish"}, path


def test_actions_are_pinned_by_commit_with_their_version_beside_and_keep_no_credentials(infra: Infra) -> None:
    for path in WORKFLOWS:
        used = re.findall(r"uses: (?!\./)(\S+)(.*)", infra.sources[path])
        assert used, path
        for action, comment in used:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), (path, action)
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), (path, action)
        for job in infra.yaml(path)["jobs"].values():
            for step in job.get("steps", ()):
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"] == {"persist-credentials": False}, path
            systems = job.get("strategy", {}).get("matrix", {}).get("system", [])
            assert (job.get("runs-on", "ubuntu-24.04") == "ubuntu-24.04") != bool(systems), path
            assert systems in ([], SYSTEMS), path
            assert "uses" in job or job["timeout-minutes"] <= 60, path


def test_dependabot_looks_after_actions_and_every_file_that_pins_packages() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    found = {
        (update["package-ecosystem"], folder)
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    locks = {("npm", f"/{path.parent.relative_to(ROOT).as_posix()}") for path in ROOT.glob("[!.]*/*/package-lock.json")}
    assert locks
    assert found == {("github-actions", "/"), ("pip", "/"), ("pip", "/.github"), *locks}


def test_ci_compiles_formats_and_lints_the_templates_and_runs_our_tests(infra: Infra) -> None:
    jobs = infra.yaml(".github/workflows/ci.yml")["jobs"]
    commands = " ; ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    for command in ("bicep build infra/main.bicep", "bicep format", "bicep lint infra/main.bicep", "dev.py test"):
        assert command in commands
    # The default shell of a step looks at the last program of a pipe only; this name stands for one with pipefail.
    for step in jobs["bicep"]["steps"]:
        assert " | tee" not in step.get("run", "") or step["shell"] == "bash", step


def test_ci_tests_on_macos_and_windows_with_the_oldest_and_the_newest_python(infra: Infra) -> None:
    jobs = infra.yaml(".github/workflows/ci.yml")["jobs"]
    every = jobs["tests"]["strategy"]["matrix"]["python"]
    assert jobs["systems"]["strategy"]["matrix"] == {"system": SYSTEMS, "python": [every[0], every[-1]]}
    commands = " ; ".join(step.get("run", "") for step in jobs["systems"]["steps"])
    assert "dev.py test --quick" in commands
    assert "dev.py run" in commands


def test_a_tag_publishes_what_passed_ci_without_a_secret(infra: Infra) -> None:
    release = infra.yaml(".github/workflows/release.yml")
    assert release[True] == {"push": {"tags": ["webpubsub-handler-*", "webpubsub-emulator-*"]}}
    jobs = release["jobs"]
    assert jobs["ci"] == {"uses": "./.github/workflows/ci.yml"}
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("ci", "build")
    assert "permissions" not in jobs["build"]
    assert jobs["publish"]["permissions"] == {"id-token": "write", "contents": "read"}
    assert jobs["publish"]["environment"] == "pypi"
    assert "secrets." not in infra.sources[".github/workflows/release.yml"]
    assert jobs["publish"]["steps"][-1]["run"] == "uv publish --trusted-publishing always dist/*"


def test_the_app_carries_the_tags_by_which_azd_finds_it(infra: Infra) -> None:
    (service,) = infra.yaml("azure.yaml")["services"].items()
    assert service == ("api", {"project": ".", "host": "function", "language": "python"})
    deployment = infra.deploy(environmentName="prod", tags={"team": "chat"})
    for resource in deployment.resources.values():
        if "tags" in resource.body:
            own = {"azd-service-name": "api"} if resource.type == "Microsoft.Web/sites" else {}
            assert resource.body["tags"] == {"team": "chat", "azd-env-name": "prod"} | own, resource.id


def test_everything_that_can_have_tags_has_them(infra: Infra) -> None:
    for deployment in infra.deployments.values():
        untagged = {resource.type for resource in deployment.resources.values() if "tags" not in resource.body}
        assert untagged <= {
            "Microsoft.Authorization/roleAssignments",
            "Microsoft.Graph/appRoleAssignedTo",
            "Microsoft.Graph/applications",
            "Microsoft.Graph/applications/federatedIdentityCredentials",
            "Microsoft.Graph/servicePrincipals",
            "Microsoft.Insights/diagnosticSettings",
            "Microsoft.KeyVault/vaults/secrets",
            "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
            "Microsoft.SignalRService/webPubSub/hubs",
            "Microsoft.Storage/storageAccounts/blobServices",
            "Microsoft.Storage/storageAccounts/blobServices/containers",
            "Microsoft.Storage/storageAccounts/tableServices",
            "Microsoft.Storage/storageAccounts/tableServices/tables",
            "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
            "Microsoft.Web/sites/config",
        }


def test_names_begin_with_the_abbreviations_and_all_of_those_are_used(infra: Infra) -> None:
    abbreviations = infra.json("infra/abbreviations.json")
    names = {
        resource.name
        for deployment in infra.deployments.values()
        for resource in deployment.resources.values()
        if "/" not in resource.name
    }
    for abbreviation in abbreviations.values():
        assert any(name.startswith(abbreviation) for name in names), abbreviation
    alerts = {
        resource.name
        for deployment in infra.deployments.values()
        for resource in deployment.resources.values()
        if resource.type.endswith(("/scheduledQueryRules", "/metricAlerts"))
    }
    for name in names - alerts:
        assert len(name) <= 60
        if name.startswith("st"):
            assert re.fullmatch(r"[a-z0-9]{3,24}", name)
        if name.startswith("kv-"):
            assert len(name) <= 24


def test_two_environments_share_no_name(infra: Infra) -> None:
    first, second = (
        {resource.id for resource in infra.deploy(environmentName=name).resources.values()} for name in ("dev", "prod")
    )
    assert not first & second


def test_a_pipeline_gives_objects_as_json_where_nothing_was_chosen(infra: Infra) -> None:
    """GitHub sets a variable that was not chosen to an empty text, which azd then cannot read as JSON."""
    env = infra.yaml(".github/workflows/azure-dev.yml")["jobs"]["deploy"]["env"]
    objects = [name for name, parameter in infra.main.parameters.items() if parameter.type == "{ *: string }"]
    chosen = [variables(infra)[name]["name"] for name in objects if name in variables(infra)]
    assert chosen == ["APP_SETTINGS"]
    for name in chosen:
        (text,) = re.findall(r"\|\| '(.*)'", env[name])
        assert json.loads(text) == {}


def test_an_azd_that_cannot_read_an_object_from_a_variable_is_refused(infra: Infra) -> None:
    """It came with 1.23.4; the Bicep of that version knows the extension for Microsoft Graph, too."""
    azure = infra.yaml("azure.yaml")
    (wanted,) = re.findall(r">= (\d+)\.(\d+)\.(\d+)", azure["requiredVersions"]["azd"])
    assert tuple(map(int, wanted)) >= (1, 23, 4)
    assert f"{'.'.join(wanted)} or newer" in (ROOT / "docs" / "operate" / "deploy.md").read_text("utf-8")
    assert azure["infra"] == {"provider": "bicep", "path": "infra"}


def test_each_hook_is_run_in_the_shell_of_each_system(infra: Infra) -> None:
    hooks = infra.yaml("azure.yaml")["hooks"]
    files = {path.stem for path in (ROOT / "infra" / "hooks").glob("p*.py")}
    assert set(hooks) == files == {"preprovision", "predeploy", "postdeploy"}
    for name, hook in hooks.items():
        assert hook == {
            "posix": {"shell": "sh", "run": f"python3 -m infra.hooks.{name}", "interactive": True},
            "windows": {"shell": "pwsh", "run": f"python -m infra.hooks.{name}", "interactive": True},
        }


def test_the_environments_of_azd_stay_out_of_the_repository() -> None:
    assert ".azure/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_hooks_after_provisioning_find_what_they_need_among_the_outputs(infra: Infra) -> None:
    for hook in ("predeploy", "postdeploy"):
        asked = re.findall(r'env\("(\w+)"\)', (ROOT / "infra" / "hooks" / f"{hook}.py").read_text())
        assert len(asked) > 3
        assert set(asked) - FOR_HOOKS - {"AZURE_TENANT_ID"} <= set(infra.main.outputs), hook


def test_the_hook_before_provisioning_looks_at_variables_that_exist(infra: Infra) -> None:
    hooks = ROOT / "infra" / "hooks"
    source = "".join((hooks / name).read_text() for name in ("preprovision.py", "choices.py"))
    asked = set(re.findall(r'env(?:\.get)?[(\[]"(\w+)"', source))
    known = {match["name"] for match in variables(infra).values()} | set(infra.main.outputs)
    assert len(asked) > 8
    assert asked - known == {"AZURE_SUBSCRIPTION_ID"}


def paragraphs(text: str) -> list[str]:
    """Return paragraphs, rows of tables, and code blocks with what is said before them."""
    whole = re.sub(r"\n\n(```)", r"\n\1", text)
    return [part for each in whole.split("\n\n") for part in (each.split("\n|") if each.startswith("|") else [each])]


def test_every_advice_to_repair_by_provisioning_forces_it() -> None:
    """azd skips a provisioning whose template and parameters did not change, whatever happened to the resources."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for paragraph in paragraphs(page.read_text("utf-8")):
            bare = re.findall(r"azd provision(?! --(?:no-state|preview))", paragraph)
            # A changed choice is a changed parameter, and these say what provisioning does.
            explains = ("does nothing by itself", "vanishes at the next", "takes away", "writes the app settings")
            told = " ".join(paragraph.split())
            assert not bare or "azd env set" in told or any(text in told for text in explains), paragraph


def test_every_advice_of_a_hook_to_provision_forces_it() -> None:
    for file in (ROOT / "infra").rglob("*.py"):
        assert not re.findall(r"(?<!`)`azd provision(?! --no-state)", file.read_text("utf-8")), file.name
    advice = (ROOT / "infra" / "hooks" / "postdeploy.py").read_text("utf-8")
    assert advice.count("`azd provision --no-state`") >= 5


def test_every_choice_is_documented_with_its_default(infra: Infra) -> None:
    page = (ROOT / "docs" / "operate" / "choices.md").read_text()
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| (\S+) \|", page, re.MULTILINE))
    assert documented == {
        match["name"]: f"`{match['default']}`" if match["default"] else "–"
        for match in variables(infra).values()
        if match["name"] not in FROM_AZD
    }


def test_the_pipeline_tests_on_a_machine_with_python_alone(infra: Infra) -> None:
    job = infra.yaml(".github/workflows/ci.yml")["jobs"]["bare"]
    install, test = (step["run"] for step in job["steps"] if "run" in step)
    assert job["container"].startswith("debian:")
    assert install.rpartition("--no-install-recommends ")[2].split() == [
        "python3",
        "python3-venv",
        "git",
        "ca-certificates",
    ]
    assert "runuser --user dev -- python3 dev.py test" in test


def test_the_dev_container_has_the_tools() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    features = " ".join(container["features"])
    # Core Tools has packages for this Debian, and for none that is newer.
    assert container["image"].endswith("-bookworm")
    for tool in ("azd", "azure-cli", "azure-functions-core-tools", "node"):
        assert tool in features
    assert (ROOT / "requirements-dev.txt").name in container["postCreateCommand"]
