"""What the files of a journal amount to, before any of them is changed.

An append is one batch, synced before the next one is begun and before anybody hears of it. So a crash can tear the last
batch and nothing else:

    - A fault with sound batches behind it, with a later segment behind it, or after a clean stop, is damage.
    - A fault in the last batch may be a torn write, which nobody has been told of, or rot, which took what all had been
      told. The bytes do not say: it is left out and named, unless this node has noted that it has seen it; and brokers
      that know more will tell (History).
    - What lies before the end of a snapshot that reads back is not needed, be it whole or not.
    - A snapshot that does not read back is passed over, as long as all that it stands for is there in another way.

Offsets and epochs are not covered by a batch's checksum, but here they follow each other without a gap, so one that was
changed is noticed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import BatchHeader, crc_is_valid, read_header
from odradek_broker.controller.history import NO_OFFSET
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.controller.snapshot_file import Snapshot, SnapshotId, decode_snapshot, snapshot_id_of
from odradek_broker.log import filenames
from odradek_broker.ports.disk import Disk

_maybe_a_batch = re.compile(rb"(?=\0\0\0.{5}[\0-\x7f].{3}[\0-\x7f].{3}\x02)", re.DOTALL)
"""A base offset below 2^40, a length, an epoch, magic 2."""


class Fault(Struct, frozen=True):
    """Where the sound part of a log ends although there is more."""

    path: str
    position: int
    offset: int
    """That the next batch should have had."""
    reason: str
    proven_end: int
    """Behind the last offset of which the files still show that it was written."""

    def __str__(self) -> str:
        return f"{self.path}, position {self.position}, offset {self.offset}: {self.reason}"


class Walk(Struct, frozen=True):
    """Segments from one on, to the end or to the first fault."""

    end_offset: int
    fault: Fault | None
    size_bytes: int
    """Of the batches from the offset on that was asked about."""
    oldest_ms: int | None
    """When the first of these was written; None where there are none."""


class JournalFiles(Struct, frozen=True):
    """A journal that can be opened."""

    snapshot: Snapshot | None
    """The newest that reads back."""
    bad_snapshots: list[str]
    """Those that do not, with the reasons."""
    torn: str | None
    """What was found in the place of the last batch."""
    unneeded: list[int]
    """Base offsets of segments that lie before the snapshot's end, and that would stop a walk through the log."""
    behind_snapshot: Walk

    @property
    def start_offset(self) -> int:
        return 0 if self.snapshot is None else self.snapshot.id.end_offset


def examine(disk: Disk, directory: str, *, clean: bool, seen_offset: int = NO_OFFSET) -> JournalFiles:
    """`clean`: whether whoever wrote it has stopped cleanly. `seen_offset`: this one has been there for sure.

    Raises JournalDamaged, OSError.
    """
    snapshot, bad = newest_snapshot(disk, directory)
    start = 0 if snapshot is None else snapshot.id.end_offset
    bases = segments_of(disk, directory)
    below = [base for base, following in pairwise(bases) if following <= start]
    needed = bases[len(below) :]
    advice = "; ".join(["", *(f"and the snapshot {each}" for each in bad)])
    if not needed and bad and snapshot is None:
        raise damaged(directory, f"its log is gone{advice}", "all metadata")
    if needed and needed[0] > start:
        raise damaged(directory, f"nothing is left of offsets {start} to {needed[0] - 1}{advice}", "all before those")
    found = walk(disk, directory, needed, start)
    fault, end = found.fault, max(found.end_offset, start)
    proven_end = max(seen_offset + 1, end if fault is None else fault.proven_end)
    if proven_end > end or (fault is not None and clean and fault.offset >= start):
        what = f"its log ends at offset {end - 1}" if fault is None else str(fault)
        last = f"up to offset {proven_end - 1}" if proven_end > end else "and told"
        raise damaged(directory, f"{what}{advice}", f"what was decided from offset {end} on, {last},")
    torn = None if fault is None or fault.offset < start else str(fault)
    is_whole = bool(needed) and walk(disk, directory, below, start).fault is None and fault is None
    return JournalFiles(snapshot, bad, torn, [] if is_whole else below, found)


