"""The files of a segment: a `.log` of whole batches, read from front to back, and one for each of its indexes.

Nothing here needs an index: what is read with their help is in segment.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Protocol

from odradek.protocol.records.batch import BatchHeader, crc_is_valid
from odradek_broker.log import filenames, offset_index, time_index
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.leader_epochs import NO_EPOCH
from odradek_broker.log.offset_index import OffsetIndex
from odradek_broker.log.scan import Scan, walk
from odradek_broker.log.sealed_files import SealedFiles
from odradek_broker.log.time_index import TimeIndex
from odradek_broker.log.transaction_index import TransactionIndex
from odradek_broker.ports.disk import Disk, File


class Transit(Protocol):
    def run(self) -> None:
        """Nothing, once it is over. Blocks. Raises OSError."""


class SegmentFiles:
    """Of one segment. All methods raise OSError."""

    __slots__ = (
        "_disk",
        "_file",
        "_saving",
        "base_offset",
        "directory",
        "in_transit",
        "size_bytes",
        "suffix",
        "unsaved",
    )

    def __init__(self, disk: Disk, directory: str, base_offset: int, size_bytes: int, suffix: str) -> None:
        self._disk = disk
        self.directory = directory
        self.base_offset = base_offset
        self.size_bytes = size_bytes
        """Of the `.log`."""
        self.suffix = suffix
        """`.cleaned` or `.deleted` while the files are named so."""
        self._file: File | None = None
        self.unsaved = False
        """Whether the indexes in memory hold more than those on disk."""
        self.in_transit: Transit | None = None
        """Who gives its files their names, in another thread: until then the open handle is all there is."""
        self._saving: SealedFiles | None = None
        """What is to be written, or being written, of the indexes as they are."""

    def path(self, suffix: str) -> str:
        """The path of one of its files, as it is named now."""
        return os.path.join(self.directory, filenames.segment_file(self.base_offset, suffix) + self.suffix)

    @property
    def file(self) -> File:
        if self._file is None:
            self._file = self._disk.open(self.path(filenames.LOG))
        return self._file

    def modified_ms(self) -> int:
        """When the file was last written, by the disk's clock."""
        return self._disk.modified_ms(self.path(filenames.LOG))

    # The .log.

    def append(self, records: memoryview) -> int:
        """Write; return the position. `note` must follow for each batch. Raises OSError, and then nothing changed."""
        file = self._file or self.file
        position = file.append(records)
        self.size_bytes = file.size
        return position

    def header_at(self, position: int) -> BatchHeader:
        """The header of the batch that begins there. Raises OSError, DamagedLog."""
        for _, header in self.batches(position):
            return header
        raise DamagedLog(self.path(filenames.LOG), position, self.base_offset, "no batch begins there")

    def sound_batch(self, position: int, header: BatchHeader) -> bytes:
        """The bytes of a batch, whose checksum they match. Raises OSError, DamagedLog."""
        batch = self.file.read(position, header.size_bytes)
        if not crc_is_valid(batch, 0, header):
            reason = "a batch does not match its checksum"
            raise DamagedLog(self.path(filenames.LOG), position, header.base_offset, reason)
        return batch

    def _walk(self, position: int) -> Iterator[tuple[int, int, int]]:
        path_of = partial(self.path, filenames.LOG)
        return walk(self.file, position, self.size_bytes, path_of=path_of, next_offset=self.base_offset)

    def batches(
        self, position: int = 0, *, next_offset: int | None = None, verify: bool = False
    ) -> Iterator[tuple[int, BatchHeader]]:
        """Position and header of all batches from a position on where one begins. Raises OSError, DamagedLog.

        `next_offset`: where the batches before end, if that is known. `verify`: also where a checksum does not match.
        """
        next_offset = self.base_offset if next_offset is None else next_offset
        scan, last = self.scan(position, next_offset=next_offset, verify=verify), (position, next_offset)
        sound = last
        for found in scan:
            last, sound = sound, (scan.position, scan.next_offset)
            yield found
        if scan.fault is not None:
            sound = last if scan.is_out_of_order else sound  # then the batch before it may be the one that is wrong
            raise DamagedLog(self.path(filenames.LOG), *sound, scan.fault)

    def scan(
        self,
        position: int = 0,
        *,
        next_offset: int | None = None,
        verify: bool = False,
        leader_epoch: int = NO_EPOCH,
    ) -> Scan:
        """Walk over the batches from a position where one begins, as far as they are sound: look at its `fault`."""
        return Scan(
            self.file,
            position,
            self.size_bytes,
            next_offset=self.base_offset if next_offset is None else next_offset,
            verify=verify,
            leader_epoch=leader_epoch,
        )

    # The indexes. Where a file is not there, FileNotFoundError; where it does not fit, CorruptIndex.

    def _read_offset_index(self) -> OffsetIndex:
        data = self._disk.read_file(self.path(filenames.OFFSET_INDEX))
        return OffsetIndex.decode(data, self.base_offset, self.size_bytes)

    def _read_time_index(self) -> TimeIndex:
        return TimeIndex.decode(self._disk.read_file(self.path(filenames.TIME_INDEX)), self.base_offset)

    def _read_transaction_index(self) -> TransactionIndex:
        """An empty one where there is no file: then no transaction was aborted."""
        try:
            data = self._disk.read_file(self.path(filenames.TRANSACTION_INDEX))
        except FileNotFoundError:
            data = b""
        return TransactionIndex.decode(data, self.base_offset)

    def last_indexed_position(self) -> int:
        """Of the last batch that the file of the offset index names. Raises FileNotFoundError."""
        return offset_index.decode_last_position(self._read_end(filenames.OFFSET_INDEX, offset_index.ENTRY_BYTES))

    def _read_last_time_entry(self) -> tuple[int, int]:
        """The largest timestamp and its offset, as the file of the time index has them."""
        data = self._read_end(filenames.TIME_INDEX, time_index.ENTRY_BYTES)
        return time_index.decode_last_entry(data, self.base_offset)

    def _read_end(self, suffix: str, length: int) -> bytes:
        file = self._disk.open(self.path(suffix))
        try:
            return file.read(max(file.size - length, 0), length)
        finally:
            file.close()

    def _index_files(
        self, offsets: OffsetIndex, times: TimeIndex, aborted: TransactionIndex | None, *, sync: bool
    ) -> SealedFiles:
        """To be written, each of them. `aborted` is None where nothing of it has changed.

        Where they cannot be, what is on disk is older: a start is to find nothing rather than that.
        """
        paths = [self.path(suffix) for suffix in filenames.SEGMENT_SUFFIXES[1:]]
        contents = [(paths[0], offsets.encode), (paths[1], times.encode)]
        if aborted is not None:
            contents.append((paths[2], aborted.encode))
        return SealedFiles(self._disk, contents, stale=(paths[0], paths[1]), unless_empty=paths[2], sync=sync)

    # What of it is on disk, and under which name.

    def saved(self) -> None:
        """Take note of files that have been written, unless what they hold has changed since."""
        if self._saving is not None and self._saving.done:
            self._saving = None
            self.unsaved = False

    def forget_unsaved(self) -> None:
        """What is not on disk yet need not come there. Waits for whoever writes it just now, or renames the files."""
        if self._saving is not None:
            self._saving.withdraw()
            self._saving = None
        self.unsaved = False
        self.arrive()

    def arrive(self) -> None:
        """Bear its own name, if it is on its way to that. Blocks then. Raises OSError."""
        if self.in_transit is not None:
            in_transit, self.in_transit = self.in_transit, None
            in_transit.run()

    @property
    def may_be_released(self) -> bool:
        return not self.unsaved and self.in_transit is None

    def _has_changed(self) -> None:
        self.forget_unsaved()
        self.unsaved = True

    # All of them.

    def _remove_files(self) -> None:
        """The `.log` last."""
        for name in reversed(filenames.SEGMENT_SUFFIXES):
            if name == filenames.LOG or self._disk.exists(self.path(name)):
                self._disk.remove(self.path(name))

    def rename_files(self, suffix: str, *, in_order: bool) -> None:
        """What is in memory stays: who reads has the file open.

        `in_order`: the `.log` has its new name on stable storage no earlier than the indexes have theirs."""
        before = {name: self.path(name) for name in filenames.SEGMENT_SUFFIXES}
        self.suffix = suffix
        for name in reversed(filenames.SEGMENT_SUFFIXES):  # the .log last: it alone says that a segment exists
            if name == filenames.LOG and in_order:
                self._disk.sync_dir(self.directory)
            if name == filenames.LOG or self._disk.exists(before[name]):
                self._disk.rename(before[name], self.path(name))
