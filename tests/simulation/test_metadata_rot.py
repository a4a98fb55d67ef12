"""A controller's disk that has lost what was decided: the cluster may stand still for it, but nobody acts on less."""

from __future__ import annotations

import errno
import posixpath
from contextlib import suppress

import pytest
import trio
from sim_disk import SYNCS, Failure, SimMount
from test_known_losses import A, B, C, play, read, until, whole_again, write
from world import SimNode, World

from odradek import Admin
from odradek.errors import OdradekError
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.restore import Known, choose, remains_of
from odradek_broker.controller.restore import write as restored
from odradek_broker.log.checkpoints import encode_restored_meta
from odradek_broker.log.directory import CLEAN_SHUTDOWN, META_PROPERTIES, SEEN_METADATA

JOURNAL = "/data/__cluster_metadata-0"
NOTED_S = 1.5
"""After this a node has written down how far it knows the metadata."""


async def create(world: World, *names: str) -> None:
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        for name in names:
            await admin.create_topic(name, replicas=[[A, B, C]])


def flip_in_journal(node: SimNode, back: int) -> None:
    """A bit that is so many bytes before the end of its only segment."""
    path = posixpath.join(JOURNAL, f"{0:020}.log")
    size = node.disk.size(path)
    node.disk.flip(path, size - back, 3)


def forget_note(node: SimNode) -> None:
    node.disk.remove(posixpath.join("/data", SEEN_METADATA))


def strays(world: World) -> list[str]:
    return [name for node in world.brokers for name in node.disk.list("/data") if "stray" in name]


def topics(node: SimNode) -> set[str]:
    return set() if node.broker is None else set(node.broker.image.topics)


def is_ready(node: SimNode) -> bool:
    return node._server is not None and node._server.is_ready


async def restart_in_vain(world: World, node: SimNode) -> None:
    """Try for some time, as a supervisor does."""
    world.nursery.start_soon(node.start)
    await trio.sleep(5)


