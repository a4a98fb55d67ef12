"""Group commit, step by step: a worker whose work is done when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.controller.image import PartitionImage
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.log import Log
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.disk import RealDisk
from odradek_broker.runtime.flusher import Flusher
from odradek_broker.runtime.partition import Partition


class HandWorkers:
    """Does one job each time it is told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], None], Callable[[Exception | None], None]]] = []

    def submit(self, job: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        self.jobs.append((job, done))

    def close(self) -> None:
        pass

    def work(self, error: Exception | None = None) -> None:
        job, done = self.jobs.pop(0)
        if error is None:
            job()
        done(error)


@pytest.fixture
def workers() -> HandWorkers:
    return HandWorkers()


def partition_of(tmp_path: Path, workers: HandWorkers, *, sync: bool = True, index: int = 0) -> Partition:
    log = Log.open(str(tmp_path / f"t-{index}"), RealDisk(), LogConfig(), topic_id=bytes(16), clean=True, now_ms=0)
    partition = Partition(
        "t",
        index,
        bytes(16),
        log,
        node_id=1,
        high_watermark=0,
        flusher=Flusher(workers, sync=sync),
        clock=SystemClock(),
    )
    partition.lead(PartitionImage(replicas=(1,), isr=(1,), leader=1))
    return partition


def append(partition: Partition) -> int:
    appended = partition.append_internal(build_batch([Record(timestamp=1, value=b"v")]))
    assert hasattr(appended, "last_offset")
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


async def test_waiters_are_woken_in_the_order_of_their_offsets_and_one_may_leave(
    tmp_path: Path, workers: HandWorkers
) -> None:
    partition, woken, leaving = partition_of(tmp_path, workers), [], trio.CancelScope()

    async def wait(offset: int) -> None:
        await partition.wait_committed(offset)
        woken.append(offset)

    async def wait_and_leave() -> None:
        with leaving:
            await wait(1)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            append(partition)
        for offset in (2, 0):
            nursery.start_soon(wait, offset)
        nursery.start_soon(wait_and_leave)
        await wait_all_tasks_blocked()
        leaving.cancel()
        await wait_all_tasks_blocked()
        workers.work()
        await wait_all_tasks_blocked()
        assert woken == [0]
        workers.work()
    assert woken == [0, 2]
    await partition.wait_committed(1)


async def test_a_failed_flush_is_told_to_all_who_wait_and_to_all_who_come_later(
    tmp_path: Path, workers: HandWorkers
) -> None:
    partition, told = partition_of(tmp_path, workers), []

    async def wait(offset: int) -> None:
        with pytest.raises(LogFailed):
            await partition.wait_committed(offset)
        told.append(offset)

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(wait, append(partition))
        await wait_all_tasks_blocked()
        workers.work(OSError(5, "Input/output error"))
    assert sorted(told) == [0, 1]
    await wait(0)
    assert partition.high_watermark == 0
    append_again = partition.append_internal(build_batch([Record(timestamp=1, value=b"v")]))
    assert not hasattr(append_again, "last_offset") and not workers.jobs


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
    workers.work()
    assert "out of use" not in caplog.text
    with pytest.raises(LogFailed):
        await partition.wait_committed(0)
