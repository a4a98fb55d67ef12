"""Compaction of one log: which part of it is due, and the pass that rewrites it.

The log makes a plan in its own thread; `CompactionPlan.step` reads and writes whole segments and is made for any other
thread; after each step the log puts the new segment in the place of the old ones (`Log.install`). Sealed segments do
not change, so neither has to wait for the other; if retention or a truncation takes one of them away meanwhile, the
plan is over.

Never touched: the active segment, what is not yet stable (open transactions, not yet replicated), what is not on
stable storage here, and what is younger than `min.compaction.lag.ms`. What a pass leaves is synced: else a power cut
could take the record for which another was removed, or the leader epoch of a batch that is gone, and keep the gap.
Kafka: LogCleanerManager, Cleaner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader, read_header
from odradek_broker.log import filenames
from odradek_broker.log.cleaning import Cleaning, LastBatch, Transactions
from odradek_broker.log.config import LogConfig
from odradek_broker.log.key_offsets import KeyOffsets
from odradek_broker.log.offset_index import MAX_RELATIVE_OFFSET
from odradek_broker.log.raw_batch import payload_of, raw_records
from odradek_broker.log.segment import Segment
from odradek_broker.log.transaction_index import AbortedTransaction
from odradek_broker.ports.disk import Disk

_WRITE_BYTES = 1024 * 1024


class Dirty(NamedTuple):
    """What a pass of compaction would find."""

    segments: list[Segment]
    """All that would be rewritten, the clean ones before the dirty ones."""
    first_dirty_offset: int
    end_offset: int
    """The pass would end here."""
    ratio: float
    """How much of it is dirty, by bytes."""
    since_ms: int
    """The timestamp of the first dirty batch, or -1."""


def find_dirty(
    segments: Sequence[Segment], config: LogConfig, *, first_dirty_offset: int, stable_offset: int, now_ms: int
) -> Dirty | None:
    """What can be compacted up to `stable_offset`; None where nothing is new. The last segment is the active one."""
    end_offset = segments[-1].base_offset
    taken = []
    for segment, following in pairwise(segments):
        is_young = segment.largest_timestamp > now_ms - config.min_compaction_lag_ms
        if following.base_offset > stable_offset or (config.min_compaction_lag_ms > 0 and is_young):
            end_offset = segment.base_offset
            break
        taken.append(segment)
    dirty = [segment for segment in taken if _end(segment, segments) > first_dirty_offset]
    total = sum(segment.size_bytes for segment in taken)
    if not dirty or not total:
        return None
    ratio = sum(segment.size_bytes for segment in dirty) / total
    return Dirty(taken, max(first_dirty_offset, dirty[0].base_offset), end_offset, ratio, dirty[0].first_timestamp)


def _end(segment: Segment, segments: Sequence[Segment]) -> int:
    return next(other.base_offset for other in segments if other.base_offset > segment.base_offset)


def is_due(dirty: Dirty, config: LogConfig, now_ms: int) -> bool:
    """By the share of what is dirty, or because a record has waited long enough."""
    waited_ms = now_ms - dirty.since_ms if dirty.since_ms >= 0 else 0
    return dirty.ratio > config.min_cleanable_dirty_ratio or waited_ms > config.max_compaction_lag_ms


def grouped(segments: Sequence[Segment], end_offset: int, config: LogConfig) -> list[list[Segment]]:
    """Neighbours that together fit in one segment."""
    groups: list[list[Segment]] = []
    size = 0
    ends = [*(segment.base_offset for segment in segments[1:]), end_offset]
    for segment, end in zip(segments, ends, strict=True):
        fits = (
            groups
            and size + segment.size_bytes <= config.segment_bytes
            and end - 1 - groups[-1][0].base_offset <= MAX_RELATIVE_OFFSET
        )
        if fits:
            groups[-1].append(segment)
        else:
            groups.append([segment])
            size = 0
        size += segment.size_bytes
    return groups


class Group(NamedTuple):
    """Segments rewritten into one."""

    old: list[Segment]
    cleaned: Segment


class CompactionPlan:
    """One pass over a log.

    `step` raises OSError, also where retention has taken a segment away meanwhile, and DamagedLog; either ends the pass
    and leaves the log as it is.
    """

    def __init__(
        self,
        disk: Disk,
        dirty: Dirty,
        config: LogConfig,
        *,
        aborted: list[AbortedTransaction],
        producers: Mapping[int, LastBatch],
        truncations: int,
        now_ms: int,
    ) -> None:
        self.truncations = truncations
        """How often the log had been cut when the pass began."""
        self._disk = disk
        self._config = config
        self._dirty = dirty
        self._aborted = aborted
        self._producers = producers
        self._now_ms = now_ms
        self._groups = iter(grouped(dirty.segments, dirty.end_offset, config))
        self._cleaning: Cleaning | None = None
        self.end_offset = dirty.first_dirty_offset
        """All before this is clean once the plan is done."""
        self.ready: Group | None = None
        """Written and synced by the last step; to be installed before the next."""
        self.done = False

    def step(self) -> bool:
        """Rewrite one group of segments; whether there was one left. Blocking."""
        assert self.ready is None, "install comes between two steps"
        if self._cleaning is None:
            self._cleaning = self._prepare()
        group = next(self._groups, None)
        if group is None or group[0].base_offset >= self.end_offset:
            self.done = True
            return False
        self.ready = Group(group, self._rewrite([segment.reader() for segment in group], self._cleaning))
        return True

    @property
    def unreadable(self) -> dict[int, str]:
        """By base offset, batches that were left as they are because their records cannot be read, and why."""
        return {} if self._cleaning is None else self._cleaning.unreadable

    def discard(self) -> None:
        """Remove what has been written and not installed."""
        if self.ready is not None:
            self.ready.cleaned.remove()
            self.ready = None

    def _prepare(self) -> Cleaning:
        """Note the newest offset of each key in the dirty part."""
        newest = KeyOffsets(self._config.dedupe_buffer_bytes)
        newest.end_offset = self._dirty.first_dirty_offset
        transactions = Transactions(self._aborted)
        for batch, header in self._dirty_batches():
            if newest.is_full:
                break
            if not header.is_control and not transactions.is_aborted(header):
                _note_keys(newest, batch, header)
            newest.end_offset = header.next_offset
        else:
            newest.end_offset = self._dirty.end_offset
        self.end_offset = newest.end_offset
        return Cleaning(
            newest,
            Transactions(self._aborted),
            self._producers,
            delete_retention_ms=self._config.delete_retention_ms,
            now_ms=self._now_ms,
        )

    def _dirty_batches(self) -> Iterator[tuple[bytes, BatchHeader]]:
        for segment in self._dirty.segments:
            for _, batch, header in _sound_batches(segment.reader()):
                if header.last_offset >= self._dirty.first_dirty_offset:
                    yield batch, header

    def _rewrite(self, old: list[Segment], cleaning: Cleaning) -> Segment:
        cleaned = Segment.create(
            self._disk,
            old[0].directory,
            old[0].base_offset,
            self._config.index_interval_bytes,
            filenames.CLEANED,
        )
        try:
            self._fill(cleaned, old, cleaning)
            self._save(cleaned, old)
        except BaseException:
            cleaned.remove()
            raise
        return cleaned

    def _fill(self, cleaned: Segment, old: list[Segment], cleaning: Cleaning) -> None:
        written = bytearray()
        noted: list[tuple[int, BatchHeader]] = []
        for batch, header, is_last in _batches(old):
            kept = cleaning.clean(batch, header, is_last=is_last)
            for aborted in cleaning.aborted:
                cleaned.transaction_index.append(aborted)
            cleaning.aborted.clear()
            if kept is not None:
                noted.append((len(written), read_header(kept)))
                written += kept
            if len(written) >= _WRITE_BYTES or is_last:
                _flush(cleaned, written, noted)
                written, noted = bytearray(), []

    def _save(self, cleaned: Segment, old: list[Segment]) -> None:
        """Write and sync; with a transaction index, if only an empty one, where an old segment has one (see swap)."""
        cleaned.unsaved = True
        paths = cleaned.save()
        transactions = cleaned.path(filenames.TRANSACTION_INDEX)
        if transactions not in paths and any(
            self._disk.exists(segment.path(filenames.TRANSACTION_INDEX)) for segment in old
        ):
            self._disk.replace_file(transactions, b"", sync=False)
            paths.append(transactions)
        cleaned.file.sync()
        for path in paths:
            self._disk.sync_file(path)


def _note_keys(newest: KeyOffsets, batch: bytes, header: BatchHeader) -> None:
    """As far as the records can be read: a batch that cannot be stays as it is (cleaning.py)."""
    try:
        for record in raw_records(payload_of(batch, 0, header), header):
            if record.key is not None:
                newest.note(record.key, header.base_offset + record.offset_delta)
    except ProtocolError:
        pass


def _batches(segments: list[Segment]) -> Iterator[tuple[bytes, BatchHeader, bool]]:
    """All batches of all segments, and whether it is the very last one."""
    for segment in segments:
        for position, batch, header in _sound_batches(segment):
            is_last = segment is segments[-1] and position + header.size_bytes == segment.size_bytes
            yield batch, header, is_last


def _sound_batches(segment: Segment) -> Iterator[tuple[int, bytes, BatchHeader]]:
    """Position, bytes and header of all batches. Raises OSError; DamagedLog where one is damaged.

    Passed over, it would take what lies behind it along; and rewritten it would get a checksum that matches.
    """
    for position, header in segment.batches():
        yield position, segment.sound_batch(position, header), header


def _flush(cleaned: Segment, written: bytearray, noted: list[tuple[int, BatchHeader]]) -> None:
    if written:
        start = cleaned.append(memoryview(written))
        for position, header in noted:
            cleaned.note(start + position, header, header.last_offset)
