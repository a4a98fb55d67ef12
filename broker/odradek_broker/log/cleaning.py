"""What compaction keeps of a batch.

    - Of each key the newest record; and every record that the pass has not noted.
    - A tombstone, if it is the newest, until its delete horizon has passed. The horizon is written into the batch when
      a pass first meets it: bit 6 of the attributes, in the place of the base timestamp (KIP-534).
    - Nothing of aborted transactions. A marker goes when nothing of its transaction is left, after a horizon likewise.
    - Every batch whose records cannot be read although its checksum matches: whoever wrote it meant it so, and what
      lies around it must not wait for it.
    - The last batch of each live producer, emptied if need be: it carries the sequence number.
    - The last batch of each rewritten segment, likewise: so each segment ends where the next one begins, and recovery
      can tell a segment that was compacted from one that has lost its end.

Offsets, producers and sequence numbers never change. Kafka: Cleaner.cleanInto, CleanedTransactionMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log.key_offsets import KeyOffsets
from odradek_broker.log.raw_batch import Kept, RawRecord, kept_of, payload_of, rebased, with_records
from odradek_broker.log.replay import marker_in
from odradek_broker.log.transaction_index import AbortedTransaction


class LastBatch(NamedTuple):
    """The newest of a live producer, as the producer state has it."""

    last_offset: int
    """-1 where it has only written markers in its epoch."""
    epoch: int


class Transactions:
    """Which transactions are aborted, and of which anything was met, while batches are walked in order."""

    def __init__(self, aborted: list[AbortedTransaction]) -> None:
        self._coming = sorted(aborted, key=lambda transaction: transaction.first_offset, reverse=True)
        self._aborted: dict[int, AbortedTransaction] = {}
        self._met: set[int] = set()

    def is_aborted(self, header: BatchHeader) -> bool:
        """Whether a data batch belongs to an aborted transaction."""
        self._reach(header.last_offset)
        if not header.is_transactional:
            return False
        self._met.add(header.producer_id)
        return header.producer_id in self._aborted

    def end(self, header: BatchHeader, *, committed: bool) -> tuple[bool, AbortedTransaction | None]:
        """Take a marker: whether anything of its transaction was met, and the transaction where it was aborted."""
        self._reach(header.last_offset)
        met = header.producer_id in self._met
        self._met.discard(header.producer_id)
        aborted = None if committed else self._aborted.pop(header.producer_id, None)
        return met, aborted if met else None

    def _reach(self, offset: int) -> None:
        while self._coming and self._coming[-1].first_offset <= offset:
            transaction = self._coming.pop()
            self._aborted[transaction.producer_id] = transaction


class Cleaning:
    """One pass over the batches of a log, from its first segment on."""

    def __init__(
        self,
        newest: KeyOffsets,
        transactions: Transactions,
        producers: Mapping[int, LastBatch],
        *,
        delete_retention_ms: int,
        now_ms: int,
    ) -> None:
        self._newest = newest
        self._transactions = transactions
        self._producers = producers
        self._delete_retention_ms = delete_retention_ms
        self._now_ms = now_ms
        self.aborted: list[AbortedTransaction] = []
        """Those whose markers were kept; the caller takes them out, for the new segment's transaction index."""
        self.unreadable: dict[int, str] = {}
        """By base offset, the batches whose records are not what their headers say, and why."""

    def clean(self, batch: Buffer, header: BatchHeader, *, is_last: bool) -> Buffer | None:
        """The batch as it stays: the same bytes, fewer records, none; or None where it goes.

        `is_last` says that it is the last of a segment. What cannot be read stays, and is noted in `unreadable`.
        """
        try:
            kept = self._kept(batch, header)
        except ProtocolError as error:
            self.unreadable[header.base_offset] = str(error)
            return batch
        if kept is None and (is_last or self._is_last_of_producer(header)):
            return with_records(header, Kept())
        return kept

    def _kept(self, batch: Buffer, header: BatchHeader) -> Buffer | None:
        if header.is_control:
            return self._clean_marker(batch, header)
        if self._transactions.is_aborted(header):
            return None
        return self._clean_records(batch, header)

    def _clean_marker(self, batch: Buffer, header: BatchHeader) -> Buffer | None:
        marker = marker_in(batch) if header.record_count else None
        if marker is None:
            return None if header.record_count == 0 else batch
        met, aborted = self._transactions.end(header, committed=marker.committed)
        if aborted is not None:
            self.aborted.append(aborted)
        if met:
            return batch
        horizon = header.delete_horizon_ms
        if horizon is None:
            return self._with_horizon(batch, header)
        return batch if self._now_ms < horizon else None

    def _with_horizon(self, batch: Buffer, header: BatchHeader) -> bytes:
        horizon = self._now_ms + self._delete_retention_ms
        everything = rebased(payload_of(batch, 0, header), header, lambda record: True, horizon)
        return with_records(header, everything, horizon)

    def _clean_records(self, batch: Buffer, header: BatchHeader) -> Buffer | None:
        if header.base_offset >= self._newest.end_offset:
            return batch
        payload = payload_of(batch, 0, header)
        horizon = header.delete_horizon_ms
        tombstones_stay = horizon is None or self._now_ms < horizon
        stays = partial(self._stays, header, tombstones_stay)
        kept = kept_of(payload, header, stays)
        if horizon is None and kept.has_tombstone:
            new_horizon = self._now_ms + self._delete_retention_ms
            return with_records(header, rebased(payload, header, stays, new_horizon), new_horizon)
        if not kept.count:
            return None
        return batch if kept.count == header.record_count else with_records(header, kept)

    def _stays(self, header: BatchHeader, tombstones_stay: bool, record: RawRecord) -> bool:
        offset = header.base_offset + record.offset_delta
        if offset >= self._newest.end_offset:
            return True
        if record.key is None or not (record.has_value or tombstones_stay):
            return False
        return self._newest.is_newest(record.key, offset)

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        last = self._producers.get(header.producer_id) if header.producer_id >= 0 else None
        if last is None:
            return False
        if last.last_offset >= 0:
            return header.last_offset == last.last_offset
        return header.is_control and header.producer_epoch == last.epoch