def test_a_controller_whose_journal_is_damaged_does_not_start_and_nothing_is_set_aside() -> None:
    async def scenario(world: World) -> None:
        await create(world, "u", "v")
        await write(world, "1", "2")
        world.controller.kill()
        path = posixpath.join(JOURNAL, f"{0:020}.log")
        flip_in_journal(world.controller, world.controller.disk.size(path) // 2)
        before = world.controller.disk.read_file(path)
        await restart_in_vain(world, world.controller)
        assert not is_ready(world.controller)
        assert world.controller.disk.read_file(path) == before
        b = world.brokers[B]
        b.kill()
        await restart_in_vain(world, b)
        assert topics(world.brokers[A]) == {"t", "u", "v"}
        assert strays(world) == []

    play(scenario)


def test_a_controller_that_has_noted_the_last_decision_does_not_start_without_it() -> None:
    async def scenario(world: World) -> None:
        await create(world, "u")
        await trio.sleep(NOTED_S)
        world.controller.kill()
        flip_in_journal(world.controller, 1)
        await restart_in_vain(world, world.controller)
        assert not is_ready(world.controller)

    play(scenario)


def test_a_controller_that_meets_a_broker_that_knows_more_ends_before_it_decides() -> None:
    """Its journal could as well have been torn: the last decision is gone, and nothing on its own disk shows it."""

    async def scenario(world: World) -> None:
        await create(world, "u")
        world.controller.kill()
        flip_in_journal(world.controller, 1)
        forget_note(world.controller)
        path = posixpath.join(JOURNAL, f"{0:020}.log")
        size = world.controller.disk.size(path)
        await restart_in_vain(world, world.controller)
        assert world.controller.disk.size(path) < size, "nothing was written in its place"
        for node in world.brokers:
            assert topics(node) == {"t", "u"}
            await node.stop()
        await trio.sleep(1)
        for node in world.brokers:
            world.nursery.start_soon(node.start)
        await trio.sleep(10)
        assert strays(world) == [], "they have noted what they had acted upon"

    play(scenario, watched=False)


@pytest.mark.parametrize("back", [1, 400])
def test_a_journal_that_was_made_anew_out_of_a_brokers_image_goes_on_where_the_cluster_was(back: int) -> None:
    """Also for a broker that is down meanwhile."""

    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await create(world, "u")
        await write(world, "1", "2")
        await trio.sleep(NOTED_S)
        world.controller.kill()
        assert a.broker is not None
        known = Known("a", a.broker.image, a.broker.controller.metadata_epoch)
        c.kill()
        flip_in_journal(world.controller, back)
        mount = SimMount(world.controller.disk)
        remains = remains_of(mount, JOURNAL, known.image.cluster_id)
        newest = choose([known], remains, known.image.cluster_id)
        assert newest.image == known.image
        restored(mount, JOURNAL, newest, remains, 0)
        await world.controller.start()
        await whole_again(world)
        await write(world, "3")
        await create(world, "v")
        assert await read(world) == ["1", "2", "3"]
        await b.stop()
        await b.start()
        await until(lambda: all(topics(node) == {"t", "u", "v"} for node in world.brokers), "all follow")
        assert strays(world) == []

    play(scenario)


@pytest.mark.slow
def test_a_controller_that_comes_back_without_its_disk_ends_no_broker_and_is_made_anew_out_of_what_they_know() -> None:
    """It has begun another cluster, and nobody else remembers this one."""

    async def scenario(world: World) -> None:
        a = world.brokers[A]
        await write(world, "1", "2")
        world.controller.kill()
        world.controller.disk.wipe()
        await world.controller.start()
        await trio.sleep(30)
        assert all(node.is_up for node in world.brokers)
        assert a.broker is not None and not a.broker.controller.has_lease, "others may lead by now"
        assert strays(world) == []
        world.controller.kill()
        world.controller.disk.wipe()
        known = Known("a", a.broker.image, a.broker.controller.metadata_epoch)
        mount = SimMount(world.controller.disk)
        mount.make_dirs("/data")
        mount.replace_file(f"/data/{META_PROPERTIES}", encode_restored_meta(known.image.cluster_id))
        remains = remains_of(mount, JOURNAL, known.image.cluster_id)
        restored(mount, JOURNAL, choose([known], remains, known.image.cluster_id), remains, 0)
        await world.controller.start()
        await whole_again(world)
        await write(world, "3")
        await create(world, "v")
        assert await read(world) == ["1", "2", "3"]

    play(scenario, watched=False)


def test_a_controller_that_is_started_on_an_old_copy_of_its_directory_ends_and_no_broker_does() -> None:
    """It does not know who they are by now. They know more than it does, and are the last that do."""

    async def scenario(world: World) -> None:
        old = world.controller.disk.copy()
        for node in world.brokers:
            await node.stop()
            await node.start()
        await whole_again(world)
        await write(world, "1")
        await world.controller.stop()
        world.controller.disk = old
        await restart_in_vain(world, world.controller)
        assert all(node.is_up for node in world.brokers)
        assert strays(world) == []

    play(scenario, watched=False)


def test_a_torn_last_decision_that_nobody_was_told_of_costs_nothing() -> None:
    async def scenario(world: World) -> None:
        await create(world, "u")
        await write(world, "1")
        world.controller.kill()
        disk = world.controller.disk
        file = disk.open(posixpath.join(JOURNAL, f"{0:020}.log"))
        file.append(bytes(200))
        file.sync()
        await world.controller.start()
        assert isinstance(journal := world.controller.active_controller._decider.journal, FileJournal)  # type: ignore[union-attr]
        assert journal.torn is not None
        await create(world, "v")
        await whole_again(world)
        assert await read(world) == ["1"]

    play(scenario)


def test_a_controller_that_could_not_sync_is_not_taken_for_one_that_has_stopped_cleanly() -> None:
    """Its journal may end torn, which after a clean stop would be damage."""

    async def scenario(world: World) -> None:
        disk = world.controller.disk
        failure = disk.fail(Failure(errno.EIO, SYNCS, under=JOURNAL, times=1))
        async with Admin(world.bootstrap, surroundings=world.client(), request_timeout_ms=2_000) as admin:
            with trio.move_on_after(3), suppress(OdradekError):
                await admin.create_topic("u", replicas=[[A, B, C]])
        await until(lambda: not world.controller.is_up, "the controller has ended")
        assert failure.met == 1, "the rest of the disk is fine"
        assert CLEAN_SHUTDOWN not in disk.list("/data")
        disk.drop_caches()
        await world.controller.start()
        await create(world, "v")

    play(scenario)
