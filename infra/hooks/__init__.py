"""The hooks that ``azd`` runs before and after its own work. Standard library only: nothing has to be installed."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whatever python3 is on the machine runs this
    sys.exit("Error: the hooks of this project need Python 3.11 or newer as python3 (python on Windows).")
