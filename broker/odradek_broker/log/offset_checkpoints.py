"""The five files of a log directory that say how far a start may believe its logs.

    recovery-point-offset-checkpoint   all below is on stable storage, and what is derived of it: no need to look
    log-start-offset-checkpoint        where each log begins, where DeleteRecords has moved that
    replication-offset-checkpoint      high watermarks
    cleaner-offset-checkpoint          how far compaction has come
    compacted-for-offset-checkpoint    a key of ours: records may be gone for the sake of some that lie before this.
                                       Written before the first of them goes, it may say too much, never too little

Invariants
    An entry belongs to a topic's id, so that it is never taken for another topic's of the same name.
    One file is written by one thread at a time, and what is written is what holds at the moment when its turn has
    come: a write that began earlier never puts older values in the place of newer ones.
    Before a log is cut, or another takes its place, what is written of it is brought down (`write`, `forget`); where
    a start has found it shorter, before anything is appended to it (`lower`).

What is not there counts as 0, which claims nothing. (Damage may have taken what compaction had been over: see
`LogDirectory.open_log`.) A file that is damaged is taken as empty and named in `damaged`.
Kafka: OffsetCheckpointFile; its first column is the topic's name, and it has no checksum.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping

from odradek_broker.log import checkpoints
from odradek_broker.log.checkpoints import LogKey
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.ports.disk import Disk

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
LOG_START_OFFSETS = "log-start-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
CLEANER_OFFSETS = "cleaner-offset-checkpoint"
COMPACTED_FOR = "compacted-for-offset-checkpoint"
NAMES = (RECOVERY_POINTS, LOG_START_OFFSETS, HIGH_WATERMARKS, CLEANER_OFFSETS, COMPACTED_FOR)
_NO_LIMIT = 2**63 - 1


class OffsetCheckpoints:
    """Of one log directory; safe to be used by several threads."""

    def __init__(self, path: str, disk: Disk) -> None:
        """Read the files. Raises OSError."""
        self.damaged: list[str] = []
        self._path = path
        self._disk = disk
        self._lock = threading.Lock()
        self._written = {name: self._read(name) for name in NAMES}

    def written(self, name: str) -> Mapping[LogKey, int]:
        """What stands in a file."""
        return self._written[name]

    def get(self, name: str, key: LogKey) -> int:
        return self._written[name].get(key, 0)

    def write(self, name: str, current: Callable[[Mapping[LogKey, int]], Mapping[LogKey, int]]) -> None:
        """Let a file say what `current` answers, given what it says now. Blocks until it is on stable storage.

        It is asked when the file's turn has come, in this thread. Nothing is written where nothing has changed.
        Raises OSError, and then the file says what it said.
        """
        with self._lock:
            offsets = {key: offset for key, offset in current(self._written[name]).items() if offset > 0}
            if offsets != self._written[name]:
                self._disk.replace_file(os.path.join(self._path, name), checkpoints.encode_offsets(offsets))
                self._written[name] = offsets

    def lower(self, limits: Mapping[LogKey, int], names: Collection[str] = NAMES) -> None:
        """Say no more than this of these logs: they end there. Blocks, where more is said. Raises OSError."""
        for name in names:
            if any(self.get(name, key) > limit for key, limit in limits.items()):
                self.write(
                    name, lambda written: {key: min(written[key], limits.get(key, _NO_LIMIT)) for key in written}
                )

    def forget(self, key: LogKey) -> None:
        """Say nothing of a log any more: another will have its key. Blocks. Raises OSError."""
        for name in NAMES:
            self.write(name, lambda written: {other: written[other] for other in written if other != key})

    def _read(self, name: str) -> dict[LogKey, int]:
        try:
            return checkpoints.decode_offsets(self._disk.read_file(os.path.join(self._path, name)))
        except FileNotFoundError:
            return {}
        except CorruptCheckpoint:
            self.damaged.append(name)
            return {}
