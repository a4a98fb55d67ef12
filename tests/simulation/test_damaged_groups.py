"""A coordinator whose log has rotten while it was in use: whole brokers in virtual time."""

from __future__ import annotations

import pytest
import trio
from test_known_losses import play, until, write
from world import SimNode, World

from odradek import Consumer, TopicPartition
from odradek.protocol.records.batch import iter_headers

OFFSETS = "__consumer_offsets"
PLACE = TopicPartition("t", 0)
LOG = f"/data/{OFFSETS}-0/00000000000000000000.log"
LENGTH, MAGIC, COMMITTED_OFFSET = 8, 16, -16
"""Bytes of the batch of a commit: in the header, and in the value."""


def turn_a_bit(node: SimNode, byte: int) -> None:
    """Of the first batch, that is: of what group g has committed."""
    data = node.disk.read_file(LOG)
    _, header = next(iter_headers(data))
    at = byte % header.size_bytes
    node.disk.open(LOG).write_at(at, bytes([data[at] ^ 1]))


async def commit(world: World, group: str, offset: int) -> None:
    async with Consumer(world.bootstrap, group=group, commit="manual", surroundings=world.client()) as consumer:
        await consumer.assign([PLACE])
        await consumer.commit({PLACE: offset})


async def committed(world: World, group: str) -> int | None:
    with trio.fail_after(30):
        async with Consumer(world.bootstrap, group=group, commit="manual", surroundings=world.client()) as consumer:
            await consumer.assign([PLACE])
            return (await consumer.committed(PLACE)).get(PLACE)


@pytest.mark.parametrize("byte", [LENGTH, MAGIC, COMMITTED_OFFSET], ids=["a length", "a header", "an offset"])
def test_a_coordinator_whose_log_has_rotten_leaves_its_groups_to_one_who_has_everything(byte: int) -> None:
    async def scenario(world: World) -> None:
        await write(world, *map(str, range(10)))
        await commit(world, "g", 7)
        await commit(world, "h", 1)
        leader, decided = world.leader(OFFSETS), world.decided(OFFSETS)
        assert leader is not None
        assert decided is not None
        await until(lambda: set(world.decided(OFFSETS).isr) == {0, 1, 2}, "all are in sync")  # type: ignore[union-attr]
        rotten = world.brokers[next(each for each in decided.replicas if world.brokers[each] is not leader)]
        turn_a_bit(rotten, byte)
        await leader.stop()
        assert (await committed(world, "g"), await committed(world, "h")) == (7, 1)
        await leader.start()
        await until(lambda: set(world.decided(OFFSETS).isr) == {0, 1, 2}, "all are in sync again")  # type: ignore[union-attr]
        assert rotten.disk.read_file(LOG) == leader.disk.read_file(LOG)

    play(scenario, watched=False)


def test_a_coordinator_that_alone_has_its_log_passes_over_what_is_damaged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        await write(world, *map(str, range(10)))
        await commit(world, "g", 7)
        await commit(world, "h", 1)
        leader = world.leader(OFFSETS)
        assert leader is not None
        await leader.stop()
        turn_a_bit(leader, COMMITTED_OFFSET)
        await leader.start()
        assert (await committed(world, "g"), await committed(world, "h")) == (None, 1)

    play(scenario, watched=False, offsets_topic_replication_factor="1")
    assert sum("no other broker has it" in line for line in caplog.messages) == 1


@pytest.mark.parametrize("byte", [LENGTH, MAGIC], ids=["a length", "a header"])
def test_behind_what_cannot_even_be_passed_over_a_coordinator_that_is_alone_goes_on(
    byte: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As soon as an entry of the log's index leads on."""

    async def scenario(world: World) -> None:
        await write(world, *map(str, range(10)))
        await commit(world, "g", 7)
        for number in range(60):
            await commit(world, "between", number)
        await commit(world, "h", 1)
        leader = world.leader(OFFSETS)
        assert leader is not None
        await leader.stop()
        turn_a_bit(leader, byte)
        await leader.start()
        assert (await committed(world, "g"), await committed(world, "h")) == (None, 1)

    play(scenario, watched=False, offsets_topic_replication_factor="1")
    [line] = [each for each in caplog.messages if "cannot be read from offset" in each]
    assert "from offset 0 up to" in line
