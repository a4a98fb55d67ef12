"""GroupCoordinator: the groups of one partition of __consumer_offsets, and every call that can be made of them.

Decide, record, replay. A call that changes what must outlive the process returns records, and nothing that they say
has happened yet; the caller appends them and replays each into this same object, with its offset. To read a partition
from its beginning is to replay all its records: there is no other way to get at a group. If the records cannot be
appended, nothing is replayed and nothing has happened.

What is not recorded, because the next coordinator can do without: rebalances that are going on, who waits for what,
and when each member was last heard of. Members of classic groups simply join the next coordinator's generation again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from typing import TypeVar

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import consumer_group_describe
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.messages.delete_groups import DeletableGroupResult
from odradek.protocol.messages.describe_groups import DescribedGroup
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from odradek.protocol.messages.list_groups import ListedGroup
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from odradek.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.coordination.record import CoordinatorRecord, fits
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.coordination.timers import Timers
from odradek_broker.groups import lifecycle
from odradek_broker.groups.commit import (
    Verdict,
    commit_offsets,
    delete_group,
    delete_offsets,
    forget_topics,
    may_commit,
    refuse_commit,
)
from odradek_broker.groups.consumer import classic_members
from odradek_broker.groups.consumer import heartbeat as consumer_heartbeat
from odradek_broker.groups.consumer.describe import describe_consumer_group
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.heartbeat import HeartbeatSender
from odradek_broker.groups.consumer.member import JOINING_EPOCH
from odradek_broker.groups.consumer.migration import upgraded
from odradek_broker.groups.consumer.offsets import check_committer, check_fetcher
from odradek_broker.groups.consumer.records import ConsumerGroupRecord
from odradek_broker.groups.consumer.regexes import to_resolve
from odradek_broker.groups.consumer.validation import refuse_malformed
from odradek_broker.groups.describe import describe, matching
from odradek_broker.groups.fetch import fetch_offsets
from odradek_broker.groups.group import ClassicGroup
from odradek_broker.groups.history import Rebalance
from odradek_broker.groups.join import Joiner, fault_of_join, join, refuse_join
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.leave import leave, refuse_leave
from odradek_broker.groups.records import GroupRecord, OffsetRecord, read_record
from odradek_broker.groups.settings import GroupSettings
from odradek_broker.groups.share.group import ShareGroup
from odradek_broker.groups.share.records import ShareGroupRecord
from odradek_broker.groups.step import Step
from odradek_broker.groups.sync import heartbeat, sync
from odradek_broker.groups.table import GroupTable
from odradek_broker.groups.timers import Timer, TimerKind
from odradek_broker.groups.topics import NoTopics, Topics

R = TypeVar("R")

FIRST_COMMIT_WITH_GROUP_ID_NOT_FOUND = 9
"""From this version of OffsetCommit on, clients know the error."""


class GroupCoordinator:
    """Answers for all groups of one partition. Time comes with each call, and so do tickets and new member ids."""

    def __init__(self, settings: GroupSettings) -> None:
        self.settings = settings
        self.topics: Topics = NoTopics()
        """Of the newest metadata that is known."""
        self._table = GroupTable()
        self._timers: Timers[Timer] = Timers()

    @property
    def groups(self) -> dict[str, Group]:
        return self._table.groups

    # ------------------------------------------------------------------------------------------------- membership

    def join(
        self, request: JoinGroupRequest, joiner: Joiner, now: Instant
    ) -> CoordinatorResult[JoinGroupResponse | None]:
        step = self._step(now)
        fault = fault_of_join(request, joiner, step)
        if not fault and request.group_id not in self.groups and request.member_id:
            fault = ErrorCode.UNKNOWN_MEMBER_ID
        if fault:
            return step.result(refuse_join(fault, request.member_id))
        group = self._table.any_or_new(request.group_id)
        if group.is_empty and isinstance(group, ConsumerGroup):
            step.records += group.tombstones()
            group = self._table.put(ClassicGroup(request.group_id, group.offsets))
        if isinstance(group, ConsumerGroup):
            return self._join_as_classic_member(group, request, joiner, step)
        if not isinstance(group, ClassicGroup):
            return step.result(refuse_join(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, request.member_id))
        return self._on(group, step, join(group, request, joiner, step))

    def _join_as_classic_member(
        self, group: ConsumerGroup, request: JoinGroupRequest, joiner: Joiner, step: Step
    ) -> CoordinatorResult[JoinGroupResponse | None]:
        try:
            return step.result(classic_members.join(group, request, joiner, self.topics, step))
        except ApiError as refusal:
            return CoordinatorResult([], refuse_join(refusal.error_code, request.member_id))

    def sync(self, request: SyncGroupRequest, ticket: int, now: Instant) -> CoordinatorResult[SyncGroupResponse | None]:
        step, group = self._step(now), self.groups.get(request.group_id)
        if isinstance(group, ClassicGroup):
            return step.result(sync(group, request, ticket, step))
        if not isinstance(group, ConsumerGroup):
            return step.result(SyncGroupResponse(error_code=_error_without_group(request.group_id)))
        try:
            return step.result(classic_members.sync(group, request, self.topics, step))
        except ApiError as refusal:
            return step.result(SyncGroupResponse(error_code=refusal.error_code))

    def heartbeat(self, request: HeartbeatRequest, now: Instant) -> CoordinatorResult[HeartbeatResponse]:
        step, group = self._step(now), self.groups.get(request.group_id)
        if isinstance(group, ClassicGroup):
            return step.result(heartbeat(group, request, step))
        if not isinstance(group, ConsumerGroup):
            return step.result(HeartbeatResponse(error_code=_error_without_group(request.group_id)))
        try:
            return step.result(HeartbeatResponse(error_code=classic_members.heartbeat(group, request, step)))
        except ApiError as refusal:
            return step.result(HeartbeatResponse(error_code=refusal.error_code))

    def leave(self, request: LeaveGroupRequest, now: Instant) -> CoordinatorResult[LeaveGroupResponse]:
        step, group = self._step(now), self.groups.get(request.group_id)
        if not request.group_id:
            return step.result(LeaveGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID))
        if isinstance(group, ClassicGroup):
            return self._on(group, step, leave(group, request, step))
        if isinstance(group, ConsumerGroup):
            return step.result(classic_members.leave(group, request, self.topics, step))
        return step.result(refuse_leave(request, ErrorCode.UNKNOWN_MEMBER_ID))

    def consumer_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, sender: HeartbeatSender, now: Instant
    ) -> CoordinatorResult[ConsumerGroupHeartbeatResponse]:
        """ConsumerGroupHeartbeat: of the consumer protocol."""
        step = self._step(now)
        try:
            refuse_malformed(request, sender.version, self.settings.group_consumer_assignors)
            group = self._consumer_group(request, step)
            return step.result(consumer_heartbeat.heartbeat(group, request, sender, self.topics, step))
        except ApiError as refusal:
            return CoordinatorResult(
                [], ConsumerGroupHeartbeatResponse(error_code=refusal.error_code, error_message=refusal.message)
            )

    def regexes_to_resolve(self, request: ConsumerGroupHeartbeatRequest, now: Instant) -> frozenset[str]:
        """Regular expressions that are to be resolved, beside the loop, before this heartbeat is decided upon."""
        group, interval_ms = (
            self._table.consumer(request.group_id),
            self.settings.group_consumer_regex_refresh_interval_ms,
        )
        return to_resolve(group, request, self.topics.names_version, now.wall_ms, interval_ms)

    def _consumer_group(self, request: ConsumerGroupHeartbeatRequest, step: Step) -> ConsumerGroup:
        """The group, which may have to begin with this request. Raises ApiError."""
        group_id, group = request.group_id, self.groups.get(request.group_id)
        if isinstance(group, ConsumerGroup):
            return group
        joins = request.member_epoch == JOINING_EPOCH
        if group is None and not joins:
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {group_id} not found.")
        if group is None:
            return self._table.to_come(group_id)
        if joins and isinstance(group, ClassicGroup) and group.is_empty:
            step.records += group.tombstones()
            return self._table.to_come(group_id)
        if joins and isinstance(group, ClassicGroup):
            made = upgraded(group, self.topics, step)
            made.history = self._table.to_come(group_id).history
            return made
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")

    def act(self, now: Instant, act: Callable[[GroupTable, Topics, Step], R]) -> CoordinatorResult[R]:
        """Let somebody act upon the groups, as share groups do; what is to be recorded is left with the step."""
        step = self._step(now)
        response = act(self._table, self.topics, step)
        return step.result(response)

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
        group = self._table.any_or_new(request.group_id)
        may_store = self._may_store(group, request, version, step, transactional=transactional)
        return self._on(group, step, commit_offsets(group, request, step, may_store))

    def _may_store(
        self, group: Group, request: OffsetCommitRequest, version: int, step: Step, *, transactional: bool
    ) -> Verdict:
        if isinstance(group, ClassicGroup):
            return may_commit(group, request, step, transactional=transactional)
        if not isinstance(group, ConsumerGroup):
            return lambda _topic, _partition: ErrorCode.GROUP_ID_NOT_FOUND
        error = check_committer(group, request, version, self.topics, transactional=transactional)
        return lambda _topic, _partition: error

    def fetch(self, request: OffsetFetchRequestGroup, *, require_stable: bool) -> OffsetFetchResponseGroup:
        group = self.groups.get(request.group_id)
        error = check_fetcher(group, request) if isinstance(group, ConsumerGroup) else ErrorCode.NONE
        if isinstance(group, ShareGroup):
            error = ErrorCode.GROUP_ID_NOT_FOUND
        if error:
            return OffsetFetchResponseGroup(request.group_id, error_code=error)
        return fetch_offsets(group, request, require_stable=require_stable)

    def delete_offsets(self, request: OffsetDeleteRequest, now: Instant) -> CoordinatorResult[OffsetDeleteResponse]:
        step = self._step(now)
        if not request.group_id:
            return step.result(OffsetDeleteResponse(error_code=ErrorCode.INVALID_GROUP_ID))
        group = self.groups.get(request.group_id)
        if group is None or isinstance(group, ShareGroup):
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

    def describe_consumer_group(self, group_id: str) -> consumer_group_describe.DescribedGroup:
        default = self.settings.group_consumer_assignors[0]
        return describe_consumer_group(group_id, self.groups.get(group_id), self.topics, default)

    def rebalances(self, group_id: str) -> tuple[Rebalance, ...] | None:
        """The last ones of a group, the oldest first; None where there is no such group."""
        group = self.groups.get(group_id)
        return None if group is None else group.history.rebalances

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
            self._table.replay_offset(meaning, log_offset, producer_id)
        elif isinstance(meaning, GroupRecord):
            self._table.replay_classic(meaning, step)
        elif isinstance(meaning, ConsumerGroupRecord):
            self._table.replay_consumer(meaning, step)
        elif isinstance(meaning, ShareGroupRecord):
            self._table.replay_share(meaning, step)
        return step.answers

    def complete_transaction(self, producer_id: int, *, commit: bool) -> None:
        """The marker of a producer's transaction is in the partition."""
        self._table.complete_transaction(producer_id, commit=commit)

    def begin(self, now: Instant) -> None:
        """All records there are have been replayed: now is when sessions begin."""
        step = self._step(now)
        for group in self.groups.values():
            lifecycle.begin_sessions(group, step)
        step.set_timer(TimerKind.RETENTION, self.settings.offsets_retention_check_interval_ms)

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
        group = self.groups.get(timer.group_id)
        if group is None:
            return step.result(None)
        lifecycle.time_over(group, timer, self.topics, step)
        return self._on(group, step, None)

    # -------------------------------------------------------------------------------------------------------- defects

    def disband(self, group_id: str, now: Instant) -> CoordinatorResult[None]:
        """Let a group whose state cannot be trusted go back to its offsets. Its members are told to join again."""
        step = self._step(now)
        group = self.groups.get(group_id)
        if group is None:
            return step.result(None)
        lifecycle.disband(group, step)
        return self._on(group, step, None)

    # ------------------------------------------------------------------------------------------------------- in short

    def _step(self, now: Instant) -> Step:
        return Step(now, self.settings, self._timers)

    def _on(self, group: Group, step: Step, response: R) -> CoordinatorResult[R]:
        """The result of something that was done to a group, which need not be there afterwards."""
        self._table.forget_if_void(group)
        return step.result(response)


def _error_without_group(group_id: str) -> ErrorCode:
    return ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID
