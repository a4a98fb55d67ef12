"""What can go wrong with a log, apart from OSError, which passes through."""

from __future__ import annotations

import errno


class OffsetOutOfRange(Exception):
    """The offset lies before the log's start or behind its end."""

    def __init__(self, offset: int, log_start_offset: int, log_end_offset: int) -> None:
        super().__init__(f"offset {offset} is outside of {log_start_offset} to {log_end_offset}")
        self.offset = offset


class DamagedLog(OSError):
    """What a segment had been given does not read back. What lies before `offset` in the log is not touched by it."""

    def __init__(self, path: str, position: int, offset: int, reason: str) -> None:
        super().__init__(errno.EIO, reason, path)
        self.position = position
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.filename}, position {self.position}, offset {self.offset}: {self.strerror}"


class LogFailed(Exception):
    """A sync failed once, so that nobody knows what is on the disk: the log takes nothing more until it is reopened."""


class OffsetsOutOfOrder(Exception):
    """A leader sent batches that do not follow on the end of this log, or are damaged."""


class CorruptIndex(Exception):
    """An index file does not fit its segment; it is rebuilt from the records."""


class CorruptCheckpoint(Exception):
    """A checkpoint or snapshot file is not what it should be."""


class InconsistentDirectory(Exception):
    """The log directory belongs to another cluster or another node, or does not say any more whose it is."""


class TopicIdMismatch(Exception):
    """The directory holds the log of another topic of the same name."""


class DiskFailed(OSError):
    """A log here can be used no more, and others have it: they are to go on with it, so this broker ends."""
