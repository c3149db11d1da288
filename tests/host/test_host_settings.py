"""What the host reads from host.json and the local settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.exceptions import HostSettingsError
from local.functions_host.settings import HostSettings, apply_values, read_settings


def write(folder: Path, name: str, document: object) -> None:
    (folder / name).write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with the least host.json."""
    write(tmp_path, "host.json", {"version": "2.0"})
    return tmp_path


def test_the_least_host_json_has_the_real_hosts_defaults(app: Path) -> None:
    assert read_settings(app) == HostSettings(
        route_prefix="api", custom_headers={}, values={}, port=7071, cors_origins=frozenset(), cors_credentials=False
    )


def test_prefix_and_custom_headers_come_from_host_json(app: Path) -> None:
    http = {"routePrefix": "/v1/", "customHeaders": {"X-A": "1"}}
    write(app, "host.json", {"version": "2.0", "extensions": {"http": http}})
    settings = read_settings(app)
    assert (settings.route_prefix, settings.custom_headers) == ("v1", {"X-A": "1"})


def test_local_settings_come_before_the_sample(app: Path) -> None:
    write(app, "local.settings.sample.json", {"Values": {"FROM": "sample", "ONLY_SAMPLE": "1"}})
    assert read_settings(app).values == {"FROM": "sample", "ONLY_SAMPLE": "1"}
    write(app, "local.settings.json", {"Values": {"FROM": "own"}})
    assert read_settings(app).values == {"FROM": "own"}


def test_the_host_section_gives_port_and_cors(app: Path) -> None:
    host = {"LocalHttpPort": 8123, "CORS": "https://a.example, https://b.example", "CORSCredentials": True}
    write(app, "local.settings.json", {"Host": host})
    settings = read_settings(app)
    assert (settings.port, settings.cors_credentials) == (8123, True)
    assert settings.cors_origins == {"https://a.example", "https://b.example"}


@pytest.mark.parametrize("name", ["host.json", "local.settings.json"])
def test_a_byte_order_mark_is_not_an_error(app: Path, name: str) -> None:
    (app / name).write_text('\ufeff{"version": "2.0"}', encoding="utf-8")
    assert read_settings(app).port == 7071


@pytest.mark.parametrize("name", ["host.json", "local.settings.json"])
@pytest.mark.parametrize(("text", "problem"), [("{,}", "is not JSON"), ("[]", "is not a JSON object")])
def test_a_broken_file_is_an_error_that_names_it(app: Path, name: str, text: str, problem: str) -> None:
    (app / name).write_text(text, encoding="utf-8")
    with pytest.raises(HostSettingsError, match=f"{name} {problem}"):
        read_settings(app)


def test_a_file_that_is_not_utf_8_is_an_error_that_names_it(app: Path) -> None:
    (app / "local.settings.json").write_bytes(b'{"Values": {"A": "\xe9"}}')
    with pytest.raises(HostSettingsError, match=r"local\.settings\.json is not JSON"):
        read_settings(app)


@pytest.mark.parametrize("document", [{}, {"version": "1.0"}, {"version": 2.0}])
def test_a_host_json_of_another_version_is_refused(tmp_path: Path, document: object) -> None:
    write(tmp_path, "host.json", document)
    with pytest.raises(HostSettingsError, match=r'host\.json is missing, or has no "version": "2\.0"'):
        read_settings(tmp_path)


def test_a_folder_without_host_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostSettingsError, match=r"host\.json is missing"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("host.json", {"version": "2.0", "extensions": []}),
        ("host.json", {"version": "2.0", "extensions": {"http": {"customHeaders": "X"}}}),
        ("host.json", {"version": "2.0", "extensions": {"http": {"routePrefix": 1}}}),
        ("local.settings.json", {"Values": ["A"]}),
        ("local.settings.json", {"Host": "x"}),
        ("local.settings.json", {"Host": {"LocalHttpPort": "many"}}),
    ],
)
def test_a_member_of_the_wrong_kind_is_an_error_that_names_the_file(app: Path, name: str, document: object) -> None:
    write(app, name, document)
    with pytest.raises(HostSettingsError, match=name):
        read_settings(app)


def test_members_that_are_null_are_absent(app: Path) -> None:
    write(app, "local.settings.json", {"Values": None, "Host": None})
    assert read_settings(app).values == {}


def test_the_environment_wins_over_values_and_the_skipped_names_are_told() -> None:
    environment = {"TAKEN": "outside", "EMPTY": ""}
    settings = HostSettings(values={"TAKEN": "file", "EMPTY": "file", "NEW": "file"})
    assert apply_values(settings, environment) == ["TAKEN", "EMPTY"]
    assert environment == {"TAKEN": "outside", "EMPTY": "", "NEW": "file"}


def test_values_are_not_in_the_representation() -> None:
    assert "hush" not in repr(HostSettings(values={"KEY": "hush"}))
