"""What a controller whose disk, clock or network is bad may not do to the cluster: whole brokers in virtual time."""

from __future__ import annotations

import trio
from test_known_losses import A, B, C, in_sync, play, read, until, whole_again, write
from world import World

from odradek import Admin
from odradek.errors import OdradekError


async def try_to_create(world: World, name: str) -> bool:
    """Whether it was acknowledged."""
    async with Admin(world.bootstrap, surroundings=world.client(), request_timeout_ms=2_000) as admin:
        with trio.move_on_after(3):
            try:
                await admin.create_topic(name, replicas=[[A, B, C]])
            except OdradekError:
                return False
            return True
    return False


def test_a_controller_whose_journal_is_over_ends_and_the_next_one_elects() -> None:
    """One failed sync: it must not go on as one that answers heartbeats and decides nothing."""

    async def scenario(world: World) -> None:
        await write(world, "1")
        world.controller.disk.syncs_fail = True
        assert not await try_to_create(world, "another")
        await until(lambda: not world.controller.is_up, "the controller has ended")
        world.controller.disk.syncs_fail = False
        await world.controller.start()
        leader = world.leader("t")
        assert leader is not None
        leader.kill()
        await until(lambda: world.leader("t") not in (None, leader), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_a_controller_whose_disk_is_full_fences_the_dead_as_soon_as_there_is_room() -> None:
    """Until then nobody else leads, and whoever lives may go on with what it has."""

    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, "1")
        world.controller.disk.is_full = True
        a.kill()
        assert not await try_to_create(world, "another")
        await trio.sleep(20)
        assert world.controller.is_up
        assert world.leader("t") is a, "nothing can be decided"
        world.controller.disk.is_full = False
        await until(lambda: world.leader("t") not in (None, a), "another leads")
        await write(world, "2")
        await whole_again(world)
        assert in_sync(world) == {A, B, C}
        assert await read(world) == ["1", "2"]

    play(scenario)
