"""A disk goes bad, or a clock jumps, while the brokers run: it is said, and costs nobody a record that another has."""

from __future__ import annotations

import pytest
import trio
from msgspec import structs
from test_known_losses import A, B, C, in_sync, partition, play, read, until, write
from world import SimNode, World

from odradek import Admin, Consumer, TopicPartition
from odradek.errors import CorruptRecords
from odradek.protocol.records.batch import CRC_POSITION, LENGTH_COVERS_FROM, iter_headers
from odradek_broker.log.config import LogConfig
from odradek_broker.partitions import scrub

DAY_MS = 24 * 60 * 60 * 1000
VALUES = [str(number) * 2_000 for number in range(10)]
SEGMENT = "/data/t-0/00000000000000000000.log"
IN_THE_OFFSET = 2
IN_THE_LENGTH, IN_THE_CRC = LENGTH_COVERS_FROM - 4, CRC_POSITION


def with_small_segments(world: World, **changes: object) -> None:
    for node in world.brokers:
        log = partition(node).log
        config: LogConfig = structs.replace(log.config, segment_bytes=5_000, **changes)
        log.config = config


def damage(node: SimNode, byte: int) -> None:
    """One bit of the second batch of the first segment, of which nothing is kept in memory any more."""
    partition(node).log.flush()
    partition(node).log.release_files()
    (_, (position, _), *_) = iter_headers(node.disk.read_file(SEGMENT))
    node.disk.flip(SEGMENT, position + byte, 6)


def test_a_leader_that_meets_damage_lets_another_lead_and_fetches_the_log_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(world: World) -> None:
        with_small_segments(world)
        await write(world, *VALUES)
        leader = world.leader("t")
        assert leader is not None and log_segments(leader) > 3
        damage(leader, IN_THE_LENGTH)
        assert await read(world) == VALUES
        assert world.leader("t") is not leader
        await until(lambda: in_sync(world) == {A, B, C} and are_alike(world), "it is mended")

    play(scenario, watched=False)
    (line,) = [each for each in caplog.messages if "is damaged" in each]
    assert SEGMENT in line and "offset 1" in line and "Another replica has it" in line


def test_compaction_gives_what_is_damaged_no_new_checksum_and_the_replica_is_mended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(world: World) -> None:
        compacts = {"cleanup_policy": frozenset({"compact"}), "min_cleanable_dirty_ratio": 0.0}
        with_small_segments(world)
        await write(world, *VALUES)
        follower = next(node for node in world.brokers if node is not world.leader("t"))
        damage(follower, IN_THE_CRC)
        log = partition(follower).log
        log.config = structs.replace(log.config, **compacts)
        await until(lambda: any("is damaged" in each for each in caplog.messages), "it is said")
        await until(lambda: in_sync(world) == {A, B, C} and are_alike(world), "it is mended")

    play(scenario, watched=False)


def test_damage_that_nobody_makes_good_is_said_once_and_everything_else_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(world: World) -> None:
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_topic("t")
            await admin.create_topic("t", replicas=[[C]])
        await until(lambda: world.leader("t") is world.brokers[C], "it leads")
        node = world.brokers[C]
        log = partition(node).log
        log.config = structs.replace(log.config, segment_bytes=5_000)
        await write(world, *VALUES)
        damage(node, IN_THE_LENGTH)
        behind = next(each.base_offset for each in log.segments if each.base_offset)
        assert await write(world, "more") == [len(VALUES)]
        async with Consumer(world.bootstrap, start="earliest", surroundings=world.client()) as consumer:
            await consumer.assign([TopicPartition("t", 0)])
            assert [record.offset for record in await consumer.poll(timeout_s=1)] == [0]
            with pytest.raises(CorruptRecords, match="its log is damaged there"):
                await consumer.poll(timeout_s=1)
            consumer.seek(TopicPartition("t", 0), behind)
            found = [record.offset for _ in range(10) for record in await consumer.poll(timeout_s=1)]
            assert found == list(range(behind, len(VALUES) + 1)), "one can seek past it"
        assert log.failed is None

    play(scenario, watched=False, min_insync_replicas="1")
    (line,) = [each for each in caplog.messages if "is damaged" in each]
    assert SEGMENT in line and "No other broker has it" in line


def test_a_batch_that_names_another_offset_is_given_to_nobody_once_it_is_known(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its checksum is right: a consumer would believe it, and go on from there."""

    async def scenario(world: World) -> None:
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_topic("t")
            await admin.create_topic("t", replicas=[[C]])
        await until(lambda: world.leader("t") is world.brokers[C], "it leads")
        await write(world, *VALUES)
        damage(world.brokers[C], IN_THE_OFFSET)
        await until(lambda: any("is damaged" in each for each in caplog.messages), "it is said")
        async with Consumer(world.bootstrap, start="earliest", surroundings=world.client()) as consumer:
            await consumer.assign([TopicPartition("t", 0)])
            assert [record.offset for record in await consumer.poll(timeout_s=1)] == [0]
            with pytest.raises(CorruptRecords):
                await consumer.poll(timeout_s=1)
            assert consumer.position(TopicPartition("t", 0)) == 1

    for name, seconds in (("FIRST_SECONDS", 2.0), ("SECONDS_A_PIECE", 0.1), ("PAUSE_SECONDS", 1.0)):
        monkeypatch.setattr(scrub, name, seconds)
    play(scenario, watched=False, min_insync_replicas="1")


@pytest.mark.parametrize("is_sealed", [True, False])
def test_damage_that_nobody_has_asked_for_is_met_by_reading_through_all_there_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, is_sealed: bool
) -> None:
    async def scenario(world: World) -> None:
        if is_sealed:
            with_small_segments(world)
        await write(world, *VALUES)
        leader = world.leader("t")
        assert leader is not None
        damage(leader, IN_THE_CRC)
        await until(lambda: any("is damaged" in each for each in caplog.messages), "it is said")
        await until(lambda: in_sync(world) == {A, B, C} and are_alike(world), "it is mended")
        assert world.leader("t") is not leader

    for name, seconds in (("FIRST_SECONDS", 2.0), ("SECONDS_A_PIECE", 0.1), ("PAUSE_SECONDS", 1.0)):
        monkeypatch.setattr(scrub, name, seconds)
    play(scenario, watched=False)
    (line,) = [each for each in caplog.messages if "is damaged" in each]
    assert SEGMENT in line and "offset 1: a batch does not match its checksum" in line


def are_alike(world: World) -> bool:
    opened = all(node.broker is not None and ("t", 0) in node.broker.partitions for node in world.brokers)
    return opened and len({content(node) for node in world.brokers}) == 1


def content(node: SimNode) -> bytes:
    """All batches, whatever the segments."""
    log = partition(node).log
    offset, found = log.log_start_offset, b""
    while (records := log.read(offset, 1 << 30)) is not None:
        found += records.read()
        *_, (_, last) = iter_headers(found)
        offset = last.next_offset
    return found


def log_segments(node: SimNode) -> int:
    return sum(1 for _ in partition(node).log.segments)


def test_a_clock_that_jumps_makes_no_record_old(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        with_small_segments(world, retention_ms=DAY_MS)
        await write(world, *VALUES)
        for node in world.brokers:
            node.clock.jump(2 * DAY_MS)
        await trio.sleep(10)
        assert await read(world) == VALUES

    play(scenario, watched=False, log_retention_check_interval_ms="2000")
    assert sum("the clock has jumped 172800 s ahead" in line for line in caplog.messages) == 3, "once, each broker"
