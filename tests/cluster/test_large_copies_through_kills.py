"""A large copy by each library, exactly once, while brokers and copiers are killed and paused at random.

Two copiers share the work as one group, each in a process of its own. One that was paused for longer than its session
comes back, takes its partitions for its own, and must not get through. At the end each partition of `target` is that of
`source`, in order.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
import trio

from odradek import Admin, Producer
from odradek.testing import Cluster
from odradek.testing.node import Node, State
from referee import why_java_is_unavailable
from tests.cluster.copying import PARTITIONS, SETTINGS, CopierProcess, keep_alive, read_target, source_of

pytestmark = pytest.mark.soak

RECORDS = int(os.environ.get("ODRADEK_COPY_RECORDS", "100000"))
SEED = int(os.environ.get("ODRADEK_COPY_SEED", "1"))
COPIERS = 2
PATIENCE_S = 120 + RECORDS / 50
REST_S = (0.5, 3.0)
BROKER_IS_GONE_S = (0.2, 3.0)
PAUSE_S = (0.5, 9.0)
"""The session of a copier is over after six seconds."""
LATE_S = 15.0
"""Whoever was paused has gone on by then, and his last transaction is over."""


class Trouble:
    """One thing after another, one broker at a time; copiers fail at any time."""

    def __init__(self, cluster: Cluster, copiers: list[CopierProcess], random: Random) -> None:
        self._cluster = cluster
        self._copiers = copiers
        self._random = random
        self.done: list[str] = []

    async def run(self, act: Callable[[], Awaitable[str]]) -> None:
        while True:
            await trio.sleep(self._random.uniform(*REST_S))
            self.done.append(await act())

    async def with_a_broker(self) -> str:
        broker = self._random.choice(self._cluster.brokers)
        kind = self._random.choice((self._kill_broker, self._pause_broker))
        await kind(broker)
        for topic in ("source", "target", "__consumer_offsets", "__transaction_state"):
            await self._cluster.wait_in_sync(topic)
        return kind.__name__

    async def heal(self) -> None:
        """All that was stopped in the middle goes on."""
        for broker in self._cluster.brokers:
            if broker.pid is None:
                await broker.start()
            elif broker.state is State.PAUSED:
                broker.resume()
        for copier in self._copiers:
            copier.send(signal.SIGCONT)

    async def _kill_broker(self, broker: Node) -> None:
        broker.kill()
        await trio.sleep(self._random.uniform(*BROKER_IS_GONE_S))
        await broker.start()

    async def _pause_broker(self, broker: Node) -> None:
        broker.pause()
        await trio.sleep(self._random.uniform(*PAUSE_S))
        broker.resume()

    async def with_a_copier(self) -> str:
        copier = self._random.choice(self._copiers)
        if self._random.random() < 0.5:
            copier.kill()
            copier.start()
            return "kill copier"
        copier.send(signal.SIGSTOP)
        await trio.sleep(self._random.uniform(*PAUSE_S))
        copier.send(signal.SIGCONT)
        return "pause copier"


@pytest.mark.parametrize(
    "library",
    [
        "confluent",
        pytest.param(
            "java",
            marks=[
                pytest.mark.java,
                pytest.mark.skipif(bool(why_java_is_unavailable()), reason="Java is not there"),
            ],
        ),
        "odradek",
    ],
)
async def test_a_large_copy_has_each_record_once_and_in_order(library: str, tmp_path: Path) -> None:
    async with Cluster(brokers=3, settings=SETTINGS) as cluster:
        async with Admin(cluster.bootstrap) as admin:
            for topic in ("source", "target"):
                await admin.create_topic(topic, PARTITIONS, 3)
        async with Producer(cluster.bootstrap) as producer:
            for index, numbers in source_of(RECORDS).items():
                await producer.send_many("source", (b"%d" % number for number in numbers), partition=index)
        with trio.fail_after(PATIENCE_S), ExitStack() as stack:
            copiers = [
                stack.enter_context(CopierProcess(library, cluster.bootstrap, number, tmp_path))
                for number in range(COPIERS)
            ]
            trouble = Trouble(cluster, copiers, Random(f"{library} {SEED}"))
            await read_target(cluster.bootstrap, 1)  # the coordinators' topics are there
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_alive, copiers)
                nursery.start_soon(trouble.run, trouble.with_a_broker)
                nursery.start_soon(trouble.run, trouble.with_a_copier)
                await read_target(cluster.bootstrap, RECORDS)
                nursery.cancel_scope.cancel()
            await trouble.heal()
            await trio.sleep(LATE_S)
            copied = await read_target(cluster.bootstrap, RECORDS)
    print(f"{RECORDS} records by {library} through {Counter(trouble.done)}")
    assert copied == source_of(RECORDS)
    assert trouble.done
