"""A laptop gets settings for a deployed environment, without a key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chat.settings import ClientAuth, Settings
from tests.infra.infra import ROOT, Infra
from tests.infra.test_settings import app_settings


def write(file: Path, values: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "infra" / "local_settings.py"), str(file)]
    return subprocess.run(command, input=values, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.external
def test_the_laptop_s_app_uses_the_same_service_table_and_proof(infra: Infra, tmp_path: Path) -> None:
    deployment = infra.deploy()
    done = write(tmp_path / "local.json", "\ufeff" + json.dumps(deployment.outputs))
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "local.json").read_text())
    assert "CORS" not in document["Host"]
    written = document["Values"]
    here, there = Settings.from_env(written), Settings.from_env(app_settings(deployment))
    assert here.client_auth is ClientAuth.ANONYMOUS
    for same in ("hub", "endpoints", "storage", "entra_caller"):
        assert getattr(here, same) == getattr(there, same), same


@pytest.mark.external
def test_with_access_keys_it_says_how_to_get_them(infra: Infra, tmp_path: Path) -> None:
    deployment = infra.deploy(eventAuthentication="accessKey")
    done = write(tmp_path / "local.json", json.dumps(deployment.outputs))
    written = json.loads((tmp_path / "local.json").read_text())["Values"]
    assert (
        f"az webpubsub key show --resource-group rg-dev --name {deployment.outputs['WEB_PUBSUB_NAME']}" in done.stdout
    )
    key = {"WebPubSubConnectionString": "Endpoint=https://x.y;AccessKey=k;"}
    assert Settings.from_env(written | key).proves_events


@pytest.mark.external
def test_a_file_that_is_there_is_kept(infra: Infra, tmp_path: Path) -> None:
    file = tmp_path / "local.json"
    file.write_text("mine")
    done = write(file, json.dumps(infra.deploy().outputs))
    assert (done.returncode, file.read_text()) == (1, "mine")
    assert "move it away" in done.stderr


@pytest.mark.external
@pytest.mark.parametrize(
    ("values", "told"), [("not JSON", "get-values --output json"), ("{}", "EVENT_AUTHENTICATION"), ("", "JSON")]
)
def test_what_is_not_an_environment_is_told(tmp_path: Path, values: str, told: str) -> None:
    done = write(tmp_path / "local.json", values)
    assert done.returncode == 1
    assert told in done.stderr
    assert not (tmp_path / "local.json").exists()
