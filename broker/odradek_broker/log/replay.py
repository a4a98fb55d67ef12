"""Telling the producer state of a batch that lies in the log: one path for leader, follower and recovery."""

from __future__ import annotations

from collections.abc import Callable

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import BatchHeader
from odradek.protocol.records.control import EndTransactionMarker, read_end_transaction_marker
from odradek_broker.log.producer_state import ProducerBatch, ProducerStates
from odradek_broker.log.transaction_index import AbortedTransaction


def marker_in(batch: Buffer) -> EndTransactionMarker | None:
    """The marker that ends a transaction, or None where a control batch holds none that can be read."""
    try:
        return read_end_transaction_marker(batch)
    except ProtocolError:
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
