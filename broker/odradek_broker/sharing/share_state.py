"""ShareStateCoordinator: the share partitions of one partition of __share_group_state. Kafka: ShareCoordinatorShard.

Decide, record, replay, as the group coordinator does. The leader of a partition asks for what is stored when it comes
to share it, and has changes stored from then on; the group coordinator initializes, resets and deletes.

Invariants
    A leader that writes is the newest that has read: an older leader epoch is fenced, and so is an older state epoch,
        which rises whenever the group coordinator begins anew.
    What is stored of a share partition begins at its start offset.
    Each update follows, in the log, the snapshot that it is about; every so many updates there is another snapshot.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from enum import Enum
from typing import NamedTuple, TypeVar

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_state_records import ShareSnapshotValue, ShareUpdateValue
from odradek_broker.coordination.record import CoordinatorRecord, fits
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.coordination.timers import Timers
from odradek_broker.sharing.ranges import Range, Ranges
from odradek_broker.sharing.records import (
    SnapshotRecord,
    StateKey,
    batches_of,
    ranges_of,
    read_record,
    snapshot_record,
    update_record,
)
from odradek_broker.sharing.settings import ShareStateSettings

R = TypeVar("R")

UNINITIALIZED = -1
"""As a start offset: the partition's leader is to choose one."""


class TimerKind(Enum):
    PRUNE = "look for records that nobody needs any longer"


class ShareState(Struct, frozen=True, kw_only=True):
    """What is stored of a share partition."""

    state_epoch: int
    leader_epoch: int = 0
    start_offset: int = UNINITIALIZED
    delivery_complete_count: int = -1
    ranges: tuple[Range, ...] = ()
    snapshot_epoch: int = 0
    snapshot_offset: int = 0
    """Where its newest snapshot lies in the log."""
    updates: int = 0
    """Since that."""
    created_ms: int = 0


class Write(NamedTuple):
    """What a leader wants to be stored."""

    state_epoch: int
    leader_epoch: int
    start_offset: int
    delivery_complete_count: int
    ranges: Sequence[Range]


