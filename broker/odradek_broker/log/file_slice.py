"""A run of bytes in a segment's file: what a read returns, and what a fetch sends without looking at it."""

from __future__ import annotations

from odradek_broker.ports.disk import File


class FileSlice:
    """Holds its file, so that a segment deleted or compacted away meanwhile can still be sent to the end."""

    __slots__ = ("file", "length", "position", "segment_base_offset")

    def __init__(self, file: File, position: int, length: int, segment_base_offset: int = 0) -> None:
        self.file = file
        self.position = position
        self.length = length
        self.segment_base_offset = segment_base_offset
        """Of the segment whose file it is."""

    def __len__(self) -> int:
        return self.length

    def fileno(self) -> int | None:
        """A descriptor for sendfile, or None where there is none."""
        return self.file.fileno()

    def read(self) -> bytes:
        return self.file.read(self.position, self.length)
