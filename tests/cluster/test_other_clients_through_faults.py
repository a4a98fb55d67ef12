"""aiokafka and kafka-python, each a writer with acks=all and idempotence and a group that reads along, through faults.

Through all of them no acknowledged record is lost, doubled or moved, the group misses none, and its offsets are kept.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import trio

from odradek import Admin
from odradek.testing import Cluster, Node
from tests.cluster.load import (
    AioKafkaReader,
    AioKafkaWriter,
    GroupReader,
    KafkaPythonReader,
    KafkaPythonWriter,
    Writer,
    check,
    check_reader,
    reading,
    writing,
)

# kafka-python 3.0.12 forgets to close the socket of a connection that was refused (kafka/net/inet.py).
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

Hurt = Callable[[Cluster, Callable[[], Awaitable[None]]], Awaitable[None]]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(brokers=3, network_faults=True, settings={"offsets.topic.num.partitions": "3"}) as running:
        async with Admin(running.bootstrap) as admin:
            await admin.create_topic("t", 1, 3)
        yield running


@pytest.fixture(autouse=True)
def sockets_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """They are found here rather than in a test that comes later."""
    caplog.set_level("CRITICAL", logger="kafka")
    yield
    gc.collect()


async def kill_the_leader(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    leader = await cluster.leader_of("t", 0)
    leader.kill()
    await go_on()
    await leader.start()


async def pause_the_leader(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    """Until its session is over and another leads."""
    leader = await cluster.leader_of("t", 0)
    leader.pause()
    await until_led_by_another(cluster, leader)
    leader.resume()


async def pause_a_follower(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    (follower, _) = await cluster.followers_of("t", 0)
    follower.pause()
    await go_on()
    follower.resume()


async def pause_the_controller(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    assert cluster.controller is not None
    cluster.controller.pause()
    await go_on()
    cluster.controller.resume()


async def stop_the_leader(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    leader = await cluster.leader_of("t", 0)
    await leader.stop()
    await go_on()
    await leader.start()


async def kill_the_controller(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    assert cluster.controller is not None
    cluster.controller.kill()
    await go_on()
    await cluster.controller.start()


async def kill_everything(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    for node in cluster.nodes:
        node.kill()
    await cluster.start()


async def kill_the_leader_five_times(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    for _ in range(5):
        leader = await cluster.leader_of("t", 0)
        leader.kill()
        await go_on()
        await leader.start()


async def restart_one_after_the_other(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    for broker in cluster.brokers:
        await broker.stop()
        await broker.start()
        await cluster.wait_in_sync("t")


async def wipe_a_follower(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    (follower, _) = await cluster.followers_of("t", 0)
    follower.kill()
    shutil.rmtree(follower.directory)
    await go_on()
    await follower.start()


async def cut_the_leader_from_its_followers(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    """With min.insync.replicas=2 it acknowledges nothing, until it reaches them again."""
    leader = await cluster.leader_of("t", 0)
    for follower in await cluster.followers_of("t", 0):
        cluster.partition(leader, follower)
    await trio.sleep(CUT_S)
    cluster.heal()


async def cut_the_leader_from_the_controller(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    leader = await cluster.leader_of("t", 0)
    cluster.partition(leader, "controller")
    await until_led_by_another(cluster, leader)
    await go_on()
    cluster.heal()


async def cut_the_leader_from_both(cluster: Cluster, go_on: Callable[[], Awaitable[None]]) -> None:
    cluster.isolate(await cluster.leader_of("t", 0))
    await go_on()
    cluster.heal()


CUT_S = 1.0
FAULTS: list[Hurt] = [
    kill_the_leader,
    pause_the_leader,
    pause_a_follower,
    stop_the_leader,
    kill_the_controller,
    pause_the_controller,
    kill_everything,
    kill_the_leader_five_times,
    restart_one_after_the_other,
    wipe_a_follower,
    cut_the_leader_from_its_followers,
    cut_the_leader_from_the_controller,
    cut_the_leader_from_both,
]


async def until_led_by_another(cluster: Cluster, leader: Node) -> None:
    with trio.fail_after(30):
        while await cluster.leader_of("t", 0) is leader:  # noqa: ASYNC110 (the metadata tells nobody)
            await trio.sleep(0.02)


@pytest.mark.parametrize(
    ("writer_of", "reader_of"),
    [
        pytest.param(AioKafkaWriter, AioKafkaReader, id="aiokafka"),
        pytest.param(KafkaPythonWriter, KafkaPythonReader, id="kafka-python"),
    ],
)
async def test_what_another_client_was_told_is_true_after_every_fault(
    writer_of: type[Writer], reader_of: type[GroupReader], cluster: Cluster
) -> None:
    where = cluster.bootstrap, "t"
    with writing(*where, by=writer_of) as writer, reading(*where, "g", by=reader_of) as reader:

        async def go_on() -> None:
            await trio.to_thread.run_sync(writer.wait_for_acknowledgements)

        for fault in FAULTS:
            await fault(cluster, go_on)
            await cluster.wait_in_sync("t")
            await go_on()
        await trio.to_thread.run_sync(writer.stop)
        await trio.to_thread.run_sync(check, writer, *where)
        await trio.to_thread.run_sync(reader.wait_for, max(writer.acknowledged.values()))
        await trio.to_thread.run_sync(reader.stop)
        await trio.to_thread.run_sync(check_reader, reader, writer, *where, "g")