class ShareStateCoordinator:
    """Answers for all share partitions of one partition of the topic."""

    def __init__(self, settings: ShareStateSettings) -> None:
        self.settings = settings
        self.states: dict[StateKey, ShareState] = {}
        self._timers: Timers[TimerKind] = Timers()
        self._end_offset = 0

    # ------------------------------------------------------------------------------------------------------ requests

    def initialize(
        self, key: StateKey, state_epoch: int, start_offset: int, now: Instant
    ) -> CoordinatorResult[ErrorCode]:
        """Begin anew, with nothing but a start offset.

        Members that join together each ask for it in the same state epoch, and who comes late is not to take back what
        the others have acknowledged meanwhile.
        """
        known = self.states.get(key)
        if not _is_sound(key) or state_epoch < 0:
            return _nothing(ErrorCode.INVALID_REQUEST)
        if known is not None and state_epoch < known.state_epoch:
            return _nothing(ErrorCode.FENCED_STATE_EPOCH)
        if known is not None and state_epoch == known.state_epoch and start_offset == UNINITIALIZED:
            return _nothing(ErrorCode.NONE)
        begun = ShareState(state_epoch=state_epoch, start_offset=start_offset, created_ms=now.wall_ms)
        if known is not None:
            begun = structs.replace(begun, snapshot_epoch=known.snapshot_epoch + 1, leader_epoch=known.leader_epoch)
        return CoordinatorResult([_snapshot(key, begun, now)], ErrorCode.NONE)

    def read(self, key: StateKey, leader_epoch: int, now: Instant) -> CoordinatorResult[ShareState | ErrorCode]:
        """For a leader: what is stored. From then on no older leader may write."""
        known = self.states.get(key)
        if known is None or leader_epoch < 0:
            return _nothing(ErrorCode.INVALID_REQUEST)
        if leader_epoch < known.leader_epoch:
            return _nothing(ErrorCode.FENCED_LEADER_EPOCH)
        if leader_epoch == known.leader_epoch:
            return _nothing(known)
        write = Write(known.state_epoch, leader_epoch, known.start_offset, known.delivery_complete_count, ())
        return CoordinatorResult([self._update(key, known, write, now)], known)

    def read_summary(self, key: StateKey, leader_epoch: int) -> CoordinatorResult[ShareState | ErrorCode]:
        """For anybody; what is not initialized has no start offset yet."""
        known = self.states.get(key)
        if not _is_sound(key):
            return _nothing(ErrorCode.INVALID_REQUEST)
        if known is not None and UNINITIALIZED < leader_epoch < known.leader_epoch:
            return _nothing(ErrorCode.FENCED_LEADER_EPOCH)
        return _nothing(known or ShareState(state_epoch=0))

    def write(self, key: StateKey, write: Write, now: Instant) -> CoordinatorResult[ErrorCode]:
        known = self.states.get(key)
        if known is None or write.leader_epoch < 0:
            return _nothing(ErrorCode.INVALID_REQUEST)
        if write.leader_epoch < known.leader_epoch:
            return _nothing(ErrorCode.FENCED_LEADER_EPOCH)
        if write.state_epoch < known.state_epoch:
            return _nothing(ErrorCode.FENCED_STATE_EPOCH)
        return CoordinatorResult([self._update(key, known, write, now)], ErrorCode.NONE)

    def delete(self, key: StateKey) -> CoordinatorResult[ErrorCode]:
        records = [snapshot_record(key, None)] if key in self.states else []
        return CoordinatorResult(records, ErrorCode.NONE)

    def forget_topics(self, topic_ids: Container[bytes]) -> CoordinatorResult[None]:
        """Topics have been deleted."""
        gone = [key for key in self.states if key.topic_id in topic_ids]
        return CoordinatorResult([snapshot_record(key, None) for key in gone], None)

    def _update(self, key: StateKey, known: ShareState, write: Write, now: Instant) -> CoordinatorRecord:
        if known.updates >= self.settings.snapshot_update_records_per_snapshot or write.state_epoch > known.state_epoch:
            return _snapshot(key, _next_snapshot(_updated(known, write)), now)
        value = ShareUpdateValue(
            snapshot_epoch=known.snapshot_epoch,
            leader_epoch=write.leader_epoch,
            start_offset=write.start_offset,
            delivery_complete_count=write.delivery_complete_count,
            state_batches=batches_of(write.ranges),
        )
        return update_record(key, value)

    # ------------------------------------------------------------------------------------------------------- records

    def replay(
        self, record: CoordinatorRecord, log_offset: int, now: Instant, producer_id: int | None = None
    ) -> list[Answer]:
        """Let what a record says come to pass. Raises ProtocolError where it cannot be understood."""
        self._end_offset = log_offset + 1
        meaning = read_record(record.key, record.value)
        if isinstance(meaning, SnapshotRecord):
            if meaning.value is None:
                self.states.pop(meaning.key, None)
            else:
                self.states[meaning.key] = _state_of(meaning.value, log_offset)
        elif meaning is not None:
            known, update = self.states.get(meaning.key), meaning.value
            if known is not None and update.snapshot_epoch == known.snapshot_epoch:
                write = Write(
                    *(known.state_epoch, update.leader_epoch, update.start_offset, update.delivery_complete_count),
                    ranges_of(update.state_batches),
                )
                self.states[meaning.key] = structs.replace(_updated(known, write), updates=known.updates + 1)
        return []

    def begin(self, now: Instant) -> None:
        """All records there are have been replayed."""
        self._timers.set(TimerKind.PRUNE, now.monotonic_ms + self.settings.prune_interval_ms)

    # ---------------------------------------------------------------------------------------------------------- time

    @property
    def next_deadline_ms(self) -> int | None:
        return self._timers.next_deadline_ms

    def pop_due(self, now: Instant) -> TimerKind | None:
        return self._timers.pop_due(now.monotonic_ms)

    def time_over(self, timer: TimerKind, now: Instant) -> CoordinatorResult[None]:
        """Write anew what keeps many records of others from being deleted."""
        self._timers.set(timer, now.monotonic_ms + self.settings.prune_interval_ms)
        room = 2 * len(self.states) + self.settings.snapshot_update_records_per_snapshot
        cold = [key for key, state in self.states.items() if state.snapshot_offset < self._end_offset - room]
        return CoordinatorResult([_snapshot(key, _next_snapshot(self.states[key]), now) for key in cold], None)

    def first_needed_offset(self, high_watermark: int) -> int:
        """Records below that one say nothing any more that counts.

        A snapshot that is not committed may be lost yet, and then the one before it counts, wherever that lies: as long
        as there is such a snapshot everything is needed.
        """
        snapshots = [state.snapshot_offset for state in self.states.values()]
        if max(snapshots, default=-1) >= high_watermark:
            return 0
        return min(snapshots, default=min(self._end_offset, high_watermark))


def _is_sound(key: StateKey) -> bool:
    return bool(key.group_id) and fits(key.group_id) and key.partition >= 0


def _next_snapshot(state: ShareState) -> ShareState:
    return structs.replace(state, snapshot_epoch=state.snapshot_epoch + 1)


def _updated(known: ShareState, write: Write) -> ShareState:
    ranges = Ranges(known.ranges)
    for each in write.ranges:
        ranges.lay(each)
    start_offset = known.start_offset if write.start_offset == UNINITIALIZED else write.start_offset
    ranges.drop_before(start_offset)
    return structs.replace(
        known,
        state_epoch=max(known.state_epoch, write.state_epoch),
        leader_epoch=max(known.leader_epoch, write.leader_epoch),
        start_offset=start_offset,
        delivery_complete_count=write.delivery_complete_count,
        ranges=tuple(ranges),
    )


def _snapshot(key: StateKey, state: ShareState, now: Instant) -> CoordinatorRecord:
    value = ShareSnapshotValue(
        snapshot_epoch=state.snapshot_epoch,
        state_epoch=state.state_epoch,
        leader_epoch=state.leader_epoch,
        start_offset=state.start_offset,
        delivery_complete_count=state.delivery_complete_count,
        create_timestamp=state.created_ms,
        write_timestamp=now.wall_ms,
        state_batches=batches_of(state.ranges),
    )
    return snapshot_record(key, value)


def _state_of(value: ShareSnapshotValue, log_offset: int) -> ShareState:
    return ShareState(
        state_epoch=value.state_epoch,
        leader_epoch=value.leader_epoch,
        start_offset=value.start_offset,
        delivery_complete_count=value.delivery_complete_count,
        ranges=tuple(Ranges(ranges_of(value.state_batches))),
        snapshot_epoch=value.snapshot_epoch,
        snapshot_offset=log_offset,
        created_ms=value.create_timestamp,
    )


def _nothing(response: R) -> CoordinatorResult[R]:
    """Nothing is to be written down."""
    return CoordinatorResult([], response)
