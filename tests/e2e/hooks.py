"""The hooks run as azd runs them, with an azd that gives out tokens without a tenant."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def unsigned(**claims: Any) -> str:
    """Return a token that nobody signed."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2ln"])


def install_azd(folder: Path, token: str | None, tenant: str | None = None) -> Path:
    """Make a folder with an ``azd`` that answers ``auth token``; without a token, or for another tenant, it refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "azd"
    code = (
        "import json, sys\n"
        "assert sys.argv[1:3] == ['auth', 'token'] and '--scope' in sys.argv and 'json' in sys.argv, sys.argv\n"
    )
    if tenant is not None:
        code += f"assert sys.argv[-2:] == ['--tenant-id', {tenant!r}], sys.argv\n"
    if token is None:
        code += "sys.exit('ERROR: not logged in, run `azd auth login` to login')\n"
    else:
        code += f"print(json.dumps({{'token': {token!r}, 'expiresOn': '2999-01-01T00:00:00Z'}}))\n"
    program.write_text(f"#!{sys.executable}\n{code}", "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


async def start_hook(
    name: str, environment: Mapping[str, str], *arguments: str, azd: Path | None = None
) -> asyncio.subprocess.Process:
    """Start a hook in the project's folder."""
    inherited = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    path = str(azd or "/nowhere")
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", f"infra.hooks.{name}", *arguments],
        cwd=ROOT,
        env=inherited | dict(environment) | {"PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def run_hook(
    name: str, environment: Mapping[str, str], *arguments: str, azd: Path | None = None
) -> tuple[int, str]:
    """Run a hook to its end; return its exit status and what it printed."""
    process = await start_hook(name, environment, *arguments, azd=azd)
    shown, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, shown.decode()
