"""Whether a data directory reads back: every file in it, looked at and never changed, beside a broker or without one.

    a segment        each batch's checksum, offsets and records, and that it ends where the next one begins
    its indexes      each entry, against the batches
    a partition      producer snapshots, leader epochs, whose it is, and what the checkpoints say of where it ends
    the directory    meta.properties, checkpoints, and the notes of the last start

Beside a broker that runs, the end of an active segment may look torn, and be whole a moment later; so may files that
are just being replaced. What was never synced does not count as damage (see recovery.py), and is not told from it here.
What Kafka writes without a checksum is judged by what it says: meta.properties, whose topic a partition is of, epochs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import NO_TIMESTAMP, BatchHeader, crc_is_valid
from odradek_broker.log import (
    checkpoints,
    directory,
    filenames,
    offset_checkpoints,
    producer_snapshot,
    registration_note,
)
from odradek_broker.log.checkpoints import LogKey
from odradek_broker.log.failures import CorruptCheckpoint, CorruptIndex
from odradek_broker.log.leader_epochs import NO_EPOCH, LeaderEpochs
from odradek_broker.log.offset_index import OffsetIndex
from odradek_broker.log.raw_batch import payload_of, raw_records
from odradek_broker.log.scan import Scan
from odradek_broker.log.time_index import TimeIndex
from odradek_broker.log.transaction_index import TransactionIndex
from odradek_broker.ports.disk import Disk, File

BatchFault = Callable[[Buffer, BatchHeader], str | None]
"""Why the content of a batch is not what its topic holds, where its records can be read."""


class Checked(NamedTuple):
    """One file that was looked at."""

    path: str
    size_bytes: int
    faults: list[str]
    batches: int = 0
    records: int = 0


class Claims(NamedTuple):
    """What the checkpoints of a data directory say of its logs."""

    starts: dict[LogKey, int]
    ends: dict[LogKey, int]
    """Up to where all had been synced."""


class _Segment(NamedTuple):
    """What its batches say."""

    checked: Checked
    base_offset: int
    next_offset: int
    is_whole: bool
    """Whether all of it could be walked through: else its indexes cannot be judged."""
    positions: dict[int, int]
    """By position, the last offsets of the batches."""
    timestamps: dict[int, int]
    """By last offset, their largest timestamps; none where compaction has left no record."""
    markers: dict[int, int]
    """By last offset, the producers whose transactions end there."""
    epochs: list[tuple[int, int]]
    """Base offset and epoch of the first and the last batch of each."""


def verify_directory(disk: Disk, path: str) -> Iterator[Checked]:
    """The files of a data directory itself. Raises OSError."""
    decoders: dict[str, Callable[[bytes], object]] = {
        directory.META_PROPERTIES: checkpoints.decode_meta,
        directory.CLEAN_SHUTDOWN: checkpoints.decode_clean_shutdown,
        directory.REGISTRATION: registration_note.decode_note,
        directory.SEEN_METADATA: checkpoints.decode_seen_metadata,
        **dict.fromkeys(offset_checkpoints.NAMES, checkpoints.decode_offsets),
    }
    for name, decode in decoders.items():
        yield from _small_file(disk, os.path.join(path, name), decode)


def claims_of(disk: Disk, path: str) -> Claims:
    """Of a data directory; nothing where the checkpoints are not there, or damaged. Raises OSError."""
    return Claims(
        _offsets(disk, os.path.join(path, offset_checkpoints.LOG_START_OFFSETS)),
        _offsets(disk, os.path.join(path, offset_checkpoints.RECOVERY_POINTS)),
    )


def _offsets(disk: Disk, path: str) -> dict[LogKey, int]:
    try:
        return checkpoints.decode_offsets(disk.read_file(path))
    except (FileNotFoundError, CorruptCheckpoint):
        return {}


def verify_partition(disk: Disk, path: str, claims: Claims, batch_fault: BatchFault | None = None) -> Iterator[Checked]:
    """The files of a partition's directory. Raises OSError."""
    bases = sorted(
        base for name in disk.list(path) if (base := filenames.base_offset_of(name, filenames.LOG)) is not None
    )
    segments = []
    for base, following in zip(bases, [*bases[1:], None], strict=True):
        try:
            segment = verify_segment(disk, os.path.join(path, filenames.segment_file(base, filenames.LOG)), batch_fault)
        except FileNotFoundError:
            continue  # retention or compaction of a broker that runs has taken it meanwhile
        if following is not None and segment.is_whole and segment.next_offset != following:
            segment.checked.faults.append(
                f"it ends at offset {segment.next_offset}, and the next begins at {following}"
            )
        segments.append(segment)
        yield segment.checked
        yield from _indexes(disk, path, segment, is_active=following is None)
    key = _key_of(disk, path)
    start, end = (0, 0) if key is None else (claims.starts.get(key, 0), claims.ends.get(key, 0))
    yield from _beside_segments(disk, path, segments, start)
    fault = _bounds_fault(segments, start, end)
    if fault is not None:
        yield Checked(path, 0, [fault])


