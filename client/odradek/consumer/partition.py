"""Where a consumer is in one partition: what to fetch next, what is fetched, what is handed out, what is finished.

Three offsets, of which each is at or before the next:

    finished    all before it is done with: what a commit may say
    position    all before it has been handed out
    fetch       all before it has been fetched

Invariants
    An answer to a fetch is taken in only if it is the answer for where we are now: after a seek or a loss of the
    partition, what was on its way is ignored (`version` tells).
    Records are decoded one batch at a time, of a large batch some at a time, when they are asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from odradek.consumer.aborted import AbortedTransactions
from odradek.errors import CorruptRecords, OdradekError
from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader, iter_headers
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record

RawRecord: TypeAlias = Record[bytes | None, bytes | None]


class RecordsOfBatch(Protocol):
    """A batch whose records are being taken. Raises CorruptRecords, ProtocolError."""

    @property
    def has_more(self) -> bool: ...

    def take(self, begin: int) -> list[RawRecord]:
        """Some more of them, without those before offset `begin`."""


DecodeBatch: TypeAlias = Callable[[memoryview, int], RecordsOfBatch]
"""(buffer, position of the batch in it)."""


MAX_OFFSET = 2**63 - 1


class Chunk:
    """The records of one answer for one partition, being worked through batch by batch."""

    __slots__ = ("aborted", "batches", "buffer")

    def __init__(self, buffer: memoryview, aborted: AbortedTransactions | None) -> None:
        """Raises ProtocolError for what are no record batches."""
        self.buffer = buffer
        self.aborted = aborted
        self.batches = deque(iter_headers(buffer))
        """Position and header of each whole batch that is left."""


class PartitionState:
    """Owned by one consumer for as long as the partition is assigned to it."""

    def __init__(self, topic_partition: TopicPartition, decode: DecodeBatch, *, show_markers: bool = False) -> None:
        self.topic_partition = topic_partition
        self._decode, self._hides_markers = decode, not show_markers
        self.version = 0
        self.position: int | None = None
        """None until it is known where to begin."""
        self.finished: int | None = None
        self.fetch_offset = 0
        self.fetched_epoch = -1
        """Leader epoch of the last batch fetched, by which the leader sees whether its log is still ours (KIP-320)."""
        self.position_epoch = -1
        """Leader epoch of the last batch handed out."""
        self.committed: int | None = None
        """What the group's coordinator was last told, or told us."""
        self.paused = False
        self.held = False
        """Assigned, but its on_assign callback has not returned."""
        self.is_fetching = False
        self.is_handing_out = False
        """The cursor has records of it, or the program has the last of them."""
        self.not_before = 0.0
        self.nearer: int | None = None
        """A follower that the leader has told us to fetch from (KIP-392)."""
        self.nearer_until = 0.0
        self.reset_to: int | None = None
        """A timestamp (or -1 end, -2 start) to look for an offset by."""
        self.else_at: int | None = None
        """To go on where the group has committed; at this offset, where it has committed nothing."""
        self.high_watermark = -1
        self.last_stable_offset = -1
        self.log_start_offset = -1
        self.error: OdradekError | None = None
        """To be raised to whoever reads next, behind the records that are here."""
        self.may_pass = False
        """The error is one that the broker may get over: it is asked on meanwhile."""
        self.buffered_bytes = 0
        self._chunks: deque[Chunk] = deque()
        self._open: RecordsOfBatch | None = None
        """The first batch of the first chunk, where some of its records have been taken and not all."""
        self._decoded: Sequence[RawRecord] = ()

    @property
    def has_records(self) -> bool:
        return bool(self._chunks or self._decoded)

    @property
    def is_drained(self) -> bool:
        """Nothing of what was fetched is still to come, or in the program's hands."""
        return not (self.has_records or self.is_handing_out)

    def handed_out_up_to(self, offset: int) -> None:
        if self.position is not None and self.position < offset:
            self.position = offset

    def finished_up_to(self, offset: int) -> None:
        if self.finished is not None and self.finished < offset:
            self.finished = offset

    def lag(self, reads_committed: bool = False) -> int | None:
        """Offsets between the position and the end that may be read; None while it is not known."""
        end = self.end(reads_committed)
        return None if self.position is None or end < 0 else max(0, end - self.position)

    def end(self, reads_committed: bool) -> int:
        """Of what may be read, as of the last fetch; -1 before the first."""
        return self.last_stable_offset if reads_committed else self.high_watermark

    def seek(self, offset: int, leader_epoch: int = -1) -> None:
        """Go on from there. What is fetched, or on its way, is dropped."""
        self._drop()
        self.position = self.finished = self.fetch_offset = offset
        self.fetched_epoch = self.position_epoch = leader_epoch
        self.reset_to = self.else_at = None

    def forget_position(self, reset_to: int | None, else_at: int | None = None) -> None:
        """Where to go on has to be found out first: by a timestamp, or from the group."""
        self._drop()
        self.position = None
        self.reset_to, self.else_at = reset_to, else_at

    def take(self, offset: int, records: memoryview, aborted: AbortedTransactions | None) -> None:
        """Take in what was fetched from `offset` on. A batch that is cut off at the end will be fetched again.

        What does not lead on, or not forwards, is an error of the partition: asked again, it would come for ever.
        """
        assert offset == self.fetch_offset
        try:
            chunk = Chunk(records, aborted)
            if not chunk.batches:
                raise ProtocolError(f"{len(records)} bytes that hold no whole batch")
            last = _last_in_order(chunk)
            if last.next_offset <= offset:
                raise ProtocolError(f"what is sent ends before offset {last.next_offset}")
        except ProtocolError as error:
            self.error, self.may_pass = corrupt(self.topic_partition, offset, error), False
            return
        self._chunks.append(chunk)
        self.buffered_bytes += sum(header.size_bytes for _, header in chunk.batches)
        self.fetch_offset = last.next_offset
        self.fetched_epoch = last.partition_leader_epoch

    def next_records(self) -> Sequence[RawRecord]:
        """The records of the next batch that has some, of a large one the next of them; empty where nothing is left.

        Moves the position over what is never handed out; over the records themselves, the cursor moves it. Raises
        CorruptRecords, and again each time: only a seek leads past them.
        """
        if self._decoded:
            decoded, self._decoded = self._decoded, ()
            return decoded
        while self._chunks:
            chunk = self._chunks[0]
            position, header = chunk.batches[0]
            batch = self._open
            self._open = None
            try:
                batch = batch or self._opened(chunk, header, position)
                records = [] if batch is None else batch.take(self.position or 0)
            except ProtocolError as error:
                raise corrupt(self.topic_partition, header.base_offset, error, header.next_offset) from error
            if batch is not None and batch.has_more:
                self._open = batch
            else:
                self._finish_batch(chunk, header)
            self.position_epoch = header.partition_leader_epoch
            if records:
                return records
            if self._open is None:
                self._skip_to(header.next_offset)
        return ()

    def _finish_batch(self, chunk: Chunk, header: BatchHeader) -> None:
        chunk.batches.popleft()
        self.buffered_bytes -= header.size_bytes
        if not chunk.batches:
            self._chunks.popleft()

    def put_back(self, records: Sequence[RawRecord]) -> None:
        """Records that were taken and not handed out."""
        assert not self._decoded
        self._decoded = records

    def _opened(self, chunk: Chunk, header: BatchHeader, at: int) -> RecordsOfBatch | None:
        """None where nothing of the batch is for the program."""
        assert self.position is not None
        hidden = chunk.aborted is not None and chunk.aborted.pass_batch(header)
        if hidden or (header.is_control and self._hides_markers) or header.last_offset < self.position:
            return None
        return self._decode(chunk.buffer, at)

    def _skip_to(self, offset: int) -> None:
        """What is not for the program counts as handed out, and as finished when all before it is."""
        assert self.position is not None
        if offset > self.position:
            if self.finished == self.position:
                self.finished = offset
            self.position = offset

    def _drop(self) -> None:
        self.version += 1
        self._chunks.clear()
        self._open = None
        self._decoded = ()
        self.buffered_bytes = 0
        self.error, self.may_pass = None, False
        self.is_fetching = False


def _last_in_order(chunk: Chunk) -> BatchHeader:
    """The last header, where each batch begins behind the one before. Raises ProtocolError where one does not."""
    end = 0
    for _, header in chunk.batches:
        if header.base_offset < end or header.last_offset_delta < 0 or header.next_offset > MAX_OFFSET:
            raise ProtocolError(f"a batch of offsets {header.base_offset} to {header.last_offset} behind offset {end}")
        end = header.next_offset
    return header


def corrupt(
    topic_partition: TopicPartition, offset: int, why: object, next_offset: int | None = None
) -> CorruptRecords:
    """The error for a batch that cannot be read; with it, where it is known, how to go on behind it."""
    further = "" if next_offset is None else f"; what follows begins at offset {next_offset}"
    error = CorruptRecords(ErrorCode.CORRUPT_MESSAGE, f"{topic_partition} at offset {offset}: {why}{further}")
    error.partition, error.offset, error.next_offset = topic_partition, offset, next_offset
    return error
