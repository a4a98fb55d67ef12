"""The pytest plugin: fixtures for tests that need a cluster. It needs pytest-trio."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from odradek.testing.cluster import Cluster


@pytest.fixture
async def odradek_cluster() -> AsyncIterator[Cluster]:
    """Three brokers and a controller, for one test; see odradek.testing."""
    async with Cluster(brokers=3) as cluster:
        yield cluster
