"""Files that are on their way out: renamed to `.deleted` now, removed after a delay, for those who still read them."""

from __future__ import annotations

from odradek_broker.log import filenames
from odradek_broker.log.segment import Segment
from odradek_broker.ports.disk import Disk


class DeletedFiles:
    """Of one log. After a restart they are simply removed (see swap.tidy)."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._due: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    def add(self, segments: list[Segment], due_ms: int) -> None:
        """Segments that bear the suffix already."""
        for segment in segments:
            self._due += [(due_ms, segment.path(suffix)) for suffix in filenames.SEGMENT_SUFFIXES]

    def remove_due(self, now_ms: int) -> None:
        """Remove what was marked long enough ago. Raises OSError; what could not be removed is tried again."""
        for entry in list(self._due):
            due_ms, path = entry
            if due_ms <= now_ms:
                if self._disk.exists(path):
                    self._disk.remove(path)
                self._due.remove(entry)
