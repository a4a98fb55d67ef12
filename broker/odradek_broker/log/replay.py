"""Telling the producer state of a batch that lies in the log: one path for leader, follower and recovery."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import BatchHeader
from odradek.protocol.records.record import decode_batch
from odradek_broker.log.producer_state import ProducerBatch, ProducerStates
from odradek_broker.log.transaction_index import AbortedTransaction

_KEY = struct.Struct(">hh")
_VALUE = struct.Struct(">hi")
_COMMIT = 1
_ABORT = 0


class Marker(NamedTuple):
    committed: bool
    coordinator_epoch: int


def marker_in(batch: Buffer) -> Marker | None:
    """The marker that ends a transaction, or None where a control batch holds none."""
    try:
        records = decode_batch(batch)
    except ProtocolError:
        return None
    if len(records) != 1:
        return None
    key, value = records[0].key, records[0].value
    if key is None or value is None or len(key) < _KEY.size or len(value) < _VALUE.size:
        return None
    _, kind = _KEY.unpack_from(key)
    _, coordinator_epoch = _VALUE.unpack_from(value)
    return Marker(kind == _COMMIT, coordinator_epoch) if kind in (_ABORT, _COMMIT) else None


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
