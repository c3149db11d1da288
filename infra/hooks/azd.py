"""The deployer's own tokens, from ``azd``."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from typing import Any, Final

__all__ = ["NoTokenError", "claims", "token"]

_TOKEN_SECONDS: Final = 60


class NoTokenError(Exception):
    """Raised when ``azd`` returns no token; the text says why."""


def token(scope: str, tenant_id: str | None = None) -> str:
    """Return an access token of the deployer.

    Raises:
        NoTokenError: ``azd`` is not there, nobody is signed in, or the scope is refused.
    """
    program = shutil.which("azd")
    if program is None:
        raise NoTokenError("azd is not on the PATH")
    tenant = ["--tenant-id", tenant_id] if tenant_id else []
    command = [program, "auth", "token", "--scope", scope, "--output", "json", *tenant]
    try:
        done = subprocess.run(  # noqa: S603 - azd, with a scope of ours
            command, capture_output=True, text=True, timeout=_TOKEN_SECONDS, check=False
        )
        found = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise NoTokenError(f"azd auth token failed: {type(error).__name__}") from error
    if not isinstance(found, dict) or not isinstance(found.get("token"), str):
        lines = done.stderr.strip().splitlines()
        raise NoTokenError(f"azd auth token failed: {lines[-1] if lines else f'status {done.returncode}'}")
    return str(found["token"])


def claims(access_token: str) -> dict[str, Any]:
    """Return what a token says about its holder, unverified; an empty object when it cannot be read."""
    try:
        part = access_token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
