"""The records of __share_group_state, as bytes and as what they mean: one share partition each.

A snapshot says all about its share partition; an update says what is new since the snapshot of the same epoch. So
records are not compacted away, as those of other coordinators are, but deleted up to the oldest snapshot that counts.
Kafka: ShareCoordinatorRecordSerde.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from odradek.protocol.codec import decode
from odradek.protocol.messages.share_state_records import (
    ShareSnapshotKey,
    ShareSnapshotValue,
    ShareUpdateKey,
    ShareUpdateValue,
    StateBatch,
)
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek_broker.coordination.record import NUMBER_BYTES, CoordinatorRecord, framed, int16_at_front
from odradek_broker.sharing.ranges import Range, RecordState

V = TypeVar("V", ShareSnapshotValue, ShareUpdateValue)

TEXT_OF_ID_BYTES = 22

_STORED = {RecordState.AVAILABLE, RecordState.ACKNOWLEDGED, RecordState.ARCHIVED}


class StateKey(NamedTuple):
    """A share partition."""

    group_id: str
    topic_id: bytes
    partition: int

    @property
    def coordinator_key(self) -> str:
        """By which its share coordinator is found: the topic's id as Kafka writes it."""
        return f"{self.group_id}:{_base64url(self.topic_id)}:{self.partition}"


class SnapshotRecord(NamedTuple):
    """All about a share partition; or, without a value, that there is no more of it."""

    key: StateKey
    value: ShareSnapshotValue | None


class UpdateRecord(NamedTuple):
    key: StateKey
    value: ShareUpdateValue


StateRecord: TypeAlias = SnapshotRecord | UpdateRecord


def snapshot_record(key: StateKey, value: ShareSnapshotValue | None) -> CoordinatorRecord:
    body = ShareSnapshotKey(*key)
    return CoordinatorRecord(framed(ShareSnapshotKey.API_KEY, body, 0), None if value is None else framed(0, value, 0))


def update_record(key: StateKey, value: ShareUpdateValue) -> CoordinatorRecord:
    return CoordinatorRecord(framed(ShareUpdateKey.API_KEY, ShareUpdateKey(*key), 0), framed(0, value, 0))


def read_record(key: Buffer, value: Buffer | None) -> StateRecord | None:
    """What a record says; None where it is of a kind of the future. Raises ProtocolError."""
    kind = int16_at_front(key)
    if kind == ShareSnapshotKey.API_KEY:
        about = decode(ShareSnapshotKey, key, 0, NUMBER_BYTES)
        snapshot = None if value is None else _body(ShareSnapshotValue, value)
        return SnapshotRecord(StateKey(about.group_id, about.topic_id, about.partition), snapshot)
    if kind == ShareUpdateKey.API_KEY:
        updated = decode(ShareUpdateKey, key, 0, NUMBER_BYTES)
        if value is None:
            raise ProtocolError("an update of a share partition that says nothing")
        of = StateKey(updated.group_id, updated.topic_id, updated.partition)
        return UpdateRecord(of, _body(ShareUpdateValue, value))
    return None


class AnyBatch(Protocol):
    """A run of offsets as several messages and records have it."""

    @property
    def first_offset(self) -> int: ...

    @property
    def last_offset(self) -> int: ...

    @property
    def delivery_state(self) -> int: ...

    @property
    def delivery_count(self) -> int: ...


def ranges_of(batches: Iterable[AnyBatch]) -> list[Range]:
    """Raises ProtocolError where there can be no such thing."""
    ranges = []
    for each in batches:
        first, last, state, count = each.first_offset, each.last_offset, each.delivery_state, each.delivery_count
        if not 0 <= first <= last or state not in _STORED or count < 0:
            raise ProtocolError(f"offsets {first} to {last} in the state {state}, delivered {count} times")
        ranges.append(Range(first, last, RecordState(state), count))
    return ranges


def batches_of(ranges: Iterable[Range]) -> list[StateBatch]:
    return [StateBatch(each.first_offset, each.last_offset, each.state, each.delivery_count) for each in ranges]


def _body(cls: type[V], value: Buffer) -> V:
    version = int16_at_front(value)
    if version not in cls.VERSIONS:
        raise ProtocolError(f"{cls.__name__} of the unknown version {version}")
    body = decode(cls, value, version, NUMBER_BYTES)
    ranges_of(body.state_batches)
    return body


def state_key(coordinator_key: str) -> StateKey | None:
    """The share partition that such a key names; None where it names none."""
    group_id, separator, rest = coordinator_key.rpartition(":")[0].rpartition(":")
    partition = coordinator_key.rpartition(":")[2]
    if not separator or not group_id or not partition.isdecimal() or len(rest) != TEXT_OF_ID_BYTES:
        return None
    try:
        topic_id = urlsafe_b64decode(f"{rest}==")
    except ValueError:
        return None
    return StateKey(group_id, topic_id, int(partition))


def _base64url(topic_id: bytes) -> str:
    return urlsafe_b64encode(topic_id).rstrip(b"=").decode()
