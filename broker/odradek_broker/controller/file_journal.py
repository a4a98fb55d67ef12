"""A journal on one machine's disk, for a cluster with one controller.

It is Kafka's: an ordinary log in __cluster_metadata-0 and snapshots beside it, so that kafka-dump-log reads both with
--cluster-metadata-decoder. The records of one append are one batch: after a crash all of them are there, or none.

Invariants
    The newest snapshot that reads back, and the log from its end on, make the image.
    A snapshot is there whole, under its name, or not at all; and only of what was durable in the log before.
    The log goes only as far as an older snapshot reaches, so that the newest may be lost: two snapshots are kept.
    Damage is not passed over: see journal_files.py.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.controller.frame import frame, unframe
from odradek_broker.controller.history import NO_EPOCH, NO_OFFSET, History
from odradek_broker.controller.image import METADATA_TOPIC, MetadataImage
from odradek_broker.controller.journal import Entry, JournalDamaged
from odradek_broker.controller.journal_files import damaged, examine, snapshots_of
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.snapshot_file import Snapshot, SnapshotId, encode_snapshot
from odradek_broker.log import filenames
from odradek_broker.log.config import LogConfig
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.log import Log
from odradek_broker.log.validation import Origin, Refused
from odradek_broker.ports.disk import Disk

logger = logging.getLogger(__name__)

METADATA_TOPIC_ID = bytes(15) + b"\x01"
MAX_BATCH_BYTES = 100 * 1024 * 1024
READ_BYTES = 1024 * 1024
SNAPSHOT_BYTES = 4 * 1024 * 1024
SNAPSHOT_INTERVAL_MS = 60 * 60 * 1000


class FileJournal:
    """A fsynced log in a directory of its own."""

    def __init__(
        self,
        data_directory: str,
        disk: Disk,
        now_ms: int,
        *,
        clean: bool = False,
        seen: tuple[int, int] = (NO_OFFSET, NO_EPOCH),
        snapshot_bytes: int = SNAPSHOT_BYTES,
        snapshot_interval_ms: int = SNAPSHOT_INTERVAL_MS,
    ) -> None:
        """`seen`: offset and epoch of the newest record that this node has acted upon; the journal must have it.

        A snapshot is wanted after so many bytes of records, though no fewer than the last one has itself; or where the
        oldest record that is in none is so old (0: age does not count). Raises JournalDamaged, OSError.
        """
        self._disk = disk
        self._directory = os.path.join(data_directory, f"{METADATA_TOPIC}-0")
        self._snapshot_bytes = snapshot_bytes
        self._snapshot_interval_ms = snapshot_interval_ms
        files = examine(disk, self._directory, clean=clean, seen_offset=seen[0])
        self.torn = files.torn
        for each in files.bad_snapshots:
            logger.warning("the metadata's snapshot %s; an older one, or the log, stands in for it", each)
        self._newest: Snapshot | None = files.snapshot
        for base in files.unneeded:
            self._remove_segment(base)
        disk.make_dirs(self._directory)
        disk.sync_dir(data_directory)  # it may be a crashed predecessor that has made the directory
        self._log = Log.open(
            self._directory,
            disk,
            LogConfig(max_message_bytes=MAX_BATCH_BYTES, cleanup_policy=frozenset(), file_delete_delay_ms=0),
            topic_id=METADATA_TOPIC_ID,
            is_only_one=True,
            clean=False,
            log_start_offset=files.start_offset if files.unneeded else 0,
            now_ms=now_ms,
        )
        if self._log.log_end_offset < files.start_offset:
            self._log.truncate_fully_and_start_at(files.start_offset)
        self._log.flush()
        self._start_offset = files.start_offset
        self.history = self._history()
        if not self.history.has(*seen, self._log.log_end_offset) and seen[0] >= 0:
            raise damaged(self._directory, f"offset {seen[0]} is not of epoch {seen[1]}", "what was decided there")
        self._epoch = self.history.epoch_of(self._log.log_end_offset)
        self._bytes_since = files.behind_snapshot.size_bytes
        self._oldest_ms = files.behind_snapshot.oldest_ms
        self._now_ms = now_ms
        self._pending: SnapshotId | None = None
        self._bytes_pending = 0
        self._size = 0 if self._newest is None else disk.size(self._path_of(self._newest.id))

    def replay(self) -> Iterator[Entry]:
        snapshot, self._newest = self._newest, None  # it need not stay in memory
        if snapshot is not None:
            yield Entry(snapshot.id.end_offset - 1, snapshot.records, is_snapshot=True)
        offset = self._start_offset
        while (found := self._log.read(offset, READ_BYTES)) is not None:
            data = found.read()
            records = [each for each in decode_records(data) if each.offset >= offset]
            offset = records[-1].offset + 1
            yield Entry(offset - 1, [self._understood(record) for record in records])

    def append(self, records: Sequence[Struct], now_ms: int) -> int:
        assert records
        batch = build_batch([Record(timestamp=now_ms, value=frame(record)) for record in records])
        appended = self._log.append_as_leader(
            memoryview(batch), leader_epoch=self._epoch, now_ms=now_ms, origin=Origin.COORDINATOR
        )
        assert not isinstance(appended, Refused), appended
        try:
            self._log.flush()
        except OSError as error:  # it is written, and nobody knows whether it stays: not even that it was refused
            raise LogFailed(f"a sync of the journal failed: {error}") from error
        self._now_ms = now_ms
        if self._oldest_ms is None:
            self._oldest_ms = now_ms
        self._bytes_since += len(batch)
        return appended.last_offset

    @property
    def wants_snapshot(self) -> bool:
        if self._pending is not None or self._oldest_ms is None:
            return False
        is_old = 0 < self._snapshot_interval_ms <= self._now_ms - self._oldest_ms
        return is_old or self._bytes_since >= max(self._snapshot_bytes, self._size)

    def begin_snapshot(self, image: MetadataImage) -> Callable[[], None]:
        assert image.offset + 1 == self._log.log_end_offset, "all that was appended, and no more"
        id = SnapshotId(image.offset + 1, self.history.epoch_of(image.offset))
        self._log.roll(self._now_ms)  # so that all it stands for lies in segments of their own
        self._pending, self._bytes_pending, now_ms = id, self._bytes_since, self._now_ms

        def write() -> None:
            try:
                data = encode_snapshot(id, records_of(image), now_ms)
                self._disk.replace_file(self._path_of(id), data)
            except BaseException:
                self._pending = None
                raise
            self._size = len(data)

        return write

    def end_snapshot(self) -> None:
        assert self._pending is not None
        self._pending = None
        self._bytes_since -= self._bytes_pending
        self._oldest_ms = self._now_ms if self._bytes_since else None
        *obsolete, older, _ = [None, *snapshots_of(self._disk, self._directory)]
        for each in obsolete:
            if each is not None:
                self._disk.remove(self._path_of(each))
        if older is not None:
            self._cut(older.end_offset)

    def close(self) -> None:
        """Raises LogFailed where a write has failed: then it is not left clean, and may well end torn."""
        failed = self._log.failed
        self._log.close(clean=True)
        if failed is not None:
            raise LogFailed(failed)

    def _path_of(self, id: SnapshotId) -> str:
        return os.path.join(self._directory, id.file_name)

    def _understood(self, record: Record) -> Struct:
        try:
            return unframe(record.value or b"")
        except ProtocolError as error:
            raise JournalDamaged(
                f"offset {record.offset} of the metadata in {self._directory} cannot be understood: {error}. "
                "It may have been written by a newer version"
            ) from error

    def _cut(self, offset: int) -> None:
        """Remove the segments that lie wholly before an offset."""
        log = self._log
        log.advance_log_start(offset)
        log.delete_old_segments(self._now_ms, log.log_end_offset)
        for path in log.take_deleted_files(self._now_ms):
            if self._disk.exists(path):
                self._disk.remove(path)

    def _remove_segment(self, base_offset: int) -> None:
        for suffix in reversed(filenames.SEGMENT_SUFFIXES):
            path = os.path.join(self._directory, filenames.segment_file(base_offset, suffix))
            if self._disk.exists(path):
                self._disk.remove(path)

    def _history(self) -> History:
        end, start = self._log.log_end_offset, self._start_offset
        epochs = [(epoch, first) for epoch, first in self._log.epochs.entries() if first < end]
        if self._newest is not None:
            epoch = self._newest.id.epoch
            epochs = [(epoch, 0), *(each for each in epochs if each[0] > epoch and each[1] >= start)]
        own = max([0, *(epoch for epoch, _ in epochs)]) + 1
        return History([*epochs, (own, end)], known_from=start)
