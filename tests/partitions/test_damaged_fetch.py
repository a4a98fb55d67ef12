"""What is known to be damaged is given to nobody, wherever in it a fetch begins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.fetch import FetchPartition, PartitionData
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.controller.image import PartitionImage
from odradek_broker.log.config import LogConfig
from odradek_broker.log.log import Log
from odradek_broker.partitions.fetch import read_partition
from odradek_broker.partitions.flusher import Flusher
from odradek_broker.partitions.partition import Partition
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.disk import RealDisk
from odradek_broker.ports.workers import ThreadWorkers

RECORDS, BATCHES, DAMAGED = 5, 3, 5
"""In a batch, in the log, and where the batch begins that is damaged: the second."""


@pytest.fixture
async def partition(tmp_path: Path) -> Partition:
    log = Log.open(str(tmp_path / "t-0"), RealDisk(), LogConfig(), topic_id=bytes(16), clean=True, now_ms=1)
    flusher = Flusher(ThreadWorkers(1), sync=False, doubt_caches=lambda: None)
    made = Partition("t", 0, bytes(16), log, node_id=1, high_watermark=0, flusher=flusher, clock=SystemClock())
    made.lead(PartitionImage(replicas=(1,), isr=(1,), leader=1, leader_epoch=0))
    for _ in range(BATCHES):
        made.append_internal(build_batch([Record(timestamp=1, value=b"v")] * RECORDS))
    made.high_watermark = log.log_end_offset
    made.known_damage = DAMAGED, log.truncations
    return made


def fetched(partition: Partition, offset: int) -> PartitionData:
    fetch = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1_000_000)
    logs: Any = SimpleNamespace(met=lambda *_: False)
    return read_partition(partition, fetch, 1_000_000, committed=False, min_one=True, is_replica=False, logs=logs)


def flip_base_offset(partition: Partition) -> None:
    """Of the damaged batch: nothing covers it, so it may come to lie behind all there is."""
    segment = partition.log.segments.active
    position, _ = segment.find(DAMAGED) or (0, 0)
    segment.file.write_at(position + 2, b"\x40")


@pytest.mark.parametrize("offset", range(RECORDS * BATCHES))
async def test_only_the_batch_that_is_damaged_is_refused(partition: Partition, offset: int) -> None:
    answer = fetched(partition, offset)
    is_damaged = DAMAGED <= offset < DAMAGED + RECORDS
    assert answer.error_code == (ErrorCode.CORRUPT_MESSAGE if is_damaged else 0)
    assert bool(answer.records) is not is_damaged


async def test_a_log_that_begins_within_the_damaged_batch_gives_none_of_it(partition: Partition) -> None:
    partition.log.advance_log_start(DAMAGED + 1)
    assert fetched(partition, DAMAGED + 1).error_code == ErrorCode.CORRUPT_MESSAGE
    assert fetched(partition, DAMAGED + RECORDS).error_code == 0


async def test_a_log_that_begins_behind_the_damage_is_read_as_any_other(partition: Partition) -> None:
    partition.log.advance_log_start(DAMAGED + RECORDS)
    assert fetched(partition, DAMAGED + RECORDS).error_code == 0


async def test_a_batch_that_claims_to_lie_further_on_is_given_to_nobody_there(partition: Partition) -> None:
    flip_base_offset(partition)
    assert fetched(partition, DAMAGED + 1).error_code == ErrorCode.CORRUPT_MESSAGE
    assert fetched(partition, 0).error_code == 0
