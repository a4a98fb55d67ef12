"""How Kafka has lost records in the past, each as it was told in the improvement proposal that ended it.

Every scenario is played by whole brokers in virtual time. Throughout, the invariants of invariants.py hold, but for
those in which a setting gives records up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from world import SimNode, World

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek.errors import OdradekError, OffsetOutOfRange
from odradek.network import Surroundings
from odradek_broker.partitions.partition import Partition

Scenario = Callable[[World], Awaitable[None]]
PATIENCE_S = 60.0


class Reachable(Protocol):
    """What a client is to know of a cluster."""

    @property
    def bootstrap(self) -> str: ...

    def client(self) -> Surroundings: ...


A, B, C = 0, 1, 2


def play(
    scenario: Scenario, *, watched: bool = True, arrange: Callable[[World], None] = lambda _: None, **settings: Any
) -> None:
    """`arrange` is called before anything is started."""

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed=1, watched=watched, **settings)
            arrange(world)
            await world.start()
            async with Admin(world.bootstrap, surroundings=world.client()) as admin:
                await admin.create_topic("t", replicas=[[A, B, C]])
            await scenario(world)
            assert world.violation is None, world.violation
            nursery.cancel_scope.cancel()
        assert world.violation is None, world.violation

    run_in_virtual_time(1, run)


async def until(condition: Callable[[], bool], what: str) -> None:
    with trio.move_on_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (virtual time; nobody tells)
            await trio.sleep(0.001)
    assert condition(), what


async def write(world: Reachable, *values: str, acks: Literal["all", 0, 1] = "all") -> list[int]:
    """Their offsets, when all are acknowledged."""
    async with Producer(world.bootstrap, acks=acks, surroundings=world.client(), request_timeout_ms=2_000) as producer:
        return [(await (await producer.send("t", value.encode(), partition=0))).offset for value in values]


async def read(world: Reachable) -> list[str]:
    """Everything that is committed."""
    async with Consumer(world.bootstrap, start="earliest", surroundings=world.client()) as consumer:
        await consumer.assign([TopicPartition("t", 0)])
        end = (await consumer.end_offsets(TopicPartition("t", 0)))[TopicPartition("t", 0)]
        found: list[str] = []
        while (consumer.position(TopicPartition("t", 0)) or 0) < end:
            found += [(record.value or b"").decode() for record in await consumer.poll(timeout_s=1)]
        return found


def partition(node: SimNode) -> Partition:
    assert node.broker is not None
    return node.broker.partitions["t", 0]


def log_of(node: SimNode) -> bytes:
    log = partition(node).log
    found = log.read(0, 1 << 30)
    return b"" if found is None else found.read()


def in_sync(world: World) -> set[int]:
    decided = world.decided("t")
    return set() if decided is None else set(decided.isr)


async def whole_again(world: World) -> None:
    """All nodes up, all replicas in sync, all logs the same."""
    world.network.heal()
    await world.start()
    await until(lambda: in_sync(world) == {A, B, C}, "all are in sync")
    ends = {partition(node).log.log_end_offset for node in world.brokers}
    await until(lambda: len({log_of(node) for node in world.brokers}) == 1, f"all logs are the same: {ends}")


def cut_followers(world: World, node: SimNode) -> None:
    for other in world.brokers:
        if other is not node:
            world.network.cut(node.name, other.name)


def heal_without(world: World, node: SimNode) -> None:
    """What a dead process had on its way is lost with its connections."""
    for other in world.brokers:
        world.network.reset(node.name, other.name)
    world.network.heal()


def test_kip_101_a_follower_that_restarts_and_is_elected_at_once_has_what_was_acknowledged() -> None:
    """It used to cut its log at its high watermark, which is always a little behind the leader's."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await write(world, "1", "2", "3")
        assert partition(b).high_watermark < 3 or partition(c).high_watermark < 3, "the followers do not know it yet"
        for follower in (b, c):
            follower.kill(power=True)
            await follower.start()
        a.kill(power=True)
        await until(lambda: world.leader("t") in (b, c), "another leads")
        assert await read(world) == ["1", "2", "3"]
        await whole_again(world)

    play(scenario)


