"""What a partition keeps of transactions that are over."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.control import EndTransactionMarker, build_end_transaction_marker
from odradek.protocol.records.record import Record
from odradek_broker.controller.image import PartitionImage
from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Origin
from odradek_broker.partitions.flusher import Flusher
from odradek_broker.partitions.partition import Partition
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.disk import RealDisk
from odradek_broker.ports.workers import ThreadWorkers

TRANSACTIONS = 50


def opened(path: Path, *, clean: bool) -> Log:
    return Log.open(str(path / "t-0"), RealDisk(), LogConfig(), topic_id=bytes(16), clean=clean, now_ms=1)


def partition_of(log: Log, high_watermark: int) -> Partition:
    flusher = Flusher(ThreadWorkers(1), sync=False, doubt_caches=lambda: None)
    made = Partition(
        "t", 0, bytes(16), log, node_id=1, high_watermark=high_watermark, flusher=flusher, clock=SystemClock()
    )
    made.lead(PartitionImage(replicas=(1,), isr=(1,), leader=1, leader_epoch=0))
    return made


def append_transactions(log: Log) -> None:
    for number in range(TRANSACTIONS):
        records = [Record(timestamp=1, value=b"v")]
        data = build_batch(records, is_transactional=True, producer_id=7, producer_epoch=0, base_sequence=number)
        marker = build_end_transaction_marker(7, 0, EndTransactionMarker(True, 0), 1)
        for each in (data, marker):
            log.append_as_leader(memoryview(each), leader_epoch=0, now_ms=1, origin=Origin.COORDINATOR)


@pytest.fixture
def crashed(tmp_path: Path) -> Log:
    """A log whose producers have been found out by replaying it."""
    log = opened(tmp_path, clean=True)
    append_transactions(log)
    log.flush()
    return opened(tmp_path, clean=False)


async def test_after_a_crash_nothing_is_kept_of_what_was_stable_before(crashed: Log) -> None:
    """Each fetch looks through what is kept, and where nothing more is appended nothing else would ever forget it."""
    partition = partition_of(crashed, crashed.log_end_offset)
    assert not crashed.producers._completed
    assert partition.last_stable_offset == crashed.log_end_offset


async def test_nor_after_a_follower_was_cut(crashed: Log) -> None:
    partition = partition_of(crashed, crashed.log_end_offset)
    partition.follow(PartitionImage(replicas=(1, 2), isr=(1, 2), leader=2, leader_epoch=1))
    crashed.truncate_to(TRANSACTIONS)
    partition.truncated()
    assert not crashed.producers._completed
    assert partition.last_stable_offset == crashed.log_end_offset == TRANSACTIONS


async def test_what_may_not_be_committed_yet_stays_unstable(crashed: Log) -> None:
    partition = Partition(
        *("t", 0, bytes(16), crashed),
        node_id=1,
        high_watermark=TRANSACTIONS + 1,
        flusher=Flusher(ThreadWorkers(1), sync=False, doubt_caches=lambda: None),
        clock=SystemClock(),
    )
    assert partition.last_stable_offset == TRANSACTIONS
