"""Telling the producer state of a batch that lies in the log: one path for leader, follower and recovery."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from odradek.protocol.records.record import decode_batch

from odradek.protocol.primitives import Buffer
from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log.producer_state import BATCHES_KEPT, Producer, ProducerBatch, ProducerStates
from odradek_broker.log.segment import Segment
from odradek_broker.log.segments import Segments
from odradek_broker.log.transaction_index import AbortedTransaction

_KEY = struct.Struct(">hh")
_VALUE = struct.Struct(">hi")
_COMMIT = 1
_ABORT = 0


LOOK_BACK_BYTES = 8 * 1024 * 1024


class Marker(NamedTuple):
    committed: bool
    coordinator_epoch: int


def marker_in(batch: Buffer) -> Marker | None:
    """The marker that ends a transaction, or None where the control batch is of another kind. Raises ProtocolError."""
    for record in decode_batch(batch):
        if record.key is None or record.value is None:
            return None
        _, kind = _KEY.unpack_from(record.key)
        _, coordinator_epoch = _VALUE.unpack_from(record.value)
        return Marker(kind == _COMMIT, coordinator_epoch) if kind in (_ABORT, _COMMIT) else None
    return None


def replay(
    producers: ProducerStates, header: BatchHeader, base_offset: int, read: Callable[[], Buffer], now_ms: int
) -> AbortedTransaction | None:
    """Note a batch of a producer id; `read` gives its bytes, which only a marker needs.

    Returns the transaction that it aborted, if it did.
    """
    if header.is_control:
        marker = marker_in(read())
        if marker is None:
            return None
        return producers.end_transaction(
            header.producer_id,
            header.producer_epoch,
            marker.coordinator_epoch,
            base_offset + header.last_offset_delta,
            header.max_timestamp,
            now_ms,
            committed=marker.committed,
        )
    if header.record_count == 0 and header.base_sequence < 0:
        return None
    batch = producer_batch(header, base_offset)
    producers.append_data(header.producer_id, header.producer_epoch, batch, header.is_transactional, now_ms)
    return None


def producer_batch(header: BatchHeader, base_offset: int) -> ProducerBatch:
    """What is remembered of a batch of data that begins at `base_offset`."""
    return ProducerBatch(
        header.base_sequence,
        header.last_sequence,
        base_offset,
        base_offset + header.last_offset_delta,
        header.max_timestamp,
    )


def complete(producer: Producer, segments: Segments) -> bool:
    """Find the older batches of a producer that is known from a snapshot only; whether any were found.

    Looks no further back than retries in flight are likely to lie: LOOK_BACK_BYTES.
    """
    if not producer.is_partial or not producer.batches:
        return False
    producer.is_partial = False
    first_known = producer.batches[0].base_offset
    found: list[ProducerBatch] = []
    segment: Segment | None = segments.at(first_known)
    left = LOOK_BACK_BYTES
    while segment is not None and left > 0 and len(found) < BATCHES_KEPT:
        known = segment.find(first_known)
        end = known[0] if known else segment.size_bytes
        found[:0] = _batches_of(producer, segment, end - left, end)
        left -= end
        segment = segments.before(segment)
    producer.batches[:0] = found[-BATCHES_KEPT:]
    del producer.batches[:-BATCHES_KEPT]
    return bool(found)


def _batches_of(producer: Producer, segment: Segment, start: int, end: int) -> list[ProducerBatch]:
    """A producer's data batches of its present epoch between two positions, the first of them a rough one."""
    found = []
    for position, header in segment.scan(segment.offset_index.boundary_before(max(start, 0))):
        if position >= end:
            break
        is_its = header.producer_id == producer.producer_id and header.producer_epoch == producer.epoch
        if is_its and not header.is_control:
            found.append(producer_batch(header, header.base_offset))
    return found
