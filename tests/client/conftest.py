"""A real broker for the tests that want one, chosen as in tests/interop.

ODRADEK_INTEROP_BROKER: `odradek` (the default), `kafka`, or the host:port of a broker that is already running.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator

import pytest
import trio

from odradek import Admin
from referee import ApacheKafka, Odradek

CHOICE = os.environ.get("ODRADEK_INTEROP_BROKER", "odradek")
CONFIG = {"group.initial.rebalance.delay.ms": "0"}


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker that serves all tests of the session."""
    if ":" in CHOICE:
        yield CHOICE
        return
    data_dir = tmp_path_factory.mktemp("broker") / "data"
    broker = Odradek(data_dir, CONFIG) if CHOICE == "odradek" else ApacheKafka(data_dir, CONFIG, heap_mb=512)
    broker.start()
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


_numbers = itertools.count()


@pytest.fixture
def new_topic(bootstrap: str) -> Callable[..., str]:
    """new_topic(partitions=1, **configs) -> name of a topic made for this test (underscores of configs become dots)."""

    def make(partitions: int = 1, **configs: str) -> str:
        name = f"client-{int(time.time() * 1000)}-{next(_numbers)}"

        async def create() -> None:
            async with Admin(bootstrap) as admin:
                settings = {key.replace("_", "."): value for key, value in configs.items()}
                await admin.create_topic(name, partitions, 1, configs=settings)

        trio.run(create)
        return name

    return make
