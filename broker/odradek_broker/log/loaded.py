"""What a start of a log has found: its state, and for the operator how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field

from odradek_broker.log.leader_epochs import LeaderEpochs
from odradek_broker.log.producer_state import ProducerStates
from odradek_broker.log.segment import Segment
from odradek_broker.log.snapshots import Snapshots


@dataclass
class RecoverySummary:
    """What a start without a clean stop found, or one that was not what a clean stop leaves."""

    recovery_point: int
    was_clean: bool = False
    log_end_offset: int = 0
    scanned_segments: int = 0
    scanned_bytes: int = 0
    cut_at_offset: int = -1
    """Where the log ends because the rest was cut; -1 where nothing was."""
    cut_bytes: int = 0
    cut_segments: int = 0
    """Later segments, removed whole."""
    reason: str = ""
    file: str = ""
    """The path of the file that was cut."""
    gap_at_offset: int = -1
    """Where batches are missing between two that were both kept, or do not read back; -1 where none are (any more)."""

    @property
    def is_damage(self) -> bool:
        """Whether something is gone, or not what it was, that had been on stable storage.

        A write that a power cut has torn is none. Nor can what has come since the recovery point was last written down
        be told from one, however it was damaged.
        """
        was_cut_after_all = self.was_clean and self.cut_at_offset >= 0
        return was_cut_after_all or self.log_end_offset < self.recovery_point or self.gap_at_offset >= 0

    @property
    def sound_up_to(self) -> int:
        """All before this offset is as it was, as far as a start can tell."""
        return self.gap_at_offset if self.gap_at_offset >= 0 else self.log_end_offset

    def __str__(self) -> str:
        """One line for the operator."""
        parts = [f"scanned {self.scanned_bytes} bytes in {self.scanned_segments} segments"]
        if self.cut_at_offset >= 0:
            parts.append(
                f"cut {self.cut_bytes} bytes and {self.cut_segments} later segments at offset {self.cut_at_offset} "
                f"({self.file}): {self.reason}"
            )
        else:
            parts.append("nothing was cut")
        if self.log_end_offset < self.recovery_point:
            parts.append(f"the log ends BELOW the recovery point {self.recovery_point}")
        if self.gap_at_offset >= 0:
            parts.append(f"batches are MISSING from offset {self.gap_at_offset} on")
        return ", ".join(parts)


@dataclass
class Loaded:
    """A log's state as it was found, or made."""

    segments: list[Segment]
    snapshots: Snapshots
    epochs: LeaderEpochs
    log_end_offset: int = 0
    producers: ProducerStates = field(default_factory=ProducerStates)
    summary: RecoverySummary | None = None
    written: list[str] = field(default_factory=list)
    """Paths of what was written and not synced, apart from the segments."""
