"""Group commit, step by step: a worker whose work is done when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.controller.image import PartitionImage
from odradek_broker.log.appendable import Appended
from odradek_broker.log.config import LogConfig
from odradek_broker.log.flush import FlushPlan
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Refused
from odradek_broker.partitions.flusher import Flusher
from odradek_broker.partitions.partition import Partition
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.disk import RealDisk

T = TypeVar("T")


class HandWorkers:
    """Does one job each time it is told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], None], Callable[[Exception | None], None]]] = []

    def submit(self, job: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        self.jobs.append((job, done))

    def close(self) -> None:
        pass

    async def run(self, job: Callable[[], T]) -> T:
        return job()

    def work(self, error: Exception | None = None) -> None:
        job, done = self.jobs.pop(0)
        if error is None:
            job()
        done(error)


@pytest.fixture
def workers() -> HandWorkers:
    return HandWorkers()


def image(*, leader: int = 1, leader_epoch: int = 0, replicas: tuple[int, ...] = (1,)) -> PartitionImage:
    return PartitionImage(replicas=replicas, isr=replicas, leader=leader, leader_epoch=leader_epoch)


def partition_of(
    tmp_path: Path,
    workers: HandWorkers,
    *,
    sync: bool = True,
    index: int = 0,
    replicas: tuple[int, ...] = (1,),
    doubt_caches: Callable[[], None] = lambda: None,
) -> Partition:
    log = Log.open(str(tmp_path / f"t-{index}"), RealDisk(), LogConfig(), topic_id=bytes(16), clean=True, now_ms=0)
    partition = Partition(
        "t",
        index,
        bytes(16),
        log,
        node_id=1,
        high_watermark=0,
        flusher=Flusher(workers, sync=sync, doubt_caches=doubt_caches),
        clock=SystemClock(),
    )
    partition.lead(image(replicas=replicas))
    return partition


def append(partition: Partition) -> int:
    appended = partition.append_internal(build_batch([Record(timestamp=1, value=b"v")]))
    assert isinstance(appended, Appended)
    return appended.last_offset


async def test_all_that_is_appended_during_a_flush_is_committed_by_the_next_one(
    tmp_path: Path, workers: HandWorkers
) -> None:
    partition = partition_of(tmp_path, workers)
    for _ in range(10):
        append(partition)
    assert len(workers.jobs) == 1 and partition.high_watermark == 0
    workers.work()
    assert partition.high_watermark == 1, "the flush had begun with the first append"
    assert len(workers.jobs) == 1
    workers.work()
    assert partition.high_watermark == 10 and not workers.jobs


async def test_interval_commits_without_a_flush(tmp_path: Path, workers: HandWorkers) -> None:
    partition = partition_of(tmp_path, workers, sync=False)
    append(partition)
    assert partition.high_watermark == 1 and not workers.jobs


async def test_a_failed_flush_is_told_to_all_who_wait_and_to_all_who_come_later(
    tmp_path: Path, workers: HandWorkers
) -> None:
    partition = partition_of(tmp_path, workers)
    waits = [wait(append(partition)) for wait in (partition.commit_of, partition.flush_of) for _ in range(2)]
    workers.work(OSError(5, "Input/output error"))
    assert [wait.outcome for wait in waits] == [ErrorCode.KAFKA_STORAGE_ERROR] * 4
    assert partition.commit_of(0).outcome is ErrorCode.KAFKA_STORAGE_ERROR
    assert partition.high_watermark == 0
    append_again = partition.append_internal(build_batch([Record(timestamp=1, value=b"v")]))
    assert not hasattr(append_again, "last_offset") and not workers.jobs


@pytest.mark.parametrize("sync", [True, False])
async def test_a_failed_sync_of_what_is_acknowledged_already_is_written_down_before_anybody_hears_of_it(
    tmp_path: Path, workers: HandWorkers, monkeypatch: pytest.MonkeyPatch, *, sync: bool
) -> None:
    happened: list[str] = []
    partition = partition_of(tmp_path, workers, sync=sync, doubt_caches=lambda: happened.append("noted"))
    monkeypatch.setattr(partition, "log_failed", lambda: happened.append("told"))
    append(partition)
    partition._flusher.flush_soon(partition)
    monkeypatch.setattr(FlushPlan, "_sync_if_there", _fail)
    job, done = workers.jobs.pop(0)
    with pytest.raises(OSError, match="sync failed") as error:
        job()
    done(error.value)
    assert happened == (["told"] if sync else ["noted", "told"])


def _fail(*_: object) -> None:
    raise OSError(5, "sync failed")


async def test_our_own_disk_is_enough_for_one_and_not_for_the_other(tmp_path: Path, workers: HandWorkers) -> None:
    """The follower has not fetched anything yet."""
    partition = partition_of(tmp_path, workers, replicas=(1, 2))
    offset = append(partition)
    flushed, committed = partition.flush_of(offset), partition.commit_of(offset)
    assert flushed.outcome is None
    workers.work()
    assert flushed.outcome is ErrorCode.NONE and committed.outcome is None
    partition.replica_fetched(2, 1, offset + 1)
    assert committed.outcome is ErrorCode.NONE


async def test_with_interval_nobody_waits_for_the_disk(tmp_path: Path, workers: HandWorkers) -> None:
    partition = partition_of(tmp_path, workers, sync=False, replicas=(1, 2))
    offset = append(partition)
    assert partition.flush_of(offset).outcome is ErrorCode.NONE
    assert partition.commit_of(offset).outcome is None


async def test_what_is_settled_stays_so_when_another_leader_comes(tmp_path: Path, workers: HandWorkers) -> None:
    partition = partition_of(tmp_path, workers)
    first = partition.commit_of(append(partition))
    workers.work()
    second, on_disk = partition.commit_of(append(partition)), partition.flush_of(1)
    partition.follow(image(leader=2, leader_epoch=1))
    assert first.outcome is ErrorCode.NONE
    assert {second.outcome, on_disk.outcome} == {ErrorCode.NOT_LEADER_OR_FOLLOWER}
    workers.work()
    partition.commit_up_to(2)
    assert second.outcome is ErrorCode.NOT_LEADER_OR_FOLLOWER, "the record at its offset may be another's"
    assert partition.commit_of(0).outcome is ErrorCode.NOT_LEADER_OR_FOLLOWER, "a follower settles nothing"
    assert partition.flush_of(0).outcome is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert isinstance(partition.append_internal(build_batch([Record(timestamp=1, value=b"v")])), Refused)


async def test_a_leader_that_goes_on_in_a_new_epoch_keeps_those_who_wait(tmp_path: Path, workers: HandWorkers) -> None:
    partition = partition_of(tmp_path, workers, replicas=(1, 2))
    commit = partition.commit_of(append(partition))
    workers.work()
    partition.lead(image(leader_epoch=1, replicas=(1, 2)))
    assert commit.outcome is None, "nothing is known of the others in the new epoch"
    partition.replica_fetched(2, 1, 1)
    assert commit.outcome is ErrorCode.NONE


async def test_a_leader_without_a_lease_settles_nothing_any_more(tmp_path: Path, workers: HandWorkers) -> None:
    partition = partition_of(tmp_path, workers)
    commit = partition.commit_of(append(partition))
    partition.may_be_deposed = True
    partition.fail_commits()
    workers.work()
    assert commit.outcome is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert partition.commit_of(0).outcome is ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_readers_are_woken_by_a_commit_and_not_by_an_append(tmp_path: Path, workers: HandWorkers) -> None:
    partition, event = partition_of(tmp_path, workers), trio.Event()
    partition.add_reader(event)
    append(partition)
    assert not event.is_set()
    workers.work()
    assert event.is_set()


async def test_a_flusher_is_idle_when_no_worker_has_anything_in_its_hands(tmp_path: Path, workers: HandWorkers) -> None:
    partition = partition_of(tmp_path, workers)
    flusher = partition._flusher
    await flusher.wait_idle()
    append(partition)
    with trio.move_on_after(0) as scope:
        await flusher.wait_idle()
    assert scope.cancelled_caught
    workers.work()
    await flusher.wait_idle()


async def test_a_log_that_was_closed_during_its_flush_is_no_failure(
    tmp_path: Path, workers: HandWorkers, caplog: pytest.LogCaptureFixture
) -> None:
    """A topic is deleted while a worker has its log in its hands."""
    partition = partition_of(tmp_path, workers)
    append(partition)
    partition.log.close(clean=False)
    commit = partition.commit_of(0)
    workers.work()
    assert "out of use" not in caplog.text
    assert commit.outcome is ErrorCode.KAFKA_STORAGE_ERROR