def verify_segment(disk: Disk, path: str, batch_fault: BatchFault | None = None) -> _Segment:
    """One `.log` file. Raises OSError."""
    base = filenames.base_offset_of(os.path.basename(path), filenames.LOG)
    file = disk.open(path)
    try:
        if base is None:  # a copy may have any name
            base = int.from_bytes(file.read(0, 8), "big")
        return _walked(file, path, base, batch_fault)
    finally:
        file.close()


def _walked(file: File, path: str, base: int, batch_fault: BatchFault | None) -> _Segment:
    faults: list[str] = []
    batches = records = 0
    positions: dict[int, int] = {}
    timestamps: dict[int, int] = {}
    markers: dict[int, int] = {}
    epochs: list[tuple[int, int]] = []
    last: tuple[int, int] | None = None
    latest_epoch = NO_EPOCH
    scan = Scan(file, 0, file.size, next_offset=base)
    for position, header in scan:
        batches, records = batches + 1, records + header.record_count
        positions[position] = header.last_offset
        timestamps[header.last_offset] = header.max_timestamp if header.record_count else NO_TIMESTAMP
        if header.is_control:
            markers[header.last_offset] = header.producer_id
        if header.partition_leader_epoch != latest_epoch:
            epochs += [] if last is None else [last]
            epochs.append((header.base_offset, header.partition_leader_epoch))
        fault = _batch_fault(file.read(position, header.size_bytes), header, batch_fault)
        if fault is None and header.partition_leader_epoch < latest_epoch:
            fault = f"leader epoch {header.partition_leader_epoch} behind {latest_epoch}"
        last, latest_epoch = (header.base_offset, header.partition_leader_epoch), header.partition_leader_epoch
        if fault is not None:
            faults.append(f"position {position}, offset {header.base_offset}: {fault}")
    if scan.fault is not None:
        left = file.size - scan.position
        faults.append(f"position {scan.position}, offset {scan.next_offset}: {scan.fault}; {left} bytes from there on")
    epochs += [] if last is None else [last]
    checked = Checked(path, file.size, faults, batches, records)
    return _Segment(checked, base, scan.next_offset, scan.fault is None, positions, timestamps, markers, epochs)


def _batch_fault(batch: bytes, header: BatchHeader, content: BatchFault | None) -> str | None:
    if not crc_is_valid(batch, 0, header):
        return "the checksum does not match"
    try:
        for _ in raw_records(payload_of(batch, 0, header), header):
            pass
        return None if content is None or header.is_control else content(batch, header)
    except ProtocolError as error:
        return f"its records cannot be read, and were written so: {error}"


def _indexes(disk: Disk, path: str, segment: _Segment, *, is_active: bool) -> Iterator[Checked]:
    """Those of the active segment are written when it is sealed, or at a clean stop."""
    size = segment.checked.size_bytes
    for suffix, judge in (
        (filenames.OFFSET_INDEX, _offset_index_fault),
        (filenames.TIME_INDEX, _time_index_fault),
        (filenames.TRANSACTION_INDEX, _transaction_index_fault),
    ):
        name = os.path.join(path, filenames.segment_file(segment.base_offset, suffix))
        try:
            data = disk.read_file(name)
        except FileNotFoundError:
            is_missed = size and not is_active and suffix != filenames.TRANSACTION_INDEX
            if is_missed and disk.exists(segment.checked.path):
                yield Checked(name, 0, ["it is not there"])
            continue
        try:
            fault = judge(data, segment) if segment.is_whole else None
        except CorruptIndex as error:
            fault = str(error)
        yield Checked(name, len(data), [] if fault is None else [fault])


