"""GroupCoordinator: the groups of one partition of __consumer_offsets, and every call that can be made of them.

Decide, record, replay. A call that changes what must outlive the process returns records, and nothing that they say
has happened yet; the caller appends them and replays each into this same object, with its offset. To read a partition
from its beginning is to replay all its records: there is no other way to get at a group. If the records cannot be
appended, nothing is replayed and nothing has happened.

What is not recorded, because the next coordinator can do without: rebalances that are going on, who waits for what,
and when each member was last heard of. Members simply join the next coordinator's generation again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from typing import TypeVar

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_groups import DeletableGroupResult
from odradek.protocol.messages.describe_groups import DescribedGroup
from odradek.protocol.messages.group_metadata import GroupMetadataValue
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from odradek.protocol.messages.list_groups import ListedGroup
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from odradek.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.coordination.record import CoordinatorRecord, fits
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.coordination.timers import Timers
from odradek_broker.groups.commit import (
    commit_offsets,
    delete_group,
    delete_offsets,
    expire_offsets,
    forget_topics,
    refuse_commit,
)
from odradek_broker.groups.describe import describe, matching
from odradek_broker.groups.fetch import fetch_offsets
from odradek_broker.groups.group import ClassicGroup, GroupState
from odradek_broker.groups.join import Joiner, join, refuse_join
from odradek_broker.groups.leave import leave, refuse_leave
from odradek_broker.groups.offsets import CommittedOffset
from odradek_broker.groups.rebalance import dismiss, rebalance_time_over, session_over, set_session, sync_time_over
from odradek_broker.groups.records import GroupRecord, OffsetRecord, read_record
from odradek_broker.groups.settings import GroupSettings
from odradek_broker.groups.step import Step
from odradek_broker.groups.sync import assignment_is_on_record, heartbeat, sync
from odradek_broker.groups.timers import Timer, TimerKind

R = TypeVar("R")

FIRST_COMMIT_WITH_GROUP_ID_NOT_FOUND = 9
"""From this version of OffsetCommit on, clients know the error."""


class GroupCoordinator:
    """Answers for all groups of one partition. Time comes with each call, and so do tickets and new member ids."""

    def __init__(self, settings: GroupSettings) -> None:
        self.settings = settings
        self.groups: dict[str, ClassicGroup] = {}
        self._timers: Timers[Timer] = Timers()
        self._transactions: dict[int, set[str]] = {}
        """The groups in which a producer's open transaction has offsets."""

    # ------------------------------------------------------------------------------------------------- membership

    def join(
        self, request: JoinGroupRequest, joiner: Joiner, now: Instant
    ) -> CoordinatorResult[JoinGroupResponse | None]:
        step = self._step(now)
        if not request.group_id or not fits(request.group_id):
            return step.result(refuse_join(ErrorCode.INVALID_GROUP_ID, request.member_id))
        names = [each.name for each in request.protocols]
        if not fits(request.group_instance_id, joiner.new_member_id, request.protocol_type, *names):
            return step.result(refuse_join(ErrorCode.INVALID_REQUEST, request.member_id))
        settings = self.settings
        shortest_ms, longest_ms = settings.group_min_session_timeout_ms, settings.group_max_session_timeout_ms
        if not shortest_ms <= request.session_timeout_ms <= longest_ms:
            return step.result(refuse_join(ErrorCode.INVALID_SESSION_TIMEOUT, request.member_id))
        if request.group_id not in self.groups and request.member_id:
            return step.result(refuse_join(ErrorCode.UNKNOWN_MEMBER_ID, request.member_id))
        return self._on_group(request.group_id, step, lambda group: join(group, request, joiner, step))

    def sync(self, request: SyncGroupRequest, ticket: int, now: Instant) -> CoordinatorResult[SyncGroupResponse | None]:
        step = self._step(now)
        group = self.groups.get(request.group_id)
        if group is None:
            return step.result(SyncGroupResponse(error_code=_error_without_group(request.group_id)))
        return step.result(sync(group, request, ticket, step))

    def heartbeat(self, request: HeartbeatRequest, now: Instant) -> CoordinatorResult[HeartbeatResponse]:
        step = self._step(now)
        group = self.groups.get(request.group_id)
        if group is None:
            return step.result(HeartbeatResponse(error_code=_error_without_group(request.group_id)))
        return step.result(heartbeat(group, request, step))

    def leave(self, request: LeaveGroupRequest, now: Instant) -> CoordinatorResult[LeaveGroupResponse]:
        step = self._step(now)
        if not request.group_id:
            return step.result(LeaveGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID))
        if request.group_id not in self.groups:
            return step.result(refuse_leave(request, ErrorCode.UNKNOWN_MEMBER_ID))
        return self._on_group(request.group_id, step, lambda group: leave(group, request, step))

    # ---------------------------------------------------------------------------------------------------- offsets

    def commit(
        self, request: OffsetCommitRequest, now: Instant, *, version: int = 0, transactional: bool = False
    ) -> CoordinatorResult[OffsetCommitResponse]:
        """`transactional`: to be recorded in the batch of a producer's transaction (TxnOffsetCommit)."""
        step = self._step(now)
        if not fits(request.group_id):
            return step.result(refuse_commit(request, ErrorCode.INVALID_GROUP_ID))
        if request.group_id not in self.groups and request.generation_id_or_member_epoch >= 0:
            knows_better = version >= FIRST_COMMIT_WITH_GROUP_ID_NOT_FOUND
            error = ErrorCode.GROUP_ID_NOT_FOUND if knows_better else ErrorCode.ILLEGAL_GENERATION
            return step.result(refuse_commit(request, error))
        return self._on_group(
            request.group_id, step, lambda group: commit_offsets(group, request, step, transactional=transactional)
        )

    def fetch(self, request: OffsetFetchRequestGroup, *, require_stable: bool) -> OffsetFetchResponseGroup:
        return fetch_offsets(self.groups.get(request.group_id), request, require_stable=require_stable)

    def delete_offsets(self, request: OffsetDeleteRequest, now: Instant) -> CoordinatorResult[OffsetDeleteResponse]:
        step = self._step(now)
        if not request.group_id:
            return step.result(OffsetDeleteResponse(error_code=ErrorCode.INVALID_GROUP_ID))
        group = self.groups.get(request.group_id)
        if group is None:
            return step.result(OffsetDeleteResponse(error_code=ErrorCode.GROUP_ID_NOT_FOUND))
        return step.result(delete_offsets(group, request, step))

    def forget_topics(self, topics: Container[str], now: Instant) -> CoordinatorResult[None]:
        """Topics have been deleted."""
        step = self._step(now)
        for group in self.groups.values():
            forget_topics(group, topics, step)
        return step.result(None)

    # ------------------------------------------------------------------------------------------------ for operators

    def describe(self, group_id: str, version: int) -> DescribedGroup:
        return describe(group_id, self.groups.get(group_id), version)

    def list_groups(self, states: Collection[str] = (), types: Collection[str] = ()) -> list[ListedGroup]:
        return matching(self.groups.values(), states, types)

    def delete(self, group_id: str, now: Instant) -> CoordinatorResult[DeletableGroupResult]:
        step = self._step(now)
        group = self.groups.get(group_id)
        error = ErrorCode.GROUP_ID_NOT_FOUND if group is None else delete_group(group, step)
        return step.result(DeletableGroupResult(group_id, error))

    # ----------------------------------------------------------------------------------------------------- records

    def replay(
        self, record: CoordinatorRecord, log_offset: int, now: Instant, producer_id: int | None = None
    ) -> list[Answer]:
        """Let what a record says come to pass. Raises ProtocolError where it cannot be understood.

        `producer_id`: of the transaction that the record's batch belongs to, if it belongs to one.
        """
        step = self._step(now)
        meaning = read_record(record.key, record.value)
        if isinstance(meaning, OffsetRecord):
            self._replay_offset(meaning, log_offset, producer_id)
        elif isinstance(meaning, GroupRecord):
            self._replay_group(meaning, step)
        return step.answers

    def complete_transaction(self, producer_id: int, *, commit: bool) -> None:
        """The marker of a producer's transaction is in the partition."""
        for group_id in sorted(self._transactions.pop(producer_id, ())):
            group = self.groups.get(group_id)
            if group is not None:
                group.offsets.complete(producer_id, commit=commit)
                self._forget_if_void(group)

    def begin(self, now: Instant) -> None:
        """All records there are have been replayed: now is when sessions begin."""
        step = self._step(now)
        for group in self.groups.values():
            for member in group.members.values():
                set_session(group, member, step)
        step.set_timer(TimerKind.RETENTION, self.settings.offsets_retention_check_interval_ms)

    def _replay_offset(self, record: OffsetRecord, log_offset: int, producer_id: int | None) -> None:
        key = TopicPartition(record.topic, record.partition)
        if record.value is None:
            group = self.groups.get(record.group_id)
            if group is not None:
                group.offsets.remove(key)
                self._forget_if_void(group)
            return
        group = self._get_or_create(record.group_id)
        group.offsets.put(key, CommittedOffset(record.value, log_offset), producer_id)
        if producer_id is not None:
            self._transactions.setdefault(producer_id, set()).add(record.group_id)

    def _replay_group(self, record: GroupRecord, step: Step) -> None:
        group = self._get_or_create(record.group_id)
        for member in group.adopt(record.value or GroupMetadataValue(generation=group.generation)):
            dismiss(group, member, step, ErrorCode.FENCED_INSTANCE_ID)
        group.recorded = record.value is not None
        assignment_is_on_record(group, step)
        self._forget_if_void(group)

    # -------------------------------------------------------------------------------------------------------- time

    @property
    def next_deadline_ms(self) -> int | None:
        """When `pop_due` is to be called next, by the monotonic clock; None where nothing is due ever."""
        return self._timers.next_deadline_ms

    def pop_due(self, now: Instant) -> Timer | None:
        """What has been due for longest; None where nothing is. `time_over` is to follow before the next call."""
        return self._timers.pop_due(now.monotonic_ms)

    def time_over(self, timer: Timer, now: Instant) -> CoordinatorResult[None]:
        """Do what a timer was set for: something in one group, its `group_id`."""
        step = self._step(now)
        if timer.kind is TimerKind.RETENTION:
            step.set_timer(TimerKind.RETENTION, self.settings.offsets_retention_check_interval_ms)
            for group_id in self.groups:
                step.set_timer(TimerKind.EXPIRY, 0, group_id)
            return step.result(None)
        return self._on_group(timer.group_id, step, lambda group: _time_over(group, timer, step))

    # -------------------------------------------------------------------------------------------------------- defects

    def disband(self, group_id: str, now: Instant) -> CoordinatorResult[None]:
        """Let a group whose state cannot be trusted go back to its offsets. Its members are told to join again."""
        step = self._step(now)
        group = self.groups.get(group_id)
        if group is not None:
            for member in group.members.values():
                dismiss(group, member, step, ErrorCode.UNKNOWN_MEMBER_ID)
            for member_id in group.reserved:
                step.cancel_timer(TimerKind.SESSION, group_id, member_id)
            for kind in (TimerKind.REBALANCE, TimerKind.SYNC):
                step.cancel_timer(kind, group_id)
            group.disband(now.wall_ms)
            self._forget_if_void(group)
        return step.result(None)

    # ------------------------------------------------------------------------------------------------------ the table

    def _step(self, now: Instant) -> Step:
        return Step(now, self.settings, self._timers)

    def _on_group(self, group_id: str, step: Step, act: Callable[[ClassicGroup], R]) -> CoordinatorResult[R]:
        """Do something to a group, which need not exist before, and need not afterwards."""
        group = self._get_or_create(group_id)
        result = step.result(act(group))
        self._forget_if_void(group)
        return result

    def _get_or_create(self, group_id: str) -> ClassicGroup:
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = ClassicGroup(group_id)
        return group

    def _forget_if_void(self, group: ClassicGroup) -> None:
        if group.is_void and group.state is GroupState.EMPTY:
            del self.groups[group.group_id]


def _time_over(group: ClassicGroup, timer: Timer, step: Step) -> None:
    if timer.kind is TimerKind.SESSION:
        session_over(group, timer.member_id, step)
    elif timer.kind is TimerKind.REBALANCE:
        rebalance_time_over(group, step)
    elif timer.kind is TimerKind.SYNC:
        sync_time_over(group, step)
    else:
        expire_offsets(group, step)


def _error_without_group(group_id: str) -> ErrorCode:
    return ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID
