"""A leader that is cut off, slowed down, or has no room left: nothing acknowledged is lost, doubled or moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import trio

from odradek import Admin, Consumer, OdradekError, Producer
from odradek.testing import Cluster, Node
from tests.cluster.load import Writer, check, writing

pytestmark = pytest.mark.slow


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(brokers=3, network_faults=True) as running:
        async with Admin(running.bootstrap) as admin:
            await admin.create_topic("t", 1, 3)
        yield running


async def in_thread(work: Callable[[], None]) -> None:
    await trio.to_thread.run_sync(work)


async def whole_again(cluster: Cluster, writer: Writer) -> None:
    cluster.heal()
    await cluster.start()
    await cluster.wait_in_sync("t")
    await in_thread(writer.wait_for_acknowledgements)
    await in_thread(writer.stop)
    await in_thread(lambda: check(writer, cluster.bootstrap, "t"))


async def until_led_by_another(cluster: Cluster, leader: Node) -> None:
    with trio.fail_after(30):
        while await cluster.leader_of("t", 0) is leader:  # noqa: ASYNC110 (the metadata tells nobody)
            await trio.sleep(0.02)


async def test_a_leader_cut_off_from_its_followers_acknowledges_nothing_and_goes_on_when_it_reaches_them(
    cluster: Cluster,
) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        leader = await cluster.leader_of("t", 0)
        for follower in await cluster.followers_of("t", 0):
            cluster.partition(leader, follower)
        await trio.sleep(0.5)
        before = len(writer.acknowledged)
        await trio.sleep(0.5)
        assert len(writer.acknowledged) == before
        await whole_again(cluster, writer)


async def test_a_leader_cut_off_from_the_controller_is_replaced(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        leader = await cluster.leader_of("t", 0)
        cluster.partition(leader, "controller")
        await until_led_by_another(cluster, leader)
        await in_thread(writer.wait_for_acknowledgements)
        await whole_again(cluster, writer)


async def test_clients_of_an_isolated_leader_find_the_one_that_is_elected_in_its_place(cluster: Cluster) -> None:
    """It answers them all the time, and it is the only broker that the writer is connected to."""
    with writing(cluster.bootstrap, "t") as writer:
        leader = await cluster.leader_of("t", 0)
        cluster.isolate(leader)
        await in_thread(writer.wait_for_acknowledgements)
        await whole_again(cluster, writer)


async def test_a_slow_network_between_brokers_only_takes_time(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        leader = await cluster.leader_of("t", 0)
        for follower in await cluster.followers_of("t", 0):
            cluster.slow(leader, follower, latency_s=0.1, bytes_per_s=375_000)
        await in_thread(writer.wait_for_acknowledgements)
        await whole_again(cluster, writer)


async def test_a_leader_whose_disk_is_full_ends_and_others_go_on(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        leader = await cluster.leader_of("t", 0)
        leader.fill_disk()
        with trio.fail_after(30):
            while await cluster.leader_of("t", 0) is leader:  # noqa: ASYNC110 (the controller tells nobody)
                await trio.sleep(0.02)
        await in_thread(writer.wait_for_acknowledgements)
        await whole_again(cluster, writer)


async def test_a_full_leader_goes_on_answering_readers_where_nobody_else_has_all(
    cluster: Cluster,
) -> None:
    leader = await cluster.leader_of("t", 0)
    async with Producer(leader.address) as producer:
        await producer.send_and_wait("t", b"kept")
    for follower in await cluster.followers_of("t", 0):
        follower.kill()
    leader.fill_disk()
    refused = 0
    async with Producer(leader.address, acks=1, request_timeout_ms=400, delivery_timeout_ms=500) as producer:
        until = trio.current_time() + 5.0
        while trio.current_time() < until:
            with pytest.raises(OdradekError):
                await producer.send_and_wait("t", bytes(10_000))
            refused += 1
    assert refused > 5
    assert leader.pid is not None
    async with Consumer(leader.address, "t") as consumer:
        with trio.fail_after(10):
            assert (await anext(consumer)).value == b"kept"


async def test_a_follower_whose_disk_is_full_is_left_out_until_there_is_room(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        (follower, _) = await cluster.followers_of("t", 0)
        follower.fill_disk()
        await in_thread(writer.wait_for_acknowledgements)
        follower.free_disk()
        await whole_again(cluster, writer)


async def test_a_network_that_is_not_to_fail_cannot_be_cut() -> None:
    with pytest.raises(RuntimeError, match="network_faults"):
        Cluster(brokers=1).partition("broker-0", "client")
