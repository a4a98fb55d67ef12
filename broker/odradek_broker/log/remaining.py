"""What a reader would still get of a log from an offset on: counted, never estimated.

An offset is not a record. Markers of transactions take offsets, compaction leaves gaps, and who reads only what is
committed gets nothing of aborted transactions. Headers say how many records a batch has; sums of them are kept on the
way (tally.py), so that a count costs a walk over some hundred headers. Looked into is only a batch in the midst of
which a count begins or ends, if it has gaps, and the one that holds the next record, for its time.

A count is made in steps, for who drives it: it yields None where others may have a turn, or a Look, and is sent what
that returns. What is replaced meanwhile (compaction) is counted anew; where the end is cut meanwhile, who drives it is
to give up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from odradek.protocol.records.batch import NO_TIMESTAMP, BatchHeader
from odradek_broker.log.raw_batch import is_short, payload_of, raw_records
from odradek_broker.log.reading import HEADERS_AT_ONCE
from odradek_broker.log.segment import Segment
from odradek_broker.log.tally import Mark
from odradek_broker.log.transaction_index import AbortedTransaction

if TYPE_CHECKING:
    from odradek_broker.log.log import Log


class Remaining(NamedTuple):
    """What lies between two offsets for a reader."""

    records: int = 0
    size_bytes: int = 0
    """Of the batches that hold them: what has to be fetched for them."""
    next_timestamp: int = NO_TIMESTAMP
    """That of the first of them, which has been there for longest; -1 where there is none, or it has no time."""


class Look(NamedTuple):
    """Something to be found out by undoing a batch. The job raises ProtocolError where the batch cannot be read."""

    job: Callable[[], int]
    is_short: bool
    """Else it is for a worker."""


Steps: TypeAlias = Generator[Look | None, int, Remaining]


class _Replaced(Exception):
    """Segments were replaced between two steps."""


def remaining(log: Log, begin: int, end: int, *, committed: bool, stable_offset: int) -> Steps:
    """Count the records from offset `begin` up to, not with, `end`; with `committed` without those that were aborted.

    `stable_offset`: the last stable offset; with `committed`, `end` is at most that. Raises OSError, DamagedLog.
    """
    assert not committed or end <= stable_offset
    while True:
        try:
            return (yield from _Count(log, committed, stable_offset).between(begin, end))
        except _Replaced:
            continue


class _Edge(NamedTuple):
    """The first batch of a segment that ends at or behind an offset, and the sums of all before it."""

    mark: Mark
    header: BatchHeader | None
    """None where there is no such batch."""


class _Count:
    def __init__(self, log: Log, committed: bool, stable_offset: int) -> None:
        self._log = log
        self._committed = committed
        self._stable_offset = stable_offset
        self._segments, self._version = log.segments, log.segments.version

    def between(self, begin: int, end: int) -> Steps:
        begin = max(begin, self._log.log_start_offset)
        records = size_bytes = 0
        timestamp: int | None = None
        for segment in self._segments.from_offset(begin):
            if segment.base_offset >= end or begin >= end:
                break
            lower = yield from self._edge(segment, begin)
            upper = yield from self._edge(segment, end)
            more = yield from self._between(segment, lower, upper, begin, end)
            if records == 0 < more[0]:
                timestamp = yield from self._first_time(segment, lower.mark, begin)
            records, size_bytes = records + more[0], size_bytes + more[1]
        return Remaining(records, size_bytes, NO_TIMESTAMP if timestamp is None else timestamp)

    def _between(
        self, segment: Segment, lower: _Edge, upper: _Edge, begin: int, end: int
    ) -> Generator[Look | None, int, tuple[int, int]]:
        """Records and bytes of one segment: whole batches by the sums, and what the two edges cut off of theirs."""
        low, high = lower.mark, upper.mark
        records, size_bytes = high.records - low.records, high.size_bytes - low.size_bytes
        if self._committed:
            records -= high.aborted_records - low.aborted_records
            size_bytes -= high.aborted_bytes - low.aborted_bytes
        first, last = self._cut(lower, begin), self._cut(upper, end)
        if last is not None:
            found = yield from self._within(segment, high.position, last, begin, end)
            records, size_bytes = records + found, size_bytes + (last.size_bytes if found else 0)
        if first is not None and low.position != high.position:
            missed = yield from self._within(segment, low.position, first, first.base_offset, begin)
            records, size_bytes = records - missed, size_bytes - (first.size_bytes * (missed == first.record_count))
        return records, size_bytes

    def _cut(self, edge: _Edge, offset: int) -> BatchHeader | None:
        """The batch that an offset cuts in two, if there is anything for the reader in it."""
        header = edge.header
        if header is None or header.base_offset >= offset or not self._is_visible(header):
            return None
        return header

    # ---------------------------------------------------------------------------------------------- walking

    def _edge(self, segment: Segment, offset: int) -> Generator[None, None, _Edge]:
        """Walk from the last mark on; leave marks on the way."""
        if offset <= segment.base_offset:
            return _Edge(Mark(segment.base_offset, 0), None)
        self._segments.opened(segment)
        tally, aborted = segment.tally, Aborted(())
        reach = min(offset, self._stable_offset)
        mark = tally.before(reach)
        next_offset, position, batches, records, size_bytes, aborted_records, aborted_bytes = mark
        knows_aborted = False
        for position, header in segment.batches(mark.position, next_offset=mark.next_offset):
            if header.last_offset >= offset:
                return _Edge(
                    Mark(next_offset, position, batches, records, size_bytes, aborted_records, aborted_bytes), header
                )
            next_offset, position = header.next_offset, position + header.size_bytes
            batches += 1
            if header.record_count and not header.is_control:
                records, size_bytes = records + header.record_count, size_bytes + header.size_bytes
                if header.is_transactional and not knows_aborted:
                    aborted = Aborted(self._log.aborted_transactions(header.base_offset, reach))
                    knows_aborted = True
                if header.is_transactional and aborted.covers(header):
                    aborted_records += header.record_count
                    aborted_bytes += header.size_bytes
            if next_offset <= self._stable_offset and tally.is_due(batches):
                tally.add(Mark(next_offset, position, batches, records, size_bytes, aborted_records, aborted_bytes))
            if batches % HEADERS_AT_ONCE == 0:
                yield None
                self._check_unchanged()
        return _Edge(Mark(next_offset, position, batches, records, size_bytes, aborted_records, aborted_bytes), None)

    def _check_unchanged(self) -> None:
        if self._log.segments is not self._segments or self._segments.version != self._version:
            raise _Replaced

    def _is_visible(self, header: BatchHeader) -> bool:
        """Whether the reader gets the batch's records."""
        if header.is_control or not header.record_count:
            return False
        if not (self._committed and header.is_transactional):
            return True
        return not Aborted(self._log.aborted_transactions(header.base_offset, header.next_offset)).covers(header)

    # ---------------------------------------------------------------------------------------------- looking into

    def _within(
        self, segment: Segment, position: int, header: BatchHeader, begin: int, end: int
    ) -> Generator[Look | None, int, int]:
        """How many records of a batch have offsets from `begin` up to, not with, `end`."""
        if header.record_count == header.last_offset_delta + 1:
            return min(end, header.next_offset) - max(begin, header.base_offset)
        batch = segment.sound_batch(position, header)
        found = yield Look(partial(_count_within, batch, header, begin, end), is_short(batch, 0, header))
        self._check_unchanged()
        return found

    def _first_time(self, segment: Segment, mark: Mark, begin: int) -> Generator[Look | None, int, int | None]:
        """The time of the first record that the reader gets from `begin` on; the segment has one."""
        batches = segment.batches(mark.position, next_offset=mark.next_offset)
        for count, (position, header) in enumerate(batches, 1):
            if self._is_visible(header):
                batch = segment.sound_batch(position, header)
                found = yield Look(partial(_time_of_first, batch, header, begin), is_short(batch, 0, header))
                self._check_unchanged()
                if found != NOTHING:
                    return found
            elif count % HEADERS_AT_ONCE == 0:
                yield None
                self._check_unchanged()
        return None