def _offset_index_fault(data: bytes, segment: _Segment) -> str | None:
    for last_offset, position in OffsetIndex.decode(data, segment.base_offset, segment.checked.size_bytes).entries():
        if segment.positions.get(position) != last_offset:
            return f"no batch at position {position} ends with offset {last_offset}"
    return None


def _time_index_fault(data: bytes, segment: _Segment) -> str | None:
    largest = max(segment.timestamps.values(), default=-1)
    entries = TimeIndex.decode(data, segment.base_offset).entries()
    for timestamp, offset in entries:
        if segment.timestamps.get(offset) != timestamp:
            return f"no batch that ends with offset {offset} has the time {timestamp}"
    if (entries[-1][0] if entries else -1) < largest:
        return f"a batch is as young as {largest}, which it does not say"
    return None


def _transaction_index_fault(data: bytes, segment: _Segment) -> str | None:
    for entry in TransactionIndex.decode(data, segment.base_offset).entries:
        if segment.markers.get(entry.last_offset) != entry.producer_id:
            return f"no transaction of producer {entry.producer_id} ends with offset {entry.last_offset}"
    return None


def _beside_segments(disk: Disk, path: str, segments: list[_Segment], start: int) -> Iterator[Checked]:
    for name in sorted(disk.list(path)):
        if filenames.base_offset_of(name, filenames.SNAPSHOT) is not None:
            yield from _small_file(disk, os.path.join(path, name), lambda data: producer_snapshot.decode(data, 0))
    yield from _small_file(
        disk, os.path.join(path, filenames.PARTITION_METADATA), checkpoints.decode_partition_metadata
    )
    yield from _small_file(
        disk, os.path.join(path, filenames.LEADER_EPOCHS), lambda data: _judge_epochs(data, segments, start)
    )


def _judge_epochs(data: bytes, segments: list[_Segment], start: int) -> None:
    epochs = LeaderEpochs(checkpoints.decode_epochs(data))
    for segment in segments:
        for offset, epoch in segment.epochs:
            if epoch >= 0 and segment.is_whole and offset >= start and epochs.epoch_at(offset) != epoch:
                raise CorruptCheckpoint(f"it has epoch {epochs.epoch_at(offset)} for offset {offset}, of epoch {epoch}")


def _key_of(disk: Disk, path: str) -> LogKey | None:
    """By what the checkpoints name the log in that directory; None where it does not say."""
    topic_partition = filenames.topic_partition_of(os.path.basename(path))
    try:
        data = disk.read_file(os.path.join(path, filenames.PARTITION_METADATA))
        topic_id = checkpoints.decode_partition_metadata(data)
    except (FileNotFoundError, CorruptCheckpoint):
        return None
    return None if topic_partition is None else (topic_id, topic_partition[1])


def _bounds_fault(segments: list[_Segment], start: int, end: int) -> str | None:
    """Whether a log lacks its beginning or its end, by what the checkpoints say of it."""
    first, last = (segments[0].base_offset, segments[-1].next_offset) if segments else (0, 0)
    if last < end:
        return f"the log ends at offset {last}, and up to {end} had been synced"
    if end > 0 and first > start:
        return f"the log begins at offset {first}, and should at {start}"
    return None


def _small_file(disk: Disk, path: str, decode: Callable[[bytes], object]) -> Iterator[Checked]:
    """Nothing where there is none."""
    try:
        data = disk.read_file(path)
    except FileNotFoundError:
        return
    try:
        decode(data)
    except CorruptCheckpoint as error:
        yield Checked(path, len(data), [str(error)])
    else:
        yield Checked(path, len(data), [])
