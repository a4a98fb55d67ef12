"""What a broker finds on its disk when it starts, and what becomes of that: whole brokers in virtual time."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from msgspec import structs
from sim_disk import SYNCS, Failure, SimDisk
from test_known_losses import A, B, C, in_sync, log_of, partition, play, read, until, whole_again, write
from world import PORT, SimNode, World

from odradek import Admin, TopicPartition
from odradek.network import Surroundings
from odradek.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.records.batch import iter_headers
from odradek_broker.controller.image import PartitionImage
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.log.directory import LogDirectory
from odradek_broker.log.offset_checkpoints import RECOVERY_POINTS

AFTER_A_CHECKPOINT_S = 1.5
MAGIC_POSITION = 16
LOG = "/data/t-0/00000000000000000000.log"


def flip_a_bit(disk: SimDisk, path: str) -> None:
    """In a batch in the midst of what had been synced: it is of no known format any more."""
    data = disk.read_file(path)
    batches = list(iter_headers(data))
    position = batches[len(batches) // 2][0] + MAGIC_POSITION
    file = disk.open(path)
    file.write_at(position, bytes([data[position] ^ 1]))
    file.sync()


def power_fails_everywhere(world: World) -> None:
    for node in world.brokers:
        node.kill(power=True)


def everybody_is_gone(world: World) -> Callable[[], bool]:
    def gone() -> bool:
        decided = world.decided("t")
        return decided is not None and decided.leader == -1

    return gone


def base_offsets(node: SimNode) -> list[int]:
    """Of all batches that it has."""
    log, found = partition(node).log, list[int]()
    while (piece := log.read(found[-1] + 1 if found else 0, 1 << 30)) is not None:
        found += [header.base_offset for _, header in iter_headers(piece.read())]
    return found


def strays(node: SimNode) -> list[str]:
    return [name for name in node.disk.list("/data") if name.endswith("-stray")]


def test_a_replica_whose_disk_has_rotten_is_not_elected_while_another_has_everything() -> None:
    async def scenario(world: World) -> None:
        values = [str(number) for number in range(20)]
        await write(world, *values)
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        power_fails_everywhere(world)
        await until(everybody_is_gone(world), "nobody leads")
        decided = world.decided("t")
        assert decided is not None and len(decided.elr) > 1
        rotten = world.brokers[decided.elr[0]]
        flip_a_bit(rotten.disk, LOG)
        await rotten.start()
        await trio.sleep(2)
        assert world.leader("t") is None, "it comes first, and is not the one to lead"
        await whole_again(world)
        assert await read(world) == values

    play(scenario, watched=False)


def test_a_replica_that_has_forgotten_whose_it_is_begins_anew_and_is_not_elected() -> None:
    """One bit of its topic's id has turned over: that may be another topic's log."""

    async def scenario(world: World) -> None:
        await write(world, "1", "2", "3")
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        power_fails_everywhere(world)
        await until(everybody_is_gone(world), "nobody leads")
        decided = world.decided("t")
        assert decided is not None and len(decided.elr) > 1
        rotten = world.brokers[decided.elr[0]]
        path = "/data/t-0/partition.metadata"
        data = rotten.disk.read_file(path)
        first = data.index(b"topic_id: ") + len(b"topic_id: ")
        rotten.disk.replace_file(path, data[:first] + (b"b" if data[first] == ord("a") else b"a") + data[first + 1 :])
        await rotten.start()
        await trio.sleep(2)
        assert world.leader("t") is None
        await whole_again(world)
        assert await read(world) == ["1", "2", "3"]
        assert len(strays(rotten)) == 1

    play(scenario, watched=False)


def test_a_replica_that_has_lost_a_segment_in_its_midst_fetches_it_again() -> None:
    """Its log ends where it should, so nothing but its own word would make it ask for what is missing."""

    async def scenario(world: World) -> None:
        values = [str(number) * 2_000 for number in range(8)]
        for node in world.brokers:
            log = partition(node).log
            log.config = structs.replace(log.config, segment_bytes=5_000)
        await write(world, *values)
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        holed = next(node for node in world.brokers if node is not world.leader("t"))
        holed.kill(power=True)
        segments = [name for name in holed.disk.list("/data/t-0") if name.endswith(".log")]
        assert len(segments) > 2
        holed.disk.remove(f"/data/t-0/{sorted(segments)[1]}")
        holed.disk.sync_dir("/data/t-0")
        await holed.start()
        await until(lambda: world.brokers.index(holed) in in_sync(world), "it is in sync again")
        assert base_offsets(holed) == list(range(len(values)))

    play(scenario, watched=False)


def test_a_replica_with_a_gap_that_has_led_since_gives_up_nothing_as_long_as_it_is_in_sync() -> None:
    """It led when nobody else could. What came after the gap is with all in sync, and it may be the next to lead."""

    async def scenario(world: World) -> None:
        holed, others = world.brokers[B], [world.brokers[A], world.brokers[C]]
        for node in world.brokers:
            log = partition(node).log
            log.config = structs.replace(log.config, segment_bytes=5_000)
        await write(world, *(str(number) * 2_000 for number in range(8)))
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        power_fails_everywhere(world)
        segments = sorted(name for name in holed.disk.list("/data/t-0") if name.endswith(".log"))
        holed.disk.remove(f"/data/t-0/{segments[1]}")
        holed.disk.sync_dir("/data/t-0")
        await until(everybody_is_gone(world), "nobody leads")
        await holed.start()
        await until(lambda: world.leader("t") is holed, "it leads with what it has")
        for node in others:
            await node.start()
        await until(lambda: in_sync(world) == {A, B, C}, "all are in sync")
        (offset,) = await write(world, "behind the gap")
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.elect_leaders([TopicPartition("t", 0)])
        assert world.leader("t") is world.brokers[A]
        for _ in range(3_000):
            assert B not in in_sync(world) or partition(holed).log.log_end_offset > offset
            await trio.sleep(0.001)
        assert B in in_sync(world)

    play(scenario, watched=False, unclean_leader_election_enable="true")


def test_a_replica_that_a_power_cut_has_left_without_its_first_segments_fetches_them_again() -> None:
    """Nobody had synced their names. What is left would pass for a log that begins later."""

    async def scenario(world: World) -> None:
        values = [str(number) * 2_000 for number in range(8)]
        for node in world.brokers:
            log = partition(node).log
            log.config = structs.replace(log.config, segment_bytes=5_000)
        await write(world, *values)
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        late = next(node for node in world.brokers if node is not world.leader("t"))
        for name in late.disk.list("/data/t-0"):
            late.disk.sync_file(f"/data/t-0/{name}")
        late.disk.sync_dir("/data/t-0")
        late.kill(power=True)
        segments = sorted(name for name in late.disk.list("/data/t-0") if name.endswith(".log"))
        assert len(segments) > 2
        late.disk.remove(f"/data/t-0/{segments[0]}")
        await late.start()
        await until(lambda: world.brokers.index(late) in in_sync(world), "it is in sync again")
        assert base_offsets(late) == list(range(len(values)))

    play(scenario, watched=False, log_flush_policy="interval")


def test_a_rotten_replica_that_is_the_only_one_leads_with_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_topic("t")
            await admin.create_topic("t", replicas=[[C]])
        values = [str(number) for number in range(20)]
        await write(world, *values)
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        node = world.brokers[C]
        node.kill(power=True)
        await until(everybody_is_gone(world), "nobody leads")
        flip_a_bit(node.disk, LOG)
        await node.start()
        await until(lambda: world.leader("t") is node, "it leads all the same")
        left = await read(world)
        assert 0 < len(left) < len(values) and left == values[: len(left)]
        await write(world, "more")
        assert await read(world) == [*left, "more"]

    play(scenario, watched=False, min_insync_replicas="1")
    assert sum("t-0 is damaged" in line and LOG in line for line in caplog.messages) == 1
    assert sum("we lead with what we have" in line for line in caplog.messages) == 1


def test_a_log_that_cannot_be_opened_is_tried_again_and_meanwhile_another_leads() -> None:
    async def scenario(world: World) -> None:
        first = world.brokers[C]
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_topic("t")
            first.disk.is_full = True
            await admin.create_topic("t", replicas=[[C, 0, 1]])
            await until(lambda: world.leader("t") not in (None, first), "another leads")
            await write(world, "1")
            first.disk.is_full = False
            await whole_again(world)
            assert await read(world) == ["1"]

    play(scenario)


def test_a_leader_that_is_alone_leads_once_it_can_open_its_log() -> None:
    async def scenario(world: World) -> None:
        node = world.brokers[C]
        node.disk.is_full = True
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_topic("t")
            await admin.create_topic("t", replicas=[[C]])
        await trio.sleep(5)
        node.disk.is_full = False
        await write(world, "1")
        assert await read(world) == ["1"]

    play(scenario, min_insync_replicas="1")


def test_a_replica_that_was_away_while_its_topic_was_made_again_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        await write(world, "of the old topic")
        away = world.brokers[C]
        await away.stop()
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_topic("t")
            await admin.create_topic("t", replicas=[[0, 1, C]])
        await write(world, "of the new one")
        await whole_again(world)
        assert await read(world) == ["of the new one"]
        assert len(strays(away)) == 1, "what it had is set aside"

    play(scenario)
    assert sum("1 directories in /data were set aside" in line for line in caplog.messages) == 1


def test_a_broker_that_hears_of_a_topics_end_and_new_beginning_at_once_begins_anew() -> None:
    async def scenario(world: World) -> None:
        await write(world, "of the old topic")
        hearing, deaf = world.brokers[0], world.brokers[C]
        world.network.cut(deaf.name, world.controller.name)
        assert hearing.broker is not None
        ask = hearing.broker.controller.ask
        await ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")]), DeleteTopicsResponse, 6)
        again = CreatableTopic(
            name="t", num_partitions=-1, replication_factor=-1, assignments=[CreatableReplicaAssignment(0, [0, 1, C])]
        )
        created = await ask(CreateTopicsRequest(topics=[again]), CreateTopicsResponse, 7)
        assert created.topics[0].error_code == 0, created
        assert base_offsets(deaf) == [0]
        world.network.heal()
        await until(lambda: not _has_forgotten(deaf) and base_offsets(deaf) == [], "it has begun anew")
        await whole_again(world)
        await write(world, "of the new one")
        assert await read(world) == ["of the new one"]

    play(scenario)


def test_a_topic_whose_directory_could_not_be_renamed_is_made_again_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "not now")

    async def scenario(world: World) -> None:
        await write(world, "of the old topic")
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            with monkeypatch.context() as patch:
                patch.setattr(SimDisk, "rename", refuse)
                await admin.delete_topic("t")
                await until(lambda: all(_has_forgotten(node) for node in world.brokers), "it is gone")
            await admin.create_topic("t", replicas=[[0, 1, C]])
        await write(world, "of the new one")
        assert in_sync(world) == {0, 1, C}
        assert await read(world) == ["of the new one"]
        assert all(len(strays(node)) == 1 for node in world.brokers)

    play(scenario)


def _has_forgotten(node: SimNode) -> bool:
    return node.broker is not None and ("t", 0) not in node.broker.partitions


def test_power_cuts_between_registration_and_its_note_cost_nobody_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1", "2", "3")
        power_fails_everywhere(world)
        await until(everybody_is_gone(world), "nobody leads")
        cuts = dict.fromkeys(range(len(world.brokers)), 2)
        remember = LogDirectory.remember_epoch

        def cut_or_remember(directory: LogDirectory, *arguments: object, **more: object) -> None:
            if cuts[directory.node_id]:
                cuts[directory.node_id] -= 1
                world.brokers[directory.node_id].kill(power=True)
                raise OSError(errno.EIO, "the power is off")
            remember(directory, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(LogDirectory, "remember_epoch", cut_or_remember)
        await world.start()
        assert not any(cuts.values())
        await whole_again(world)
        assert await read(world) == ["1", "2", "3"]

    play(scenario)


def test_a_log_that_awaits_its_taking_up_serves_nobody() -> None:
    """The broker of a damaged log is up, and the controller does not answer it."""

    async def scenario(world: World) -> None:
        await write(world, "1")
        node = world.leader("t")
        assert node is not None and node.broker is not None
        log = partition(node).log
        del node.broker.partitions["t", 0]
        logs = node.broker.replica_logs
        log.close(clean=False)
        topic_id = node.broker.image.topics["t"].topic_id
        node.broker.directory.checkpoints.write(RECOVERY_POINTS, lambda _: {(topic_id, 0): 1_000})
        world.network.cut(node.name, world.controller.name)
        assert logs.take(("t", 0), topic_id, node.broker.image) is None
        await trio.sleep(1)
        assert ("t", 0) not in node.broker.partitions
        world.network.heal()
        await until(lambda: node.broker is not None and ("t", 0) in node.broker.partitions, "the controller knows")
        await whole_again(world)
        assert await read(world) == ["1"]
        assert logs.waiting == frozenset()

    play(scenario, watched=False)


# A controller and its broker in one process: nobody else knows anything.


class Alone:
    """One node that is both."""

    def __init__(self, world: World, settings: dict[str, str]) -> None:
        self.world = world
        self.node = SimNode(world, "alone", {"node.id": "7", "offsets.topic.num.partitions": "1", **settings})
        self.bootstrap = f"alone:{PORT}"

    async def start(self) -> None:
        await self.node.start()

    @property
    def partition(self) -> PartitionImage:
        assert self.node.broker is not None
        found = self.node.broker.image.partition("t", 0)
        assert found is not None
        return found

    async def make_topic(self) -> None:
        async with Admin(self.bootstrap, surroundings=self.world.client()) as admin:
            await admin.create_topic("t")

    def client(self) -> Surroundings:
        return self.world.client()


def play_alone(scenario: Callable[[Alone], Awaitable[None]], **settings: str) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed=1, brokers=0, watched=False)
            alone = Alone(world, {name.replace("_", "."): value for name, value in settings.items()})
            await alone.start()
            await alone.make_topic()
            await scenario(alone)
            nursery.cancel_scope.cancel()

    run_in_virtual_time(1, run)


def test_a_broker_that_is_its_own_controller_hears_of_its_damage_before_it_leads(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(alone: Alone) -> None:
        values = [str(number) for number in range(20)]
        await write(alone, *values)
        await trio.sleep(AFTER_A_CHECKPOINT_S)
        epoch = alone.partition.leader_epoch
        alone.node.kill(power=True)
        flip_a_bit(alone.node.disk, LOG)
        await alone.start()
        assert alone.partition.leader == 7
        assert alone.partition.leader_epoch > epoch
        left = await read(alone)
        assert 0 < len(left) < len(values)
        assert left == values[: len(left)]

    play_alone(scenario)
    assert sum("we lead with what we have" in line for line in caplog.messages) == 1


def test_power_cuts_before_a_node_has_written_down_its_epoch_do_not_make_it_doubt_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(alone: Alone) -> None:
        await write(alone, "1", "2", "3")
        alone.node.kill(power=True)
        cuts = [None, None]
        remember = LogDirectory.remember_epoch

        def cut_or_remember(directory: LogDirectory, *arguments: object, **more: object) -> None:
            if cuts:
                cuts.pop()
                alone.node.kill(power=True)
                raise OSError(errno.EIO, "the power is off")
            remember(directory, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(LogDirectory, "remember_epoch", cut_or_remember)
        await alone.start()
        assert not cuts
        assert await read(alone) == ["1", "2", "3"]

    play_alone(scenario)
    assert not any("we lead with what we have" in line for line in caplog.messages)


def test_what_could_not_be_synced_before_the_registration_is_not_claimed_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was left to the page cache, and would go with the next power cut."""

    async def scenario(alone: Alone) -> None:
        await write(alone, "1")
        alone.node.kill()
        opened = LogDirectory.open_log

        def refuse(directory: LogDirectory, topic: str, *arguments: object, **more: object) -> object:
            if topic == "t":
                raise OSError(errno.EIO, "not now")
            return opened(directory, topic, *arguments, **more)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(LogDirectory, "open_log", refuse)
            await alone.start()
            assert alone.partition.leader_recovery_state == RECOVERING
        assert await read(alone) == ["1"]

    play_alone(scenario, log_flush_policy="interval")


