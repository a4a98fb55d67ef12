"""How one new segment takes the place of several old ones, so that a crash at any point loses neither.

    1. The new segment is written, and synced, as `.cleaned`.                A crash: `.cleaned` is removed.
    2. Its indexes, then its `.log`, are renamed to `.swap`; that last
       rename, once the directory is synced, is the decision.                A crash before: as in 1.
    3. The old segments are renamed to `.deleted`.                           A crash: the next start does 3 and 4.
    4. The new indexes, then the `.log`, get their final names.              Likewise.

The directory is synced between any two of these, and before each `.log` gets a name: of what was not, a power cut keeps
some and not others, in no order. (So a `.log` never stands beside older segments that it replaces, nor without its
indexes.)

Where an old segment has a transaction index the new one brings its own, if only an empty one: so whatever index stands
beside a `.log.swap` under a final name is the new one already. Kafka: LocalLog.replaceSegments, LogLoader.
"""

from __future__ import annotations

import os
from threading import Lock

from odradek_broker.log import filenames
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.scan import Scan
from odradek_broker.log.segment import Segment
from odradek_broker.ports.disk import Disk


class Swap:
    """One that a worker does, while everybody reads the new segment already, by the handle that wrote it.

    Whoever else is about to rename, cut or remove the new segment meanwhile does the swap first, or waits for its end.
    """

    def __init__(self, disk: Disk, directory: str, cleaned: Segment, old: list[Segment]) -> None:
        self.old = old
        self.cleaned = cleaned
        self._disk = disk
        self._directory = directory
        self._lock = Lock()
        self._is_over = False
        self._error: OSError | None = None

    def run(self) -> None:
        """Nothing where it has been done before. Blocks. Raises OSError: the same to all where it has failed."""
        with self._lock:
            if not self._is_over:
                self._is_over = True
                try:
                    swap(self._disk, self._directory, self.cleaned, self.old)
                except OSError as error:
                    self._error = error
            if self._error is not None:
                raise self._error


def swap(disk: Disk, directory: str, cleaned: Segment, old: list[Segment]) -> None:
    """Steps 2 to 4. Afterwards `cleaned` bears its final names and the old ones are `.deleted`."""
    cleaned.rename_files(filenames.SWAP, in_order=True)
    disk.sync_dir(directory)
    for segment in reversed(old):
        segment.rename(filenames.DELETED)
    disk.sync_dir(directory)
    cleaned.rename_files("", in_order=True)
    disk.sync_dir(directory)


def tidy(disk: Disk, directory: str) -> list[str]:
    """Bring a directory into order before it is opened; return the names that are left. Raises OSError, DamagedLog."""
    names = set(disk.list(directory))
    swaps = [name for name in names if name.endswith(filenames.LOG + filenames.SWAP)]
    for name in sorted(swaps):
        _finish(disk, directory, name, names)
    names = set(disk.list(directory)) if swaps else names
    segments = {name[: -len(filenames.LOG)] for name in names if name.endswith(filenames.LOG)}
    for name in sorted(names):
        if _is_leftover(name, segments):
            disk.remove(os.path.join(directory, name))
            names.discard(name)
    return sorted(names)


def orphans(names: list[str]) -> list[int]:
    """Base offsets of segments of which there are indexes and no `.log`. A clean stop leaves none."""
    segments = {name[: -len(filenames.LOG)] for name in names if name.endswith(filenames.LOG)}
    return sorted({int(name.partition(".")[0]) for name in names if _is_orphan(name, segments)})


def _is_leftover(name: str, segments: set[str]) -> bool:
    """Files in transit that will never arrive, and indexes of no segment."""
    return name.endswith((filenames.CLEANED, filenames.SWAP, filenames.DELETED, ".tmp")) or _is_orphan(name, segments)


def _is_orphan(name: str, segments: set[str]) -> bool:
    stem, _, suffix = name.partition(".")
    return f".{suffix}" in filenames.SEGMENT_SUFFIXES[1:] and stem.isdigit() and stem not in segments


def _finish(disk: Disk, directory: str, swap_name: str, names: set[str]) -> None:
    """Do steps 3 and 4 again. The old segments are those that lie in the new one's range of offsets."""
    path = os.path.join(directory, swap_name)
    stem = swap_name.partition(".")[0]
    base_offset = int(stem)
    end = _end_offset(disk, path, base_offset)
    for name in sorted(names, reverse=True):
        old = filenames.base_offset_of(name, filenames.LOG)
        if old is not None and base_offset < old < end:
            for suffix in reversed(filenames.SEGMENT_SUFFIXES):
                _remove_if_there(disk, os.path.join(directory, filenames.segment_file(old, suffix)))
    disk.sync_dir(directory)
    for suffix in reversed(filenames.SEGMENT_SUFFIXES):
        name = stem + suffix
        if suffix == filenames.LOG:
            disk.sync_dir(directory)
        if name + filenames.SWAP in names:
            disk.rename(os.path.join(directory, name + filenames.SWAP), os.path.join(directory, name))
    disk.sync_dir(directory)


def _end_offset(disk: Disk, path: str, base_offset: int) -> int:
    file = disk.open(path)
    try:
        scan = Scan(file, 0, file.size, next_offset=base_offset)
        for _ in scan:
            pass
        if scan.fault is not None:
            raise DamagedLog(path, scan.position, scan.next_offset, f"{scan.fault}; what it replaces is still there")
        return scan.next_offset
    finally:
        file.close()


def _remove_if_there(disk: Disk, path: str) -> None:
    if disk.exists(path):
        disk.remove(path)
