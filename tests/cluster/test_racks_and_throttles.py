"""Consumers that read from the follower in their own rack, and followers that catch up no faster than they may."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import confluent_kafka
import pytest
import trio

from odradek import Admin, Consumer, Producer, ResourceType, TopicPartition
from odradek.testing import Cluster

pytestmark = pytest.mark.slow

SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
RECORDS = 200


@pytest.fixture
async def racks() -> AsyncIterator[Cluster]:
    """Broker i stands in rack i, and leads nothing but for broker 0."""
    cluster = Cluster(brokers=3, settings={"replica.selector.class": SELECTOR})
    for number, broker in enumerate(cluster.brokers):
        broker.settings["broker.rack"] = f"rack-{number}"
    async with cluster:
        async with Admin(cluster.bootstrap) as admin:
            await admin.create_topic("t", replicas=[[0, 1, 2]])
        yield cluster


async def fill(cluster: Cluster) -> None:
    async with Producer(cluster.bootstrap) as producer:
        for number in range(RECORDS):
            await producer.send("t", str(number).encode())


async def test_a_consumer_reads_from_the_follower_in_its_rack(racks: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(racks)
    asked = []
    async with Consumer(racks.bootstrap, start="earliest", client_rack="rack-2") as consumer:
        connection = consumer._cluster.connection

        async def noting(node_id: int, purpose: str = "") -> object:
            if purpose == "fetch":
                asked.append(node_id)
            return await connection(node_id, purpose)

        monkeypatch.setattr(consumer._cluster, "connection", noting)
        await consumer.assign([TopicPartition("t", 0)])
        found = 0
        while found < RECORDS:
            found += len(await consumer.poll(timeout_s=5))
        await fill(racks)
        while found < 2 * RECORDS:
            found += len(await consumer.poll(timeout_s=5))
        assert asked[0] == 0
        assert set(asked[1:]) == {2}
        racks.brokers[2].kill()
        await fill(racks)
        while found < 3 * RECORDS:
            found += len(await consumer.poll(timeout_s=5))
        assert asked[-1] == 0, "with the follower gone it reads from the leader again"


async def test_librdkafka_reads_from_the_follower_in_its_rack(racks: Cluster) -> None:
    await fill(racks)
    said: list[str] = []

    def read() -> int:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": racks.bootstrap,
                "group.id": "g",
                "client.rack": "rack-1",
                "auto.offset.reset": "earliest",
                "debug": "fetch",
                "log_level": 7,
            },
            logger=_Into(said),
        )
        consumer.assign([confluent_kafka.TopicPartition("t", 0, 0)])
        found, deadline = 0, time.monotonic() + 30
        while found < RECORDS and time.monotonic() < deadline:
            message = consumer.poll(1)
            found += message is not None and message.error() is None
        consumer.close()
        return found

    assert await trio.to_thread.run_sync(read) == RECORDS
    assert any("preferred replica" in line.lower() or "fetch from follower" in line.lower() for line in said), said[-5:]


class _Into:
    """What a logger does with lines, for librdkafka."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def log(self, level: int, text: str, *values: object) -> None:
        self._lines.append(text % values if values else text)


async def test_a_follower_that_is_throttled_catches_up_no_faster_and_then_is_in_sync() -> None:
    rate, size = 200_000, 1_000_000
    async with Cluster(brokers=3) as cluster, Admin(cluster.bootstrap) as admin:
        await admin.create_topic("t", replicas=[[0, 1, 2]])
        follower = cluster.brokers[2]
        follower.kill()
        async with Producer(cluster.bootstrap) as producer:
            for _ in range(size // 1000):
                await producer.send("t", bytes(1000))
        await admin.alter_configs("t", set={"follower.replication.throttled.replicas": "0:2"})
        await admin.alter_configs("", ResourceType.BROKER, set={"follower.replication.throttled.rate": str(rate)})
        began = time.monotonic()
        await follower.start()
        with trio.fail_after(60):
            await cluster.wait_in_sync("t")
        assert time.monotonic() - began > (size - 2 * rate) / rate, "it took its time"
