"""Elections and reassignments, as our own admin client asks for them."""

from __future__ import annotations

import pytest
from test_known_losses import in_sync, partition, play, read, until, write
from world import World

from odradek import Admin, Producer, TopicPartition
from odradek.errors import BrokerError
from odradek.protocol.errors import ErrorCode

PLACE = TopicPartition("t", 0)


def test_the_first_replica_leads_again_when_it_is_told_to() -> None:
    async def scenario(world: World) -> None:
        a = world.brokers[0]
        await a.stop()
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        await a.start()
        await until(lambda: in_sync(world) == {0, 1, 2}, "all are in sync")
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            assert await admin.elect_leaders([PLACE]) == [PLACE]
            assert world.leader("t") is a
            assert await admin.elect_leaders([PLACE]) == [], "it leads already"
            assert await admin.elect_leaders() == []

    play(scenario)


def test_a_first_replica_that_is_down_cannot_be_elected() -> None:
    async def scenario(world: World) -> None:
        world.brokers[0].kill()
        await until(lambda: in_sync(world) == {1, 2}, "it is out")
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            with pytest.raises(BrokerError) as refused:
                await admin.elect_leaders([PLACE])
        assert refused.value.code is ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE

    play(scenario)


def test_a_partition_moves_with_its_records_and_a_move_can_be_called_off() -> None:
    async def scenario(world: World) -> None:
        await write(world, "1", "2")
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.reassign({PLACE: [2, 1]})
            await until(lambda: set(world.decided("t").replicas) == {1, 2}, "it has moved")  # type: ignore[union-attr]
            assert await admin.reassignments() == {}
            world.brokers[0].kill()
            await admin.reassign({PLACE: [0, 1, 2]})
            (moving,) = (await admin.reassignments()).items()
            assert moving[0] == PLACE
            assert moving[1].adding == (0,)
            await admin.reassign({PLACE: None})
            assert await admin.reassignments() == {}
            with pytest.raises(BrokerError) as refused:
                await admin.reassign({PLACE: None})
            assert refused.value.code is ErrorCode.NO_REASSIGNMENT_IN_PROGRESS
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_a_replica_that_begins_in_the_midst_of_a_batch_takes_it_whole_and_shows_what_is_left() -> None:
    """Records were deleted up to there, and what a leader hands out are batches."""

    async def scenario(world: World) -> None:
        async with Producer(world.bootstrap, linger_ms=100, surroundings=world.client()) as producer:
            for value in "12345":
                await producer.send("t", value.encode(), partition=0)
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_records({PLACE: 3})
        new = next(node for node in world.brokers if node is not world.leader("t"))
        new.kill()
        new.wipe()
        await new.start()
        await until(lambda: in_sync(world) == {0, 1, 2}, "it has come into sync")
        log = partition(new).log
        assert (log.log_start_offset, log.segments.first.base_offset, log.log_end_offset) == (3, 0, 5)
        for node in world.brokers:
            node.kill(power=True)
        await world.start()
        await until(lambda: in_sync(world) == {0, 1, 2}, "all are in sync again")
        assert await read(world) == ["4", "5"]

    play(scenario)
