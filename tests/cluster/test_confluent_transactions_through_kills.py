"""A copy by confluent-kafka, exactly once, while each broker of three is killed in turn."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from odradek import Admin, Producer
from odradek.testing import Cluster
from tests.cluster.copying import PARTITIONS, SETTINGS, CopierProcess, keep_alive, read_target, source_of

pytestmark = pytest.mark.slow

RECORDS = 2_000
"""Written before each kill."""
PATIENCE_S = 240.0


async def test_a_copy_by_confluent_has_each_record_once_though_each_broker_is_killed_in_turn(tmp_path: Path) -> None:
    written = 0
    async with Cluster(brokers=3, settings=SETTINGS) as cluster, Producer(cluster.bootstrap) as producer:
        async with Admin(cluster.bootstrap) as admin:
            for topic in ("source", "target"):
                await admin.create_topic(topic, PARTITIONS, 3)
        with trio.fail_after(PATIENCE_S), CopierProcess("confluent", cluster.bootstrap, 0, tmp_path) as copier:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_alive, [copier])
                for broker in cluster.brokers:
                    for number in range(written, written + RECORDS):
                        await producer.send("source", b"%d" % number, partition=number % PARTITIONS)
                    await read_target(cluster.bootstrap, written + 1)
                    broker.kill()
                    written += RECORDS
                    await trio.sleep(0.5)
                    await broker.start()
                    await read_target(cluster.bootstrap, written)
                nursery.cancel_scope.cancel()
        assert await read_target(cluster.bootstrap, written) == source_of(written)
