"""What is on its way out: renamed now, removed after a delay, for those who still read it.

After a restart it is simply removed (see swap.tidy, and LogDirectory.deleted_directories).
"""

from __future__ import annotations

from odradek_broker.log import filenames
from odradek_broker.log.segment import Segment


class DeletedFiles:
    """Of one log, or the deleted logs of a directory."""

    def __init__(self) -> None:
        self._due: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    def add(self, path: str, due_ms: int) -> None:
        self._due.append((due_ms, path))

    def add_segments(self, segments: list[Segment], due_ms: int) -> None:
        """Segments that bear the suffix already."""
        for segment in segments:
            for suffix in filenames.SEGMENT_SUFFIXES:
                self.add(segment.path(suffix), due_ms)

    def take_due(self, now_ms: int) -> list[str]:
        """Paths of what was marked long enough ago; the caller removes them."""
        due = [path for due_ms, path in self._due if due_ms <= now_ms]
        if due:
            self._due = [entry for entry in self._due if entry[0] > now_ms]
        return due
