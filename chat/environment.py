"""The environment that settings are read from, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlsplit

__all__ = ["Environment", "SettingsError"]

_HOST: Final = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")

E_ = TypeVar("E_", bound=StrEnum)


class SettingsError(Exception):
    """Raised when settings are missing or wrong; ``problems`` names each setting and its fix, never a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["The settings are not usable:", *(f"  - {problem}" for problem in problems)]))
        self.problems = problems


class Environment:
    """Reads one setting after the other and remembers what is wrong with each.

    Args:
        values: The values by their names.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: list[str] = []

    def problem(self, text: str) -> None:
        """Note what is wrong: the setting and its fix, never a value."""
        self._problems.append(text)

    def raise_problems(self) -> None:
        """Raise what is wrong with all that was read.

        Raises:
            SettingsError: Something is.
        """
        if self._problems:
            raise SettingsError(self._problems)

    def text(self, name: str, default: str = "") -> str:
        """Return a value, or ``default`` if there is none."""
        return self._values.get(name, "").strip() or default

    def listed(self, name: str) -> tuple[str, ...]:
        """Return values that are separated by commas or spaces."""
        return tuple(self.text(name).replace(",", " ").split())

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether a value is true."""
        value = self.text(name, str(default)).lower()
        if value not in ("true", "false", "1", "0"):
            self.problem(f"{name}: use true or false")
        return value in ("true", "1")

    def number(self, name: str, default: int, least: int, most: int, *alternative: str) -> int:
        """Return a whole number within bounds; ``alternative`` is what else the fix names."""
        value = self.text(name, str(default))
        if value.isascii() and value.isdigit() and len(value) < 20 and least <= int(value) <= most:
            return int(value)
        self.problem(" ".join([f"{name}: use a whole number from {least} to {most}", *alternative]))
        return default

    def choice(self, name: str, kind: type[E_], default: E_) -> E_:
        """Return one of several values."""
        try:
            return kind(self.text(name, default).lower())
        except ValueError:
            self.problem(f"{name}: use one of {', '.join(kind)}")
            return default

    def https_url(self, name: str, url: str, what: str) -> str:
        """Return a URL without a slash at its end; ``what`` is what the fix says that it is the URL of."""
        try:
            parts = urlsplit(url)
            is_valid = parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None
        except ValueError:
            is_valid = False
        if not is_valid:
            self.problem(f"{name}: use the https URL of {what}")
        return url.rstrip("/")
