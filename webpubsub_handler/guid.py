"""The form of Microsoft Entra ID's ids of tenants, applications and principals."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["GUID"]

GUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""A whole GUID as Azure writes it, in any case; use it with ``fullmatch``."""
