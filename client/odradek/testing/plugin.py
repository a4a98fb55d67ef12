"""The pytest plugin: fixtures for tests that need a cluster. It needs pytest-trio.

A test that asks for one of them is run by Trio, whether or not pytest-trio's `trio_mode` is on. Nothing is imported
before a test needs it: the plugin is part of every run of pytest where Odradek is installed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from odradek.sync import testing as sync_testing
    from odradek.testing import Cluster

FIXTURES = {"odradek_cluster"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())) and item.get_closest_marker("trio") is None:
            item.add_marker(pytest.mark.trio)


@pytest.fixture
async def odradek_cluster() -> AsyncIterator[Cluster]:
    """Three brokers and a controller, for one test; see odradek.testing."""
    from odradek.testing import Cluster  # a run that does not ask for it does not pay for it

    async with Cluster(brokers=3) as cluster:
        yield cluster


@pytest.fixture
def odradek_sync_cluster() -> Iterator[sync_testing.Cluster]:
    """The same for a test without async; see odradek.sync."""
    from odradek.sync.testing import Cluster

    with Cluster(brokers=3) as cluster:
        yield cluster
