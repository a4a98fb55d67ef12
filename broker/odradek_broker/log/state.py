"""What a log is made of, in memory and on disk: what every part of it works upon (log.py)."""

from __future__ import annotations

from odradek_broker.log import damage, filenames
from odradek_broker.log.config import LogConfig
from odradek_broker.log.deleted_files import DeletedFiles
from odradek_broker.log.epochs_file import EpochsFile
from odradek_broker.log.failures import CorruptIndex
from odradek_broker.log.flush import Unsynced
from odradek_broker.log.leader_epochs import LeaderEpochs
from odradek_broker.log.loaded import Loaded, RecoverySummary
from odradek_broker.log.producer_replay import ProducerReplay
from odradek_broker.log.producer_state import ProducerStates
from odradek_broker.log.segment import Segment
from odradek_broker.log.segments import Segments
from odradek_broker.log.transaction_index import TransactionIndex
from odradek_broker.ports.disk import Disk


class LogState:
    """One log's. Its parts follow one upon another, a job each; Log is the last of them."""

    owes_files = False
    """Whether a sealed segment has files that the next flush is to write."""

    def __init__(
        self,
        directory: str,
        disk: Disk,
        config: LogConfig,
        loaded: Loaded,
        log_start_offset: int,
        first_dirty_offset: int,
        compacted_for: int,
        now_ms: int,
    ) -> None:
        self.directory = directory
        self.config = config
        """Replace it at will; it holds from the next call on."""
        self.segments = Segments(loaded.segments)
        self.epochs: LeaderEpochs = loaded.epochs
        self.producers: ProducerStates = loaded.producers
        self.recovery: RecoverySummary | None = loaded.summary
        """What a start without a clean stop found; None after a clean one, if all was as it had been left."""
        self.log_start_offset = max(log_start_offset, self.segments.first.base_offset)
        self.log_end_offset = loaded.log_end_offset
        self.flushed_offset = self.recovery_point = self.log_end_offset
        self.says_whose_it_is = True
        """Also after a power cut."""
        self.failed: str | None = None
        self.is_closed = False
        self.is_deleted = False
        self.first_dirty_offset = min(max(first_dirty_offset, self.log_start_offset), self.log_end_offset)
        """Compaction has been over all before this."""
        self.compacted_for = max(self.first_dirty_offset, min(compacted_for, self.log_end_offset))
        """Records may be gone for the sake of some that lie before this."""
        self._disk = disk
        self._snapshots = loaded.snapshots
        self._unsynced = Unsynced()
        self.truncations = 0
        self._epochs_written = 0
        """The version of the epochs whose file is on stable storage."""
        self._epochs_file = EpochsFile(directory, disk)
        self._deleted = DeletedFiles()
        self._now_ms = self._active_since_ms = now_ms

    @property
    def size_bytes(self) -> int:
        return self.segments.size_bytes

    def fail(self, reason: str) -> None:
        """Take nothing more. The first reason stays."""
        if self.failed is None:
            self.failed = reason

    def _transaction_index_of(self, segment: Segment) -> TransactionIndex:
        """Made anew where it is damaged. Raises OSError."""
        try:
            return segment.transaction_index
        except CorruptIndex as error:
            damage.say(segment.path(filenames.TRANSACTION_INDEX), error)
            index = self._producer_replay().aborted_transactions_of(segment, list(self.segments), self._snapshots)
            segment.transaction_index = index
            return index

    def _producer_replay(self) -> ProducerReplay:
        return ProducerReplay(self._now_ms)

    # Files on their way out.

    def _retire(self, segments: list[Segment], now_ms: int) -> None:
        """Mark files as deleted, for removal later. What cannot be marked lies there until the next start."""
        for segment in segments:
            segment.rename(filenames.DELETED)
        self._schedule_removal(segments, now_ms)
        self._unsynced.add_directory(self.directory)

    def _schedule_removal(self, segments: list[Segment], now_ms: int) -> None:
        self._deleted.add_segments(segments, now_ms + self.config.file_delete_delay_ms)

    def take_deleted_files(self, now_ms: int) -> list[str]:
        """Paths of files that were marked long enough ago; whoever takes them removes those that are there."""
        return self._deleted.take_due(now_ms)

    def release_files(self) -> None:
        """Close what need not be open; it is opened again when asked for. For logs that lie idle."""
        for segment in self.segments:
            if segment.may_be_released:
                segment.release()
