"""The batches in which a coordinator's records are appended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.coordination.record import CoordinatorRecord

BATCH_BYTES = 512 * 1024
"""Records of one decision go into one batch up to here; only deletions and huge commits need several."""


class ProducerStamp(NamedTuple):
    """Whose transaction a batch is part of."""

    producer_id: int
    producer_epoch: int


def batches_of(records: list[CoordinatorRecord], max_bytes: int) -> Iterable[list[CoordinatorRecord]]:
    """Whole records, in order, in batches of about that size at most; a larger record is alone in its own."""
    batch: list[CoordinatorRecord] = []
    size_bytes = 0
    for record in records:
        record_bytes = len(record.key) + len(record.value or b"") + 32
        if batch and size_bytes + record_bytes > max_bytes:
            yield batch
            batch, size_bytes = [], 0
        batch.append(record)
        size_bytes += record_bytes
    if batch:
        yield batch


def build(records: list[CoordinatorRecord], now_ms: int, producer: ProducerStamp | None) -> bytes:
    entries = [Record(timestamp=now_ms, key=record.key, value=record.value) for record in records]
    if producer is None:
        return bytes(build_batch(entries))
    return bytes(build_batch(entries, is_transactional=True, **producer._asdict()))