def test_records_whose_topic_nobody_knows_any_more_are_never_another_topics() -> None:
    """Without syncs a power cut takes the file with the topic's id and leaves the segment; the topic is made anew."""

    async def scenario(world: World) -> None:
        await write(world, "of the old topic", "and this")
        away = world.brokers[2]
        away.kill()
        away.disk.remove("/data/t-0/partition.metadata")  # as a power cut may
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_topic("t")
            await admin.create_topic("t", replicas=[[0, 1, 2]])
        await write(world, "of the new one")
        await away.start()
        await whole_again(world)
        assert log_of(away) == log_of(world.brokers[0])
        assert len(strays(away)) == 1

    play(scenario, watched=False, log_flush_policy="interval")


def test_without_syncs_too_a_log_s_first_records_are_written_down_with_whose_they_are() -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        await until(
            lambda: all(partition(node).log.says_whose_it_is for node in world.brokers), "all know whose they are"
        )
        for node in world.brokers:
            node.kill(power=True)
        await world.start()
        await whole_again(world)
        assert await read(world) == ["1"]
        assert not any(strays(node) for node in world.brokers)

    play(scenario, watched=False, log_flush_policy="interval")


def test_what_a_failed_sync_may_have_lost_of_the_page_cache_is_not_claimed_at_the_next_start() -> None:
    """Only the process is started again, not the machine; but pages that were not synced are gone all the same."""

    async def scenario(world: World) -> None:
        a, b, rotten = world.brokers
        await write(world, "1")
        await until(lambda: all(partition(node).log.flushed_offset == 1 for node in world.brokers), "all have synced")
        await write(world, *map(str, range(2, 40)))
        for node in (a, b):
            node.kill()
        await until(lambda: world.leader("t") is rotten, "it is the last one to lead")
        failure = rotten.disk.fail(Failure(errno.EIO, SYNCS, times=1))
        partition(rotten)._flusher.flush_soon(partition(rotten))
        await until(lambda: bool(failure.met), "its sync has failed")
        rotten.kill()
        rotten.disk.drop_caches()
        await until(everybody_is_gone(world), "nobody leads")
        await rotten.start()
        await trio.sleep(2)
        assert world.leader("t") is None, "it waits for one who has everything"
        await world.start()
        await whole_again(world)
        assert await read(world) == [str(number) for number in range(1, 40)]

    play(scenario, watched=False, log_flush_policy="interval")