def test_kip_101_what_two_leaders_put_at_one_offset_ends_as_one() -> None:
    """A has a record that nobody else has, and dies; B puts another at its offset; A comes back."""

    async def scenario(world: World) -> None:
        a, _, _ = world.brokers
        await write(world, "1")
        cut_followers(world, a)
        assert await write(world, "only A has it", acks=1) == [1]
        a.kill()
        heal_without(world, a)
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        assert await write(world, "2") == [1]
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_kip_279_a_follower_whose_epoch_the_leader_has_never_heard_of_is_cut_back_to_what_both_have() -> None:
    """Two elections one after the other; B has led in an epoch in which only it has written."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await write(world, "1")
        cut_followers(world, a)
        await write(world, "only A has it", acks=1)
        a.kill()
        heal_without(world, a)
        await until(lambda: world.leader("t") is b, "B leads")
        cut_followers(world, b)
        await write(world, "only B has it", "nor this", acks=1)
        b.kill()
        heal_without(world, b)
        await until(lambda: world.leader("t") is c, "C leads")
        await b.start()
        await write(world, "2", "3")
        await whole_again(world)
        assert await read(world) == ["1", "2", "3"]

    play(scenario, min_insync_replicas="1")


def test_kip_320_a_consumer_past_an_unclean_cut_is_told() -> None:
    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await write(world, "1")
        b.kill()
        c.kill()
        await until(lambda: in_sync(world) == {A}, "A is alone")
        await write(world, "only A has it", "nor this")
        place = TopicPartition("t", 0)
        async with Consumer(world.bootstrap, start="none", surroundings=world.client()) as consumer:
            await consumer.assign([place])
            consumer.seek(place, 0)
            found: list[str] = []
            while len(found) < 3:
                found += [(record.value or b"").decode() for record in await consumer.poll(timeout_s=1)]
            a.kill()
            await b.start()
            await until(lambda: world.leader("t") is b, "B leads, at any price")
            await write(world, "2", "3", "4")
            with pytest.raises(OffsetOutOfRange):
                while True:
                    await consumer.poll(timeout_s=1)
        await whole_again(world)
        assert await read(world) == ["1", "2", "3", "4"]

    play(scenario, watched=False, min_insync_replicas="1", unclean_leader_election_enable="true")


@pytest.mark.slow
def test_kip_380_what_a_broker_said_in_an_earlier_life_does_not_count_for_this_one() -> None:
    """Its heartbeats and proposals are still on their way when it has died and come back."""

    async def scenario(world: World) -> None:
        a = world.brokers[A]
        world.network.slow(a.name, world.controller.name, 3.0)
        await trio.sleep(1)  # some heartbeats are on their way now
        epoch = a.broker.controller.broker_epoch if a.broker else -1
        a.kill()
        await a.start()
        assert a.broker is not None
        assert a.broker.controller.broker_epoch > epoch
        await write(world, "1")
        await whole_again(world)
        assert await read(world) == ["1"]

    play(scenario)


def test_kip_497_a_leader_that_was_deposed_changes_nothing_about_who_is_in_sync() -> None:
    """Cut off from everybody it takes all others to be behind, and says so when it is heard again."""

    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, "1")
        cut_followers(world, a)
        world.network.cut(a.name, world.controller.name)
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        await trio.sleep(8)  # longer than replica.lag.time.max.ms
        await write(world, "2")
        before = in_sync(world)
        world.network.heal()
        await write(world, "3")
        assert before <= in_sync(world), "nobody was put out by A"
        await whole_again(world)
        assert await read(world) == ["1", "2", "3"]

    play(scenario)


@pytest.mark.parametrize("wiped", [False, True])
def test_kip_841_and_903_who_has_died_since_does_not_come_back_in_sync_by_a_proposal_on_its_way(wiped: bool) -> None:
    async def scenario(world: World) -> None:
        a, b, _ = world.brokers
        b.kill()
        await until(lambda: B not in in_sync(world), "B is out")
        await write(world, "1", "2", "3")
        world.network.slow(a.name, world.controller.name, 2.0)
        await b.start()
        await until(lambda: partition(a).leadership is not None and partition(a).leadership.is_proposing, "A proposes")  # type: ignore[union-attr]
        b.kill()
        if wiped:
            b.wipe()
        await trio.sleep(4)
        decided = world.decided("t")
        assert decided is not None
        assert B not in decided.isr
        await whole_again(world)
        assert await read(world) == ["1", "2", "3"]

    play(scenario, broker_session_timeout_ms="9000", broker_lease_ms="9000", broker_heartbeat_interval_ms="500")


def test_kip_966_the_last_in_sync_replica_that_has_lost_its_page_cache_does_not_take_the_others_down_with_it() -> None:
    """Without syncs: A is the last one, loses power, and comes back with less than B and C have."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        acknowledged = [str(number) for number in range(20)]
        await write(world, *acknowledged)
        c.kill()
        await until(lambda: C not in in_sync(world), "C is out")
        b.kill()
        await until(lambda: B not in in_sync(world), "B is out")
        with trio.move_on_after(2):
            try:
                await write(world, "not enough replicas for it")
            except OdradekError:
                pass
        a.kill(power=True)
        a.disk.forget_unsynced("/data/t-0")
        await a.start()
        await trio.sleep(2)
        assert world.leader("t") is not a, "A has lost some, and knows that it may have"
        await b.start()
        await until(lambda: world.leader("t") is b, "B has all that was acknowledged")
        await whole_again(world)
        assert await read(world) == acknowledged

    play(scenario, watched=False, log_flush_policy="interval")


def test_without_syncs_a_power_cut_of_all_leaves_a_partition_that_is_led_again_when_all_are_back() -> None:
    """Each may have lost some; the one that led last is taken, as in Kafka, and nobody waits for an operator."""

    async def scenario(world: World) -> None:
        await write(world, "1", "2", "3")
        for node in world.brokers:
            node.kill(power=True)
            await until(lambda node=node: world.brokers.index(node) not in in_sync(world), "it is out")  # type: ignore[misc]
        for node in reversed(world.brokers):
            await node.start()
        await until(lambda: world.leader("t") is not None, "somebody leads")
        await whole_again(world)
        await write(world, "4")

    play(scenario, watched=False, log_flush_policy="interval")
