"""Three real brokers and a controller, and what may happen to them, under a writer with acks=all and idempotence.

Through each of these no acknowledged record is lost, doubled or moved.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import trio

from odradek import Admin, Consumer, DeliveryTimedOut, Producer
from odradek.testing import Cluster
from odradek_broker.log.directory import CLEAN_SHUTDOWN
from tests.cluster.load import ConfluentWriter, Writer, check, read_everything, writing

pytestmark = pytest.mark.slow

Work = Callable[[Writer], None]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(brokers=3, settings={"offsets.topic.num.partitions": "3"}) as running:
        async with Admin(running.bootstrap) as admin:
            await admin.create_topic("t", 1, 3)
        yield running


async def in_thread(work: Callable[[], None]) -> None:
    await trio.to_thread.run_sync(work)


async def go_on(writer: Writer) -> None:
    """Return when the writer has got on."""
    await in_thread(writer.wait_for_acknowledgements)


async def finish(writer: Writer, cluster: Cluster) -> None:
    await in_thread(writer.stop)
    await in_thread(lambda: check(writer, cluster.bootstrap, "t"))


async def test_the_leader_is_killed_and_comes_back(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        leader = await cluster.leader_of("t", 0)
        leader.kill()
        await go_on(writer)
        assert await cluster.leader_of("t", 0) is not leader
        await leader.start()
        await cluster.wait_in_sync("t")
        await go_on(writer)
        await finish(writer, cluster)


async def test_five_leaders_in_a_row_are_killed(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        for _ in range(5):
            leader = await cluster.leader_of("t", 0)
            leader.kill()
            await go_on(writer)
            await leader.start()
            await cluster.wait_in_sync("t")
        await finish(writer, cluster)


async def test_a_follower_is_killed_and_wiped(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        leader = await cluster.leader_of("t", 0)
        follower = next(broker for broker in cluster.brokers if broker is not leader)
        follower.kill()
        await go_on(writer)
        shutil.rmtree(follower.directory)
        await follower.start()
        await cluster.wait_in_sync("t")
        (cluster.brokers[0] if follower is not cluster.brokers[0] else cluster.brokers[1]).kill()
        await go_on(writer)
        await finish(writer, cluster)


async def test_a_leader_that_stands_still_is_replaced_and_changes_nothing_when_it_goes_on(cluster: Cluster) -> None:
    impatient: dict[str, Any] = {"socket.timeout.ms": 2000, "request.timeout.ms": 2000}
    with writing(cluster.bootstrap, "t", **impatient) as writer:
        leader = await cluster.leader_of("t", 0)
        leader.pause()
        await go_on(writer)
        leader.resume()
        await cluster.wait_in_sync("t")
        await go_on(writer)
        await finish(writer, cluster)


async def test_a_rolling_restart(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        for broker in cluster.brokers:
            await broker.stop()
            assert (broker.directory / CLEAN_SHUTDOWN).exists()
            await go_on(writer)
            await broker.start()
            await cluster.wait_in_sync("t")
        await finish(writer, cluster)


async def test_all_brokers_are_killed_at_once(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        for broker in cluster.brokers:
            broker.kill()
        await cluster.start()
        await go_on(writer)
        await cluster.wait_in_sync("t")
        await finish(writer, cluster)


async def test_everything_is_killed_at_once(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        for node in cluster.nodes:
            node.kill()
        await cluster.start()
        await go_on(writer)
        await finish(writer, cluster)


async def test_records_go_on_without_a_controller_and_it_finds_everything_again(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        controller = cluster.controller
        assert controller is not None
        controller.kill()
        await go_on(writer)
        await controller.start()
        (await cluster.leader_of("t", 0)).kill()
        await go_on(writer)
        await finish(writer, cluster)


async def test_a_write_that_too_few_replicas_would_have_is_refused(cluster: Cluster) -> None:
    leader = await cluster.leader_of("t", 0)
    others = [broker for broker in cluster.brokers if broker is not leader]
    for broker in others:
        broker.kill()
    async with Producer(leader.address, request_timeout_ms=1_000, delivery_timeout_ms=3_000) as producer:
        with pytest.raises(DeliveryTimedOut, match="NOT_ENOUGH_REPLICAS"):
            await producer.send_and_wait("t", b"refused", partition=0)
    for broker in others:
        await broker.start()
    async with Producer(cluster.bootstrap) as producer:
        await producer.send_and_wait("t", b"taken", partition=0)
    assert b"taken" in [value for value, _ in await trio.to_thread.run_sync(read_everything, cluster.bootstrap, "t")]


async def test_a_group_goes_on_where_it_was_when_its_coordinator_dies(cluster: Cluster) -> None:
    async with Producer(cluster.bootstrap) as producer:
        for i in range(10):
            await producer.send("t", b"%d" % i, partition=0)
        async with Consumer(cluster.bootstrap, "t", group="g", commit="manual") as consumer:
            assert [(await anext(consumer)).offset for _ in range(5)] == [0, 1, 2, 3, 4]
            await consumer.commit()
            async with Admin(cluster.bootstrap) as admin:
                coordinator = (await admin.describe_group("g")).coordinator
            cluster.brokers[coordinator].kill()
            with trio.fail_after(60):
                assert [(await anext(consumer)).offset for _ in range(5)] == [5, 6, 7, 8, 9]
                await consumer.commit()
        async with Consumer(cluster.bootstrap, "t", group="g", commit="manual") as consumer:
            await producer.send("t", b"next", partition=0)
            with trio.fail_after(60):
                assert (await anext(consumer)).offset == 10


async def test_brokers_that_are_started_again_at_once_need_not_wait_for_the_end_of_their_sessions() -> None:
    """Their ports are open again by then, so that nobody could tell by trying them that they had been away."""
    settings = {"broker.session.timeout.ms": "120000", "broker.heartbeat.interval.ms": "500"}
    async with Cluster(brokers=3, settings=settings) as cluster:
        async with Admin(cluster.bootstrap) as admin:
            await admin.create_topic("t", 1, 3)
        with trio.fail_after(60):
            for nodes in ([cluster.brokers[0]], cluster.nodes):
                for node in nodes:
                    node.kill()
                await cluster.start()
                await cluster.wait_in_sync("t")


async def test_a_busy_cluster_elects_nobody(cluster: Cluster) -> None:
    """Producers at full speed and other programs on all processors: heartbeats are late, and never too late."""
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]  # noqa: ASYNC220 (it takes no time)
    try:
        before = await epochs(cluster)
        writers = [ConfluentWriter(cluster.bootstrap, "t") for _ in range(2)]
        for writer in writers:
            writer.records_per_second = 200_000
            writer.start()
        for writer in writers:
            await in_thread(partial(writer.wait_for_acknowledgements, 100_000))
        for writer in writers:
            await in_thread(writer.stop)
        assert await epochs(cluster) == before
    finally:
        for each in busy:
            each.kill()
            each.wait()


async def epochs(cluster: Cluster) -> list[int]:
    async with Admin(cluster.bootstrap) as admin:
        return [partition.leader_epoch for partition in (await admin.describe_topic("t")).partitions]
