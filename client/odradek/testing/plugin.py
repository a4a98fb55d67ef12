"""The pytest plugin: fixtures for tests that need a cluster. It needs pytest-trio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from odradek.testing import Cluster


@pytest.fixture
async def odradek_cluster() -> AsyncIterator[Cluster]:
    """Three brokers and a controller, for one test; see odradek.testing."""
    from odradek.testing import Cluster  # a run that does not ask for it does not pay for it

    async with Cluster(brokers=3) as cluster:
        yield cluster
