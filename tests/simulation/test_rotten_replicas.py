"""The rot of random runs: a bit of one replica's log turns over, and the next start sees it."""

from __future__ import annotations

from random import Random

import bit_rot
import pytest
import trio
from test_known_losses import in_sync, play, read, until, write
from world import World

AFTER_A_CHECKPOINT_S = 1.5
VALUES = [str(number) for number in range(20)]


@pytest.mark.parametrize("seed", range(12))
def test_wherever_a_bit_turns_over_the_replica_is_mended_and_nothing_is_lost(seed: int) -> None:
    async def scenario(world: World) -> None:
        await write(world, *VALUES)
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        for node in world.brokers:
            node.kill(power=True)
        decided = world.invariants.decided
        key, rotten = (decided.topics["t"].topic_id, 0), Random(seed).randrange(3)
        random = Random(seed)
        while not bit_rot.damage(world.brokers[rotten].disk, random, key, "t", compacts=False):
            pass
        world.invariants.damaged(rotten, key)
        await world.brokers[rotten].start()
        await trio.sleep(2)
        assert world.leader("t") is not world.brokers[rotten], "it is not to lead while another can"
        await world.start()
        await until(lambda: in_sync(world) == {0, 1, 2}, "all are in sync again")
        assert await read(world) == VALUES

    play(scenario)


def test_what_was_not_known_to_be_on_stable_storage_does_not_rot() -> None:
    async def scenario(world: World) -> None:
        await write(world, *VALUES)
        node = world.brokers[0]
        node.kill(power=True)
        key = (world.invariants.decided.topics["t"].topic_id, 0)
        assert not bit_rot.damage(node.disk, Random(1), key, "t", compacts=False)

    play(scenario)