def damaged(directory: str, what: str, lost: str) -> JournalDamaged:
    return JournalDamaged(
        f"the metadata in {directory} is damaged: {what}. {lost} would be forgotten, and the data of topics set aside; "
        "so nothing was changed. Brokers that run still know: odradek metadata restore --data-dir "
        f"{os.path.dirname(directory)} --from HOST:PORT"
    )


def newest_snapshot(disk: Disk, directory: str) -> tuple[Snapshot | None, list[str]]:
    """And those newer that do not read back, each with the reason."""
    bad: list[str] = []
    for id in reversed(snapshots_of(disk, directory)):
        try:
            return decode_snapshot(id, disk.read_file(os.path.join(directory, id.file_name))), bad
        except ProtocolError as error:
            bad.append(f"{id.file_name} does not read back: {error}")
    return None, bad


def snapshots_of(disk: Disk, directory: str) -> list[SnapshotId]:
    """In order; none where there is no such directory."""
    names = disk.list(directory) if disk.exists(directory) else []
    return sorted(id for id in map(snapshot_id_of, names) if id is not None)


def segments_of(disk: Disk, directory: str) -> list[int]:
    """Base offsets, in order."""
    names = disk.list(directory) if disk.exists(directory) else []
    return sorted(base for name in names if (base := filenames.base_offset_of(name, filenames.LOG)) is not None)


def walk(disk: Disk, directory: str, bases: list[int], since: int) -> Walk:
    """Through segments that should follow each other, counting what lies behind an offset."""
    offset, epoch = bases[0] if bases else 0, 0
    size_bytes, oldest_ms = 0, None

    def fault(path: str, position: int, reason: str, proven_end: int) -> Walk:
        return Walk(offset, Fault(path, position, offset, reason, proven_end), size_bytes, oldest_ms)

    for number, base in enumerate(bases):
        path = os.path.join(directory, filenames.segment_file(base, filenames.LOG))
        later = bases[number + 1 :]
        if base != offset:
            reason = f"nothing is left up to offset {base - 1}"
            return fault(path, 0, reason, _proven_end(disk, directory, bases[number:], 0))
        data, position = disk.read_file(path), 0
        while position < len(data):
            header, reason = _sound(data, position, offset, epoch)
            if header is None:
                return fault(path, position, reason, _proven_end(disk, directory, bases[number:], position))
            if offset >= since:
                size_bytes += header.size_bytes
                oldest_ms = header.base_timestamp if oldest_ms is None else oldest_ms
            offset, epoch, position = header.next_offset, header.partition_leader_epoch, position + header.size_bytes
        if later and later[0] < offset:
            return fault(path, position, f"the next segment begins at offset {later[0]}", offset)
    return Walk(offset, None, size_bytes, oldest_ms)


def batches_behind(data: bytes, position: int) -> Iterator[tuple[int, BatchHeader]]:
    """Every batch behind a fault that matches its checksum, with its position."""
    at = position
    while (found := _maybe_a_batch.search(data, at)) is not None:
        at = found.start() + 1
        try:
            header = read_header(data, found.start())
        except ProtocolError:
            continue
        if crc_is_valid(data, found.start(), header):
            yield found.start(), header
            at = found.start() + header.size_bytes


def _sound(data: bytes, position: int, offset: int, epoch: int) -> tuple[BatchHeader | None, str]:
    try:
        header = read_header(data, position)
    except ProtocolError as error:
        return None, str(error)
    if position + header.size_bytes > len(data):
        return None, f"a batch of {header.size_bytes} bytes is cut off after {len(data) - position}"
    if not crc_is_valid(data, position, header):
        return None, "a batch does not match its checksum"
    if header.base_offset != offset or header.last_offset_delta < 0:
        return None, f"a batch of offsets {header.base_offset} to {header.last_offset} is out of order"
    if header.partition_leader_epoch < epoch:
        return None, f"a batch of epoch {header.partition_leader_epoch} behind one of epoch {epoch}"
    return header, ""


def _proven_end(disk: Disk, directory: str, bases: list[int], position: int) -> int:
    """Of segments of which the first has a fault at that position. Where one begins, all before it was written."""
    end = bases[-1]
    for base in bases:
        data = disk.read_file(os.path.join(directory, filenames.segment_file(base, filenames.LOG)))
        for _, header in batches_behind(data, position):
            end = max(end, header.next_offset)
        position = 0
    return end
