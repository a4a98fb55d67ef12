"""Kafka's own tools at work on three brokers: partitions moved and led elsewhere under load, and nothing lost by it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from odradek import Admin, Consumer, TopicPartition
from odradek.testing import Cluster
from referee import run_java_tool, why_java_is_unavailable
from tests.cluster.load import check, writing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.java,
    pytest.mark.skipif(why_java_is_unavailable() is not None, reason=str(why_java_is_unavailable())),
]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(brokers=3) as running:
        async with Admin(running.bootstrap) as admin:
            await admin.create_topic("t", replicas=[[0, 1]])
        yield running


async def tool(cluster: Cluster, name: str, *arguments: str) -> str:
    def run() -> str:
        done = run_java_tool(name, "--bootstrap-server", cluster.bootstrap, *arguments)
        return done.stdout.decode()

    return await trio.to_thread.run_sync(run)


async def replicas_of(cluster: Cluster) -> tuple[int, ...]:
    async with Admin(cluster.bootstrap) as admin:
        return (await admin.describe_topic("t")).partitions[0].replicas


async def test_a_partition_is_moved_under_load_and_led_by_whom_it_should_be(cluster: Cluster, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": "t", "partition": 0, "replicas": [2, 1]}]}))
    with writing(cluster.bootstrap, "t") as writer:
        said = await tool(cluster, "kafka-reassign-partitions", "--reassignment-json-file", str(plan), "--execute")
        assert "Successfully started partition reassignment for t-0" in said
        with trio.fail_after(60):
            while await replicas_of(cluster) != (2, 1):  # noqa: ASYNC110 (the controller tells nobody)
                await trio.sleep(0.2)
        said = await tool(cluster, "kafka-reassign-partitions", "--reassignment-json-file", str(plan), "--verify")
        assert "Reassignment of partition t-0 is completed" in said
        await trio.to_thread.run_sync(writer.wait_for_acknowledgements)
        election = ["--election-type", "preferred", "--topic", "t", "--partition", "0"]
        assert re.search("completed|not needed|already", await tool(cluster, "kafka-leader-election", *election))
        assert (await cluster.leader_of("t", 0)).name == "broker-2"
        await trio.to_thread.run_sync(writer.stop)
        await trio.to_thread.run_sync(check, writer, cluster.bootstrap, "t")


async def test_topics_and_configurations_are_seen_through_any_broker(cluster: Cluster) -> None:
    await tool(cluster, "kafka-topics", "--create", "--topic", "made", "--partitions", "3", "--replication-factor", "3")
    described = await tool(cluster, "kafka-topics", "--describe", "--topic", "made")
    assert described.count("Isr: ") == 3 and "ReplicationFactor: 3" in described
    where = ["--entity-type", "topics", "--entity-name", "made"]
    await tool(cluster, "kafka-configs", *where, "--alter", "--add-config", "retention.ms=5000")
    assert "retention.ms=5000" in await tool(cluster, "kafka-configs", *where, "--describe")


async def test_what_kafkas_verifiable_producer_was_told_its_verifiable_consumer_reads(cluster: Cluster) -> None:
    """With the leader killed half-way. That producer does not try again, so some of what it sends is refused.

    Some of it is in the log all the same, its answer having died with the leader: so the consumer, which stops after as
    many records as it is told, is told to read the whole log.
    """
    count, place, said = 20_000, TopicPartition("v", 0), []
    sending = ["--topic", "v", "--max-messages", str(count), "--throughput", "4000", "--acks", "-1"]

    async def produce() -> None:
        said.append(await tool(cluster, "kafka-verifiable-producer", *sending))

    async with Admin(cluster.bootstrap) as admin:
        await admin.create_topic("v", 1, 3)
    async with Consumer(cluster.bootstrap) as consumer, trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        while (await consumer.end_offsets(place))[place] < count // 4:  # noqa: ASYNC110 (the broker tells nobody)
            await trio.sleep(0.05)
        (await cluster.leader_of("v", 0)).kill()
    async with Consumer(cluster.bootstrap) as consumer:
        end = (await consumer.end_offsets(place))[place]
    acknowledged = values(said[0], "producer_send_success")
    assert len(acknowledged) > count // 2, "it has gone on with another leader"
    reading = ["--topic", "v", "--group-id", "g", "--max-messages", str(end), "--verbose"]
    read = values(await tool(cluster, "kafka-verifiable-consumer", *reading), "record_data")
    assert acknowledged <= read


def values(said: str, name: str) -> set[int]:
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return {int(event["value"]) for event in events if event["name"] == name}
