"""A replica's log, killed or cut from power at any operation on its disk, again and again.

The log, its directory and the checkpoints are the broker's own. After each start:

    what had been claimed to be on stable storage is there, at its offsets, as it was
    what is there besides is whole, and was once written there
    all that is derived of it is what a reading of everything from the beginning derives
    nothing is called damage: no bit has rotted
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sim_disk import SYNCS, WRITES, Failure, SimDisk, SimMount

from odradek.protocol.records.batch import crc_is_valid, iter_headers, stamp
from odradek_broker.log import producer_snapshot
from odradek_broker.log.appendable import Appended
from odradek_broker.log.config import LogConfig
from odradek_broker.log.directory import LogDirectory
from odradek_broker.log.failures import LogFailed, TopicIdMismatch
from odradek_broker.log.log import Log
from odradek_broker.log.offset_checkpoints import HIGH_WATERMARKS, LOG_START_OFFSETS, NAMES
from odradek_broker.log.validation import Origin
from odradek_broker.partitions.checkpoints import Checkpoints, Cut
from tests.log.log_batches import TRANSACTIONAL, batch, marker, records

if TYPE_CHECKING:
    from odradek_broker.partitions.partition import Partition

TOPIC_ID = bytes(range(16))
CONFIG = LogConfig(segment_bytes=900, index_interval_bytes=150, retention_ms=-1, file_delete_delay_ms=0)
LIVES = 14


class CountingDisk(SimDisk):
    """Ends the process, or the power, before the operation that `left` counts down to."""

    left = 10**9
    loses_power = False

    def check(self, call: str, path: str) -> None:
        if not SimDisk.is_spared and call in WRITES | SYNCS:
            self.left -= 1
            if self.left == 0:
                self.end()
                raise OSError(errno.EIO, "the process has ended")
        super().check(call, path)

    def end(self) -> None:
        self.left = 10**9
        (self.lose_power if self.loses_power else self.die)()


class Workers:
    async def run(self, job: Callable[[], Any]) -> Any:
        return job()


def drive(work: Coroutine[Any, Any, None]) -> None:
    """Nothing in it really waits."""
    with pytest.raises(StopIteration):
        work.send(None)


class Replica:
    """What the checkpoints ask of a partition."""

    topic_id, index = TOPIC_ID, 0

    def __init__(self, log: Log, high_watermark: int) -> None:
        self.log = log
        self.high_watermark = max(min(high_watermark, log.log_end_offset), log.log_start_offset)


class Walk:
    """`written` holds every batch that was ever at an offset; `model` those that are there now."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = CountingDisk(Random(seed))
        self.written: dict[int, set[bytes]] = {}
        self.model: list[tuple[int, bytes]] = []
        self.epoch = 0
        self.sequences: dict[int, int] = {}
        self.start_promised = 0
        self.cut_to: int | None = None
        self.damage = self.lives = self.crashes_within = 0
        self.open(claimed=0)

    # ---------------------------------------------------------------------------------------------------- one life

    def open(self, claimed: int) -> None:
        self.directory = LogDirectory.open(
            "/data", SimMount(self.disk), cluster_id="c", node_id=1, new_directory_id=bytes(16)
        )
        try:
            log = self.directory.open_log("t", 0, CONFIG, topic_id=TOPIC_ID, now_ms=0)
        except TopicIdMismatch:  # nobody knows whose these records are; so nothing may have been claimed of them
            self.directory.mark_stray("t", 0, self.disk.boot_id())
            log = self.directory.open_log("t", 0, CONFIG, topic_id=TOPIC_ID, now_ms=0)
        checkpoints = self.directory.checkpoints
        self.replica = Replica(log, checkpoints.get(HIGH_WATERMARKS, (TOPIC_ID, 0)))
        image = SimpleNamespace(
            topic_names={TOPIC_ID: "t"}, partition=lambda topic, index: SimpleNamespace(replicas=(1,))
        )
        context: Any = SimpleNamespace(image=image, node_id=1)
        partitions: Any = {("t", 0): self.replica}
        workers: Any = Workers()
        self.checkpoints = Checkpoints(context, partitions, checkpoints, workers)

    @property
    def log(self) -> Log:
        return self.replica.log

    def live(self) -> None:
        """Do things until the process ends, then begin again and look."""
        self.disk.loses_power = self.random.random() < 0.6
        self.disk.left = int(self.random.expovariate(1 / 60)) + 1
        steps: list[Callable[[], None]] = [
            *[self.append] * 8,
            *[self.flush] * 3,
            self.flush_with_more_on_its_way,
            *[self.checkpoint] * 3,
            *[self.cut] * 2,
            self.begin_elsewhere,
            self.delete_records,
            self.retain,
            self.roll,
            self.new_epoch,
            self.fail_a_sync,
            self.end_cleanly,
        ]
        life = self.disk.owner
        while self.disk.owner == life:
            self.cut_to = None
            before = list(self.model)
            claims = self.claims()
            try:
                self.random.choice(steps)()
            except (OSError, LogFailed):
                if self.disk.owner == life and self.log.failed is not None and self.random.random() < 0.7:
                    self.disk.die()
            if self.disk.owner != life:
                self.crashes_within += 1
                break
        self.look(before, claims)

    def claims(self) -> tuple[int, int]:
        return self.log.flushed_offset, self.replica.high_watermark

    # ------------------------------------------------------------------------------------------------------- steps

    def append(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            data = bytearray(self.next_batch())
            base = self.log.log_end_offset
            stamp(memoryview(data), 0, base, self.epoch)
            self.written.setdefault(base, set()).add(bytes(data))
            if self.random.random() < 0.5:
                self.log.append_as_follower(memoryview(data), now_ms=0)
            else:
                origin = Origin.COORDINATOR if data[22] & 0x20 else Origin.CLIENT
                appended = self.log.append_as_leader(memoryview(data), leader_epoch=self.epoch, now_ms=0, origin=origin)
                if not isinstance(appended, Appended) or appended.duplicate:
                    continue  # its producer has been forgotten, or remembered, with what was cut
            self.model.append((base, bytes(data)))

    def next_batch(self) -> bytes:
        producer_id = self.random.choice((-1, -1, 1, 2))
        values = [self.random.randbytes(self.random.choice((0, 20, 60))) for _ in range(self.random.randint(1, 3))]
        if producer_id < 0:
            return batch(*values, timestamp=self.random.randrange(1_000))
        is_open = any(each.producer_id == 2 for each in self.log.producers.open_transactions())
        if producer_id == 2 and is_open and self.random.random() < 0.5:
            return marker(2, 0, commit=self.random.random() < 0.3)
        known = self.log.producers.producers.get(producer_id)
        sequence = known.last_sequence + 1 if known is not None else 0
        attributes = TRANSACTIONAL if producer_id == 2 else 0
        return batch(*values, producer=(producer_id, 0, sequence), attributes=attributes)

    def flush(self) -> None:
        self.log.flush()
        self.replica.high_watermark = self.random.randint(self.replica.high_watermark, self.log.flushed_offset)

    def flush_with_more_on_its_way(self) -> None:
        plan = self.log.begin_flush()
        self.random.choice((self.append, self.cut, self.roll))()
        plan.sync()
        self.log.end_flush(plan)

    def checkpoint(self) -> None:
        drive(self.checkpoints.write(self.random.sample(NAMES, self.random.randint(1, 4))))
        self.start_promised = max(
            self.start_promised, self.checkpoints.log_start_written(cast("Partition", self.replica))
        )

    def cut(self) -> None:
        self.cut_at(Cut(self.random.randint(max(0, self.log.log_end_offset - 40), self.log.log_end_offset)))

    def begin_elsewhere(self) -> None:
        if self.random.random() < 0.3:
            self.cut_at(Cut(self.random.randint(0, self.log.log_end_offset + 30), whole=True))

    def cut_at(self, cut: Cut) -> None:
        """As a follower does; half of the time it has another leader by then, and cuts nothing."""
        self.cut_to = 0 if cut.whole else self.log.end_if_cut_at(cut.offset)
        self.start_promised = min(self.start_promised, self.cut_to)

        async def carry_out() -> None:
            replica: Any = self.replica
            async with self.checkpoints.before_cut({replica: cut}) as ahead:
                if self.random.random() < 0.7:
                    if cut.whole:
                        self.log.truncate_fully_and_start_at(cut.offset)
                        self.model = []
                    else:
                        self.log.truncate_to(cut.offset, ahead.get(replica))
                        self.model = [each for each in self.model if each[0] < self.log.log_end_offset]
                    start, end = self.log.log_start_offset, self.log.log_end_offset
                    self.replica.high_watermark = max(min(self.replica.high_watermark, end), start)

        drive(carry_out())
        self.epoch += 1

    def delete_records(self) -> None:
        self.log.advance_log_start(self.random.randint(self.log.log_start_offset, self.replica.high_watermark))
        if self.random.random() < 0.5:
            drive(self.checkpoints.write([LOG_START_OFFSETS]))
            self.start_promised = self.log.log_start_offset

    def retain(self) -> None:
        """As housekeeping does."""
        drive(self.checkpoints.write([LOG_START_OFFSETS]))
        self.log.delete_segments_before(self.log.log_start_offset, 0)
        for path in self.log.take_deleted_files(0):
            if self.disk.exists(path):
                SimMount(self.disk).remove(path)

    def roll(self) -> None:
        self.log.roll(0)

    def new_epoch(self) -> None:
        self.epoch += 1
        self.log.assign_leader_epoch(self.epoch)

    def fail_a_sync(self) -> None:
        """The process is started again, as the operator is told to do: what it had not synced is in memory only."""
        self.disk.fail(Failure(errno.EIO, SYNCS, after=self.random.randint(0, 3), times=1))
        try:
            self.append()
            self.log.flush()
        finally:
            self.disk.heal()

    def end_cleanly(self) -> None:
        if self.random.random() < 0.3 and self.log.failed is None:
            self.log.close(clean=True)
            self.checkpoints.write_now(NAMES, [self.replica])  # type: ignore[list-item]
            self.directory.mark_clean(7)
            self.disk.end()

    # ------------------------------------------------------------------------------------------------- and afterwards

    def look(self, before: list[tuple[int, bytes]], claims: tuple[int, int]) -> None:
        flushed, high_watermark = (max(pair) for pair in zip(claims, self.claims(), strict=True))
        if self.cut_to is not None:
            flushed = min(flushed, self.cut_to, *self.claims()[:1])
        log_starts = self.start_promised
        if not self.disk.loses_power:
            self.disk.drop_caches()
        ends = dict(before) | dict(self.model)
        while True:
            self.disk.left = self.random.choice((10**9, self.random.randint(1, 40)))
            try:
                self.open(claimed=flushed)
                break
            except OSError:
                continue
        self.disk.left = 10**9
        log = self.log
        assert log.recovery is None or not log.recovery.is_damage, str(log.recovery)
        assert log.log_start_offset >= log_starts
        found = dict(batches_of(log))
        for base, data in found.items():
            assert data in self.written[base], f"what is at {base} was never there"
        for base, data in ends.items():
            end = base + int.from_bytes(data[23:27], "big") + 1
            if end <= flushed and base >= log.log_start_offset and (base, data) in self.model:
                assert found.get(base) == data, f"{base} had been flushed, as all before {flushed}"
        assert log.log_end_offset >= min(flushed, log.log_end_offset if self.cut_to is not None else flushed)
        assert self.replica.high_watermark <= max(high_watermark, log.log_start_offset)
        self.compare(self.from_scratch())
        self.model = sorted(found.items())
        self.epoch = max(self.epoch, log.epochs.latest) + 1
        self.lives += 1
        if self.random.random() < 0.7 and log.flushed_offset < log.log_end_offset:
            try:
                log.flush()
            except OSError:
                self.disk.die()

    def compare(self, other: Log) -> None:
        log = self.log
        start, end = log.log_start_offset, log.log_end_offset
        assert other.log_end_offset == end
        assert producers_of(log) == producers_of(other)
        assert log.aborted_transactions(start, end) == other.aborted_transactions(start, end)
        known = [entry for entry in log.epochs.entries() if entry[1] < end]
        if start < end and known:  # where the start of the log had been ahead, the epochs begin there
            other.epochs.advance_start(known[0][1])
            assert known == [entry for entry in other.epochs.entries() if entry[1] < end]

    def from_scratch(self) -> Log:
        SimDisk.is_spared = True
        try:
            copy = self.disk.copy("/data")
            return Log.open(
                "/data/t-0",
                SimMount(copy),
                CONFIG,
                topic_id=TOPIC_ID,
                clean=False,
                log_start_offset=self.log.log_start_offset,
                now_ms=0,
            )
        finally:
            SimDisk.is_spared = False


def batches_of(log: Log) -> Iterator[tuple[int, bytes]]:
    offset = log.log_start_offset
    while (found := log.read(offset, 1 << 20)) is not None:
        data = memoryview(found.read())
        for position, header in iter_headers(data):
            assert crc_is_valid(data, position, header)
            yield header.base_offset, bytes(data[position : position + header.size_bytes])
            offset = header.next_offset


def producers_of(log: Log) -> bytes:
    producers = log.producers.producers
    return producer_snapshot.encode([producers[each].entry() for each in sorted(producers)])


@pytest.mark.parametrize("seed", range(20))
def test_nothing_claimed_is_lost_at_whatever_operation_a_life_ends(seed: int) -> None:
    walk = Walk(seed)
    while walk.lives < LIVES:
        walk.live()


def test_what_a_failed_sync_has_left_in_memory_is_on_stable_storage_before_it_counts_as_flushed() -> None:
    """The pages are clean from then on, and readable: a start that only syncs finds nothing to do."""
    for seed in range(20):
        disk = SimDisk(Random(seed))
        log = Log.open("/t-0", SimMount(disk), CONFIG, topic_id=TOPIC_ID, clean=False, now_ms=0)
        log.append_as_leader(memoryview(batch(b"synced")), leader_epoch=1, now_ms=0)
        log.flush()
        disk.syncs_fail = True
        log.append_as_leader(memoryview(batch(b"not synced" * 50)), leader_epoch=1, now_ms=0)
        with pytest.raises(OSError, match="sync failed"):
            log.flush()
        disk.heal()
        disk.die()
        log = Log.open("/t-0", SimMount(disk), CONFIG, topic_id=TOPIC_ID, clean=False, recovery_point=1, now_ms=0)
        assert (log.log_end_offset, log.flushed_offset) == (2, 1)
        log.flush()
        assert log.flushed_offset == 2
        disk.lose_power()
        log = Log.open("/t-0", SimMount(disk), CONFIG, topic_id=TOPIC_ID, clean=False, recovery_point=2, now_ms=0)
        assert len(list(batches_of(log))) == 2 and log.recovery is not None and not log.recovery.is_damage


COMPACTED = LogConfig(cleanup_policy=frozenset({"compact"}), segment_bytes=400, min_cleanable_dirty_ratio=0.0)


def newest(log: Log) -> dict[bytes | None, tuple[int, bytes | None]]:
    data = b"".join(data for _, data in batches_of(log))
    return {key: (offset, value) for offset, _, key, value in records(data)}


@pytest.mark.slow
@pytest.mark.parametrize("power", [False, True])
def test_compaction_keeps_the_newest_of_each_key_at_whatever_operation_it_ends(power: bool) -> None:
    at, is_over = 0, False
    while not is_over:
        at += 1
        disk, random = CountingDisk(Random(at + 1_000)), Random(at)
        log = Log.open("/t-0", SimMount(disk), COMPACTED, topic_id=TOPIC_ID, clean=False, now_ms=0)
        for _ in range(2):  # what the first pass leaves is small enough to be merged by the second
            log.flush()
            log.compact(10, log.log_end_offset, force=True)
            for i in range(30):
                keyed = batch((b"k%d" % random.randrange(8), b"v%d" % i))
                log.append_as_leader(memoryview(keyed), leader_epoch=1, now_ms=0)
        log.flush()
        expected, end = newest(log), log.log_end_offset
        disk.loses_power, disk.left = power, at
        try:
            is_over = log.compact(10, end, force=True)
        except OSError:
            pass
        disk.die()
        disk.left = 10**9
        for recovery_point in (end, 0):
            log = Log.open(
                "/t-0",
                SimMount(disk),
                COMPACTED,
                topic_id=TOPIC_ID,
                clean=False,
                recovery_point=recovery_point,
                now_ms=0,
            )
            assert (newest(log), log.log_end_offset) == (expected, end), f"operation {at}: {log.recovery}"
            disk.die()
    assert at > 60
