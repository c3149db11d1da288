"""What the tests of the infrastructure look at."""

from __future__ import annotations

import pytest

from tests.infra.infra import Infra


@pytest.fixture(scope="session")
def infra() -> Infra:
    return Infra.read()
