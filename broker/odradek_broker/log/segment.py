"""A segment: one `.log` file of whole batches, with its indexes.

Invariants
    All offsets in it are at or behind its base offset, and rise from batch to batch.
    The indexes are derived: whatever is missing or does not fit is rebuilt from the file, and that is said. So a wrong
    index makes no read skip a record, and no log count as damaged.
    What is damaged in the file raises DamagedLog: no walk takes it for the end.
    Files are opened and indexes loaded on first use, so that a log of many segments opens at once.
    Only the last segment of a log is appended to; the others are sealed: their indexes are on disk, or `unsaved`.
"""

from __future__ import annotations

from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log import damage, filenames, offset_index, time_index
from odradek_broker.log.failures import CorruptIndex, DamagedLog
from odradek_broker.log.offset_index import OffsetIndex
from odradek_broker.log.sealed_files import SealedFiles
from odradek_broker.log.segment_files import SegmentFiles
from odradek_broker.log.tail import Tail
from odradek_broker.log.tally import Tally
from odradek_broker.log.time_index import TimeIndex
from odradek_broker.log.transaction_index import TransactionIndex
from odradek_broker.ports.disk import Disk

UNKNOWN = -1
_NOT_LOADED = -2


class Segment(SegmentFiles):
    """`size_bytes` of a segment that exists already is given, so that opening a log need not open the file."""

    __slots__ = (
        "_first_timestamp",
        "_known_damage",
        "_largest_timestamp",
        "_offset_index",
        "_offset_of_largest_timestamp",
        "_tail",
        "_tally",
        "_time_index",
        "_transaction_index",
        "bytes_since_index",
        "index_interval_bytes",
        "is_ready",
    )

    def __init__(
        self, disk: Disk, directory: str, base_offset: int, size_bytes: int, index_interval_bytes: int, suffix: str = ""
    ) -> None:
        super().__init__(disk, directory, base_offset, size_bytes, suffix)
        self.index_interval_bytes = index_interval_bytes
        self.bytes_since_index = 0
        self.is_ready = False
        """Whether `note` may be called: the indexes are loaded and the largest timestamp is known."""
        self._tally: Tally | None = None
        self._offset_index: OffsetIndex | None = None
        self._time_index: TimeIndex | None = None
        self._transaction_index: TransactionIndex | None = None
        self._tail = Tail()
        self._largest_timestamp = _NOT_LOADED
        self._offset_of_largest_timestamp = base_offset
        self._first_timestamp = _NOT_LOADED
        self._known_damage: tuple[str, int, int, str] | None = None
        """Of the file, as DamagedLog has it, where the indexes could not be made anew."""

    @classmethod
    def create(
        cls, disk: Disk, directory: str, base_offset: int, index_interval_bytes: int, suffix: str = ""
    ) -> Segment:
        """A new, empty segment and its `.log` file."""
        segment = cls(disk, directory, base_offset, 0, index_interval_bytes, suffix)
        segment._file = disk.open(segment.path(filenames.LOG), create=True)
        if segment._file.size:
            segment._file.truncate(0)  # left from an attempt that failed
        segment.start_empty()
        return segment

    def reader(self) -> Segment:
        """The same segment, as it is now, through a handle of its own, for another thread."""
        made = Segment(self._disk, self.directory, self.base_offset, self.size_bytes, self.index_interval_bytes)
        if self.in_transit is not None:
            made._file, made._offset_index, made._time_index = self._file, self._offset_index, self._time_index
        return made

    def walker(self) -> Segment:
        """A reader that walks from the beginning whatever it looks for: the indexes may not be on disk yet."""
        made = self.reader()
        made._offset_index = OffsetIndex(self.base_offset)
        return made

    # The parts, each loaded when first asked for.

    @property
    def offset_index(self) -> OffsetIndex:
        if self._offset_index is None:
            self._load_indexes()
        assert self._offset_index is not None
        return self._offset_index

    @property
    def time_index(self) -> TimeIndex:
        if self._time_index is None:
            self._load_indexes()
        assert self._time_index is not None
        return self._time_index

    @property
    def transaction_index(self) -> TransactionIndex:
        """Raises CorruptIndex: it cannot be rebuilt from the segment alone."""
        if self._transaction_index is None:
            self._transaction_index = self._read_transaction_index()
        return self._transaction_index

    @transaction_index.setter
    def transaction_index(self, index: TransactionIndex) -> None:
        self._transaction_index = index
        self._has_changed()

    @property
    def largest_timestamp(self) -> int:
        """The youngest batch's, or -1 where no batch has one."""
        if self._largest_timestamp == _NOT_LOADED:
            self._load_largest_timestamp()
        return self._largest_timestamp

    @property
    def offset_of_largest_timestamp(self) -> int:
        """The last offset of the first batch that is that young."""
        if self._largest_timestamp == _NOT_LOADED:
            self._load_largest_timestamp()
        return self._offset_of_largest_timestamp

    @property
    def first_timestamp(self) -> int:
        """The first batch's largest timestamp, from which the age of the segment counts; -1 where it has none."""
        if self._first_timestamp == _NOT_LOADED:
            self._first_timestamp = self.header_at(0).max_timestamp if self.size_bytes else UNKNOWN
        return self._first_timestamp

    @property
    def tally(self) -> Tally:
        """What has been counted of it so far."""
        if self._tally is None:
            self._tally = Tally(self.base_offset)
        return self._tally

    def forget_tally(self) -> None:
        """What was counted need not be true any more."""
        self._tally = None

    # Writing.

    def make_ready(self, next_offset: int) -> None:
        """Load what appending needs; `next_offset` is the end of the log."""
        _ = self.file, self.time_index, self.transaction_index, self.largest_timestamp
        self.bytes_since_index = self.size_bytes - self.offset_index.last_position()
        self._tail = Tail(floor=next_offset - 1)
        self.is_ready = True

    def has_full_index(self, index_bytes: int) -> bool:
        """Whether one of the indexes may grow no more."""
        entries = len(self.offset_index)
        return entries >= index_bytes // offset_index.ENTRY_BYTES or entries > index_bytes // time_index.ENTRY_BYTES - 1

    def note(self, position: int, header: BatchHeader, last_offset: int) -> None:
        """Bring the indexes up to a batch that now lies in the file at `position`."""
        max_timestamp = header.max_timestamp if header.record_count else UNKNOWN
        if max_timestamp > self._largest_timestamp:
            self._largest_timestamp = max_timestamp
            self._offset_of_largest_timestamp = last_offset
        if position == 0:
            self._first_timestamp = max_timestamp
        self._tail.append(last_offset, position)
        if self.bytes_since_index > self.index_interval_bytes:
            self.offset_index.append(last_offset, position)
            self.time_index.maybe_append(self._largest_timestamp, self._offset_of_largest_timestamp)
            self.bytes_since_index = 0
        self.bytes_since_index += header.size_bytes
        self.unsaved = True

    def complete_time_index(self) -> None:
        """Give it its last entry, which carries the largest timestamp of all."""
        self.time_index.maybe_append(self.largest_timestamp, self.offset_of_largest_timestamp)
        self._has_changed()

    def save(self, *, sync: bool = False) -> list[str]:
        """Write the indexes where they are not on disk yet; return the paths written, unsynced. Raises OSError."""
        files = self.files_to_save(sync=sync)
        if files is None:
            return []
        files.write()
        self.saved()
        return files.paths

    def files_to_save(self, *, sync: bool = False) -> SealedFiles | None:
        """The same for a worker; None where all is on disk. Once they are written, `saved` takes note of it."""
        if not self.unsaved:
            return None
        if self._saving is None:
            self.complete_time_index()
            aborted = None if self._transaction_index is None else self._transaction_index.copy()
            self._saving = self._index_files(self.offset_index.copy(), self.time_index.copy(), aborted, sync=sync)
        return self._saving

    def release(self) -> None:
        """Let go of the file and the indexes; they come back when asked for. Only if `may_be_released`."""
        assert self.may_be_released, "what is only in memory would be lost"
        self._file = self._offset_index = self._time_index = self._transaction_index = None
        self._tail = Tail()
        self.is_ready = False

    def truncate_to_position(self, position: int, next_offset: int) -> None:
        """Cut the file at the beginning of a batch; `next_offset` is the end of the log then."""
        self._has_changed()
        self.file.truncate(position)
        self.size_bytes = position
        self._known_damage = None
        self.offset_index.truncate_to_position(position)
        self.time_index.truncate_to(next_offset)
        self.transaction_index.truncate_to(next_offset)
        self._first_timestamp = _NOT_LOADED
        self._find_largest_timestamp()
        self.make_ready(next_offset)

    def remove(self) -> None:
        """Remove all its files, the `.log` last."""
        self.forget_unsaved()
        self.release()
        self._remove_files()

    def rename(self, suffix: str, *, in_order: bool = False) -> None:
        """Give all its files another second suffix. What is not saved of the indexes is forgotten."""
        self.forget_unsaved()
        self.release()
        self.rename_files(suffix, in_order=in_order)

    # Reading.

    def find(self, offset: int) -> tuple[int, int] | None:
        """Where the first batch that ends at or behind `offset` begins, and where it ends; None where there is none.

        Raises OSError, DamagedLog.
        """
        if offset > self._tail.floor:
            return self._tail.find(offset, self.size_bytes)
        start = self.offset_index.look_up(offset)
        if start:
            try:
                return self._find_from(start, offset)
            except DamagedLog as error:  # or the index is wrong about where batches begin
                fault = error
            self._rebuild_wrong_index(fault)
            start = self.offset_index.look_up(offset)
        return self._find_from(start, offset)

    def _find_from(self, start: int, offset: int) -> tuple[int, int] | None:
        for position, end, last_offset in self._walk(start):
            if last_offset >= offset:
                if position == start > 0 and last_offset > offset:
                    reason = f"a batch that ends at offset {last_offset} is noted as one before {offset}"
                    raise DamagedLog(self.path(filenames.OFFSET_INDEX), position, self.base_offset, reason)
                return position, end
        return None

    def batch_before_cut(self, offset: int) -> tuple[int, int] | None:
        """Position and base offset of the first batch that ends at or behind `offset`; None where there is none.

        Or, where the file is damaged before that, of the place from which on it is. Raises OSError.
        """
        try:
            found = self.find(offset)
            return None if found is None else (found[0], self.header_at(found[0]).base_offset)
        except DamagedLog:
            scan = self.scan()
            place = 0, self.base_offset
            for _, header in scan:
                if header.last_offset >= offset:
                    break
                place = scan.position, scan.next_offset
            return place

    def last_boundary(self, boundary: int, limit: int) -> int:
        """The last boundary of a batch at or before `limit`, given one before it (or beyond it: then that one).

        Raises OSError, DamagedLog.
        """
        known = max(boundary, self._tail.boundary_before(limit), self.offset_index.boundary_before(limit))
        try:
            return self._last_boundary(known, boundary, limit)
        except DamagedLog as error:
            if known == boundary:
                raise
            fault = error
        self._rebuild_wrong_index(fault)
        return self._last_boundary(boundary, boundary, limit)

    def _last_boundary(self, known: int, boundary: int, limit: int) -> int:
        for position, end, _ in self._walk(known):
            if end > limit:
                return max(position, boundary)
        return self.size_bytes

    def position_before(self, timestamp: int, from_offset: int) -> int:
        """Where a batch begins that lies before all those behind `from_offset` that are as young as `timestamp`."""
        return self.offset_index.look_up(max(self.time_index.look_up(timestamp), from_offset))

    # Indexes from the file.

    def rebuild_indexes(self) -> None:
        """Offset and time index anew, from the headers of the batches. Raises OSError; DamagedLog, and nothing changed.

        What is damaged is looked through once: who reads there again and again is told the same at once.
        """
        if self._known_damage is not None:
            raise DamagedLog(*self._known_damage)
        made = self.reader()
        made.start_empty()
        try:
            for position, header in self.batches():
                made.note(position, header, header.last_offset)
        except DamagedLog as error:
            self._known_damage = str(error.filename), error.position, error.offset, error.strerror or ""
            raise
        self._offset_index, self._time_index, self._tail = made._offset_index, made._time_index, made._tail
        self._largest_timestamp = made._largest_timestamp
        self._offset_of_largest_timestamp = made._offset_of_largest_timestamp
        self._first_timestamp = made._first_timestamp
        self.bytes_since_index, self.is_ready = made.bytes_since_index, True
        self.complete_time_index()

    def _rebuild_wrong_index(self, fault: DamagedLog) -> None:
        """A walk from where the index says has met something else. Raises DamagedLog where the file is to blame."""
        self.rebuild_indexes()
        damage.say(self.path(filenames.OFFSET_INDEX), fault.strerror)

    def start_empty(self) -> None:
        """Forget the indexes: `note` will be called for every batch there is, from the first."""
        self._offset_index = OffsetIndex(self.base_offset)
        self._time_index = TimeIndex(self.base_offset)
        self._transaction_index = TransactionIndex()
        self._tail = Tail(floor=self.base_offset - 1)
        self._largest_timestamp = UNKNOWN
        self._offset_of_largest_timestamp = self.base_offset
        self._first_timestamp = UNKNOWN
        self._known_damage = None
        self.bytes_since_index = 0
        self.is_ready = True

    def _load_indexes(self) -> None:
        try:
            self._offset_index, self._time_index = self._read_offset_index(), self._read_time_index()
        except (FileNotFoundError, CorruptIndex) as error:
            self._rebuild_unusable_index(error)

    def confirm_largest_timestamp(self) -> None:
        """See whether the batches bear out what the time index says, and make it anew where they do not.

        The batch that it names must be that young, and the last one no younger. Raises OSError, DamagedLog.
        """
        largest, offset = self.largest_timestamp, self.offset_of_largest_timestamp
        found = self.find(offset)
        named = None if found is None else self.header_at(found[0])
        if named is not None and named.base_offset <= offset and named.max_timestamp == largest:
            for _, header in self.batches(self.offset_index.last_position()):
                if header.record_count and header.max_timestamp > largest:
                    break
            else:
                return
        self.rebuild_indexes()
        damage.say(self.path(filenames.TIME_INDEX), f"no batch bears out that none is younger than {largest}")

    def _rebuild_unusable_index(self, fault: FileNotFoundError | CorruptIndex) -> None:
        if self.size_bytes:  # an empty segment need not have any
            what = "an index of it is not there" if isinstance(fault, FileNotFoundError) else f"an index of it, {fault}"
            damage.say(self.path(filenames.LOG), what)
        self.rebuild_indexes()

    def _load_largest_timestamp(self) -> None:
        """From the end of the time index file, unless that is not there: then with all the rest."""
        if self._time_index is None:
            try:
                last = self._read_last_time_entry()
            except FileNotFoundError as error:
                self._rebuild_unusable_index(error)
                return
        else:
            last = self._time_index.last_entry()
        self._largest_timestamp, self._offset_of_largest_timestamp = last

    def _find_largest_timestamp(self) -> None:
        """From the last entry of the time index on, which may not be the end."""
        largest, offset = self.time_index.last_entry()
        for _, header in self.batches(self.offset_index.look_up(offset)):
            if header.record_count and header.max_timestamp > largest:
                largest, offset = header.max_timestamp, header.last_offset
        self._largest_timestamp, self._offset_of_largest_timestamp = largest, offset