class Aborted:
    """Aborted transactions, to be asked batch by batch. A producer has one at a time, so theirs do not overlap."""

    def __init__(self, transactions: Iterable[AbortedTransaction]) -> None:
        self._of: dict[int, tuple[list[int], list[int]]] = {}
        for each in sorted(transactions, key=lambda each: each.last_offset):
            firsts, lasts = self._of.setdefault(each.producer_id, ([], []))
            firsts.append(each.first_offset)
            lasts.append(each.last_offset)

    def covers(self, header: BatchHeader) -> bool:
        """Whether a transactional batch belongs to one of them."""
        firsts, lasts = self._of.get(header.producer_id, ((), ()))
        index = bisect_left(lasts, header.base_offset)
        return index < len(lasts) and firsts[index] <= header.last_offset


NOTHING = -(2**63)


def _count_within(batch: bytes, header: BatchHeader, begin: int, end: int) -> int:
    offsets = (header.base_offset + record.offset_delta for record in raw_records(payload_of(batch, 0, header), header))
    return sum(begin <= offset < end for offset in offsets)


def _time_of_first(batch: bytes, header: BatchHeader, begin: int) -> int:
    """NOTHING where the batch has no record so far on."""
    for record in raw_records(payload_of(batch, 0, header), header):
        if header.base_offset + record.offset_delta >= begin:
            return header.max_timestamp if header.timestamp_type_log_append else record.timestamp(header)
    return NOTHING
