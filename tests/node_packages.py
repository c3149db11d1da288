"""The npm packages that only tests need.

``python -m tests.node_packages`` installs all that the tests need, except for a browser.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from local.exceptions import NodeToolsError
from local.node_tools import AZURITE, ROOT, NodePackages, ensure_packages

__all__ = ["CHROMIUM", "TEST_PACKAGES"]

_HERE: Final = Path(__file__).parent

TEST_PACKAGES: Final = NodePackages(
    _HERE / "node", ROOT / ".local" / "test-node", "JavaScript packages for tests: 38 MB to load, 66 MB on disk"
)
CHROMIUM: Final = NodePackages(
    _HERE / "chromium",
    ROOT / ".local" / "chromium",
    "a Chromium for the tests of the pages: 71 MB to load, 260 MB on disk",
)

if __name__ == "__main__":
    try:
        for packages in (AZURITE, TEST_PACKAGES):
            ensure_packages(packages)
    except NodeToolsError as error:
        raise SystemExit(f"Error: {error}") from None
