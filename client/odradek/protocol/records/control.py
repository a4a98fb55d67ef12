"""Control batches: what the log says about itself, among it the markers that end transactions (KIP-98).

The key of a control record is an int16 version (0) and an int16 type. A transaction marker is alone in its batch; its
value is an int16 version (0) and the epoch of the coordinator that wrote it, an int32. Later versions may add to
either: what follows is passed over. Kafka: ControlRecordType.java, EndTransactionMarker.java.

The first and the last record of a metadata snapshot are messages in Kafka's flexible encoding (SnapshotHeaderRecord,
SnapshotFooterRecord, both of version 0): an int16 version, in the header an int64 timestamp, no tagged fields.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.builder import BatchBuilder
from odradek.protocol.records.record import Record, decode_batch

MARKER_VERSION = 0
MAX_CONTROL_BYTES = 1024 * 1024

_KEY = struct.Struct(">hh")
_MARKER = struct.Struct(">hi")
_SNAPSHOT_HEADER = struct.Struct(">hqx")
_SNAPSHOT_FOOTER = struct.Struct(">hx")
SNAPSHOT_VERSION = 0


class ControlType(IntEnum):
    """What a control record is about."""

    ABORT = 0
    COMMIT = 1
    LEADER_CHANGE = 2
    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    KRAFT_VOTERS = 6
    UNKNOWN = -1


class EndTransactionMarker(NamedTuple):
    """The end of a producer's transaction in one partition; which producer, the header of the batch says."""

    committed: bool
    coordinator_epoch: int


def build_end_transaction_marker(
    producer_id: int, producer_epoch: int, marker: EndTransactionMarker, timestamp_ms: int
) -> bytearray:
    """The control batch that ends a transaction."""
    builder = BatchBuilder()
    kind = ControlType.COMMIT if marker.committed else ControlType.ABORT
    key = _KEY.pack(MARKER_VERSION, kind)
    builder.append(key, _MARKER.pack(MARKER_VERSION, marker.coordinator_epoch), (), timestamp_ms)
    return builder.build(producer_id, producer_epoch, is_transactional=True, is_control=True)


def append_snapshot_header(builder: BatchBuilder, timestamp_ms: int) -> None:
    """`timestamp_ms`: of the youngest record that the snapshot stands for."""
    key = _KEY.pack(SNAPSHOT_VERSION, ControlType.SNAPSHOT_HEADER)
    builder.append(key, _SNAPSHOT_HEADER.pack(SNAPSHOT_VERSION, timestamp_ms), (), timestamp_ms)


def append_snapshot_footer(builder: BatchBuilder, timestamp_ms: int) -> None:
    key = _KEY.pack(SNAPSHOT_VERSION, ControlType.SNAPSHOT_FOOTER)
    builder.append(key, _SNAPSHOT_FOOTER.pack(SNAPSHOT_VERSION), (), timestamp_ms)


def snapshot_timestamp(record: Record) -> int:
    """The timestamp in a snapshot's header. Raises ProtocolError."""
    value = record.value
    if value is None or len(value) < _SNAPSHOT_HEADER.size:
        raise ProtocolError("a snapshot header without a timestamp")
    _, timestamp_ms = _SNAPSHOT_HEADER.unpack_from(value)
    return int(timestamp_ms)


def control_type(record: Record) -> ControlType:
    """What a record of a control batch is about; UNKNOWN for types of the future. Raises ProtocolError."""
    key = record.key
    if key is None or len(key) < _KEY.size:
        raise ProtocolError("a control record without a version and a type")
    version, kind = _KEY.unpack_from(key)
    if version < 0:
        raise ProtocolError(f"a control record of version {version}")
    return ControlType(kind) if kind in _KNOWN_TYPES else ControlType.UNKNOWN


def end_transaction_marker(record: Record) -> EndTransactionMarker | None:
    """The marker in a record of a control batch, or None where it is about something else. Raises ProtocolError."""
    kind = control_type(record)
    if kind not in (ControlType.ABORT, ControlType.COMMIT):
        return None
    value = record.value
    if value is None or len(value) < _MARKER.size:
        raise ProtocolError("a transaction marker without a version and a coordinator epoch")
    version, coordinator_epoch = _MARKER.unpack_from(value)
    if version < 0:
        raise ProtocolError(f"a transaction marker of version {version}")
    return EndTransactionMarker(kind == ControlType.COMMIT, coordinator_epoch)


def read_end_transaction_marker(buffer: Buffer, position: int = 0) -> EndTransactionMarker | None:
    """The marker in the control batch at `position`, or None where that is of another kind. Raises ProtocolError."""
    for record in decode_batch(buffer, position, MAX_CONTROL_BYTES):
        return end_transaction_marker(record)
    return None


def is_abort_or_commit(buffer: Buffer, position: int = 0) -> bool:
    """Whether the control batch at `position` ends a transaction. Raises ProtocolError."""
    return read_end_transaction_marker(buffer, position) is not None


_KNOWN_TYPES = frozenset(ControlType)
