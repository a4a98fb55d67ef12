"""A snapshot as a file, in Kafka's form: `<end offset>-<epoch>.checkpoint`, so that kafka-dump-log reads it.

The file holds batches, numbered from 0: one control record that says how old the snapshot is, the records that make the
image, one control record that ends it. A file without its end, or with anything but sound batches before it, is none.
Kafka: Snapshots, RecordsSnapshotWriter, SnapshotHeaderRecord, SnapshotFooterRecord.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import crc_is_valid, read_header
from odradek.protocol.records.builder import BatchBuilder
from odradek.protocol.records.control import (
    ControlType,
    append_snapshot_footer,
    append_snapshot_header,
    control_type,
    snapshot_timestamp,
)
from odradek.protocol.records.record import Record, decode_batch
from odradek_broker.controller.frame import frame, unframe

BATCH_BYTES = 1024 * 1024
"""A batch is closed when it has grown to this."""
SUFFIX = ".checkpoint"

_name = re.compile(r"(\d{20})-(\d{10})\.checkpoint")


class SnapshotId(Struct, frozen=True, order=True):
    """Which records a snapshot stands for: all before an offset, of which the last was written in that epoch."""

    end_offset: int
    epoch: int

    @property
    def file_name(self) -> str:
        return f"{self.end_offset:020}-{self.epoch:010}{SUFFIX}"


class Snapshot(Struct, frozen=True):
    """One that has been read back."""

    id: SnapshotId
    records: list[Struct]
    timestamp_ms: int
    """When the youngest decision in it was made."""


def snapshot_id_of(name: str) -> SnapshotId | None:
    """None for the name of anything else."""
    found = _name.fullmatch(name)
    return None if found is None else SnapshotId(int(found[1]), int(found[2]))


def encode_snapshot(id: SnapshotId, records: Iterable[Struct], timestamp_ms: int) -> bytes:
    """The file. `timestamp_ms`: of the youngest decision in it."""
    return b"".join(_batches(id.epoch, records, timestamp_ms))


def _batches(epoch: int, records: Iterable[Struct], timestamp_ms: int) -> Iterator[bytearray]:
    header = BatchBuilder()
    append_snapshot_header(header, timestamp_ms)
    yield header.build(is_control=True, leader_epoch=epoch)
    next_offset, builder = 1, BatchBuilder()
    for record in records:
        builder.append(None, frame(record), (), timestamp_ms)
        if builder.size_bytes >= BATCH_BYTES:
            yield builder.build(base_offset=next_offset, leader_epoch=epoch)
            next_offset, builder = next_offset + builder.count, BatchBuilder()
    if builder.count:
        yield builder.build(base_offset=next_offset, leader_epoch=epoch)
    footer = BatchBuilder()
    append_snapshot_footer(footer, timestamp_ms)
    yield footer.build(is_control=True, base_offset=next_offset + builder.count, leader_epoch=epoch)


def decode_snapshot(id: SnapshotId, data: bytes) -> Snapshot:
    """Raises ProtocolError, which says where the file is no whole snapshot."""
    records: list[Struct] = []
    timestamp_ms, next_offset, position, is_over = -1, 0, 0, False
    while position < len(data):
        header = read_header(data, position)
        if not crc_is_valid(data, position, header):
            raise ProtocolError(f"the batch at position {position} is cut off or does not match its checksum")
        if header.base_offset != next_offset or is_over:
            raise ProtocolError(f"the batch at position {position} is out of order")
        batch = decode_batch(data, position)
        if header.is_control:
            kind = control_type(batch[0])
            if (kind == ControlType.SNAPSHOT_HEADER) != (position == 0):
                raise ProtocolError(f"the control record at position {position} is out of place")
            timestamp_ms = snapshot_timestamp(batch[0]) if position == 0 else timestamp_ms
            is_over = any(control_type(each) == ControlType.SNAPSHOT_FOOTER for each in batch)
        elif position == 0:
            raise ProtocolError("it does not begin as a snapshot")
        else:
            records += map(_unframed, batch)
        next_offset, position = header.next_offset, position + header.size_bytes
    if not is_over:
        raise ProtocolError("its end is missing")
    return Snapshot(id, records, timestamp_ms)


def _unframed(record: Record) -> Struct:
    return unframe(record.value or b"")
