"""Members that speak the classic protocol in a group of the consumer protocol, while it migrates (KIP-848).

To them a member epoch is a generation, and the coordinator the leader: they join and are answered at once, ask for
their assignment by SyncGroup, and are told by heartbeats to join again whenever there is a step to take towards the
target. What a JoinGroup says that they own is what a ConsumerGroupHeartbeat would say.

A static member may come back by the classic protocol. Where it was the last of the other, the group is a classic one
from then on.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_records import ClassicMemberMetadata, ClassicProtocol
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from odradek.protocol.primitives import ProtocolError
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.groups.consumer.draft import Draft
from odradek_broker.groups.consumer.embedded import (
    Subscription,
    by_id,
    read_subscription,
    subscription_of,
    write_assignment,
)
from odradek_broker.groups.consumer.fence import fence, find_member
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.heartbeat import advance, refuse_if_full, replace_static
from odradek_broker.groups.consumer.member import ConsumerMember, MemberState, numbers_of
from odradek_broker.groups.consumer.migration import downgrade, is_to_be_downgraded
from odradek_broker.groups.consumer.records import member_record
from odradek_broker.groups.consumer.regexes import Resolved
from odradek_broker.groups.consumer.target import may_assign
from odradek_broker.groups.consumer.timeouts import begin_session
from odradek_broker.groups.history import Cause
from odradek_broker.groups.join import Joiner, refuse_join
from odradek_broker.groups.leave import answer_leave, identities_of
from odradek_broker.groups.step import Step
from odradek_broker.groups.subscription import CONSUMER_PROTOCOL_TYPE
from odradek_broker.groups.timers import TimerKind
from odradek_broker.groups.topics import Topics, metadata_hash

NO_MIGRATION = "disabled"


def join(
    group: ConsumerGroup, request: JoinGroupRequest, joiner: Joiner, topics: Topics, step: Step
) -> JoinGroupResponse:
    """Raises ApiError."""
    member_id = request.member_id or joiner.new_member_id
    said = _read(group, request, step)
    refuse_if_full(group, member_id, request.group_instance_id, step)
    if joiner.must_know_its_id and not request.member_id and request.group_instance_id is None:
        return refuse_join(ErrorCode.MEMBER_ID_REQUIRED, member_id)
    owner = _owner_by_the_other_protocol(group, request)
    if owner is not None:
        member = _as_it_is_now(structs.replace(owner, member_id=member_id), request, joiner, said)
        left = [*(each for each in group.members.values() if each is not owner), member]
        if is_to_be_downgraded(group, left, step):
            return _join_classic_group(group, owner, member, left, topics, step)
    former = _find_or_admit(group, request, member_id, step)
    member = _as_it_is_now(former, request, joiner, said)
    if member != former:
        step.records.append(member_record(group.group_id, member))
    draft = Draft(group, former, member, topics, step)
    draft.take_regexes(Resolved())
    moved = advance(draft, by_id(said.owned, topics))
    step.cancel_timer(TimerKind.REBALANCE, group.group_id, member_id)
    step.set_timer(TimerKind.SESSION, request.session_timeout_ms, group.group_id, member_id)
    step.set_timer(TimerKind.SYNC, max(member.rebalance_timeout_ms, 0), group.group_id, member_id)
    return JoinGroupResponse(
        generation_id=moved.member_epoch,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=request.protocols[0].name,
        member_id=member_id,
    )


def _read(group: ConsumerGroup, request: JoinGroupRequest, step: Step) -> Subscription:
    """What it says of itself, if it may be here at all. Raises ApiError."""
    if step.settings.group_consumer_migration_policy == NO_MIGRATION:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, "the group migration is disabled")
    names = [each.name for each in request.protocols]
    if request.protocol_type != CONSUMER_PROTOCOL_TYPE or not _agrees(group, names):
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, "the protocols are not supported")
    try:
        return read_subscription(request.protocols[0].metadata)
    except ProtocolError as error:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, str(error)) from None


def _agrees(group: ConsumerGroup, names: Collection[str]) -> bool:
    """Whether one of these protocols is spoken by all classic members: they may be alone again one day."""
    spoken = [
        {each.name for each in member.classic.supported_protocols}
        for member in group.members.values()
        if member.classic is not None
    ]
    return any(all(name in each for each in spoken) for name in names)


def _find_or_admit(group: ConsumerGroup, request: JoinGroupRequest, member_id: str, step: Step) -> ConsumerMember:
    """Raises ApiError."""
    if request.group_instance_id is None:
        return group.members.get(member_id) or ConsumerMember(member_id=member_id)
    if request.member_id:
        return find_member(group, request.member_id, request.group_instance_id)
    former_id = group.static_members.get(request.group_instance_id)
    if former_id is None:
        return ConsumerMember(member_id=member_id)
    return replace_static(group, group.members[former_id], member_id, step)


def _owner_by_the_other_protocol(group: ConsumerGroup, request: JoinGroupRequest) -> ConsumerMember | None:
    """The member of the consumer protocol whose place a static member takes that comes back by the classic one."""
    owner = group.members.get(group.static_members.get(request.group_instance_id or "", ""))
    if owner is None or owner.uses_classic_protocol or request.member_id not in ("", owner.member_id):
        return None
    return owner


def _join_classic_group(
    group: ConsumerGroup,
    owner: ConsumerMember,
    member: ConsumerMember,
    left: list[ConsumerMember],
    topics: Topics,
    step: Step,
) -> JoinGroupResponse:
    """The last of the consumer protocol has come back by the classic one: nobody is left to hold the group here.

    Where nothing else has changed nobody is stopped: the member reads on what it had.
    """
    is_divided = (
        group.assignment_epoch == group.epoch
        and member.subscribed_topic_names == owner.subscribed_topic_names
        and not owner.subscribed_topic_regex
        and group.metadata_hash == metadata_hash(group.topics_of(left), topics)
        and all(each.state is MemberState.STABLE and each.member_epoch == group.epoch for each in left[:-1])
    )
    value = downgrade(group, left, topics, step, is_divided=is_divided)
    return JoinGroupResponse(
        generation_id=value.generation,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=value.protocol,
        member_id=member.member_id,
    )


def _as_it_is_now(
    member: ConsumerMember, request: JoinGroupRequest, joiner: Joiner, said: Subscription
) -> ConsumerMember:
    timeout_ms = request.rebalance_timeout_ms
    return structs.replace(
        member,
        instance_id=request.group_instance_id or member.instance_id,
        rack_id=said.rack_id or member.rack_id,
        rebalance_timeout_ms=request.session_timeout_ms if timeout_ms < 0 else timeout_ms,
        subscribed_topic_names=said.topics,
        subscribed_topic_regex="",
        client_id=joiner.client_id,
        client_host=joiner.client_host,
        classic=ClassicMemberMetadata(
            session_timeout_ms=request.session_timeout_ms,
            supported_protocols=[ClassicProtocol(each.name, bytes(each.metadata)) for each in request.protocols],
        ),
    )


# ----------------------------------------------------------------------------------------------------- in between


def sync(group: ConsumerGroup, request: SyncGroupRequest, topics: Topics, step: Step) -> SyncGroupResponse:
    """Raises ApiError."""
    member = _find(group, request.member_id, request.group_instance_id, request.generation_id)
    assert member.classic is not None
    for said, holds in (
        (request.protocol_type, CONSUMER_PROTOCOL_TYPE),
        (request.protocol_name, member.classic.supported_protocols[0].name),
    ):
        if said is not None and said != holds:
            raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, f"{said} is not {holds}")
    if group.assignment_epoch != member.member_epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
        _expect_join(group, member, step)
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS, "there is another target by now")
    step.cancel_timer(TimerKind.SYNC, group.group_id, member.member_id)
    begin_session(group, member.member_id, step)
    version = subscription_of(member.classic).version
    return SyncGroupResponse(
        protocol_type=request.protocol_type,
        protocol_name=request.protocol_name,
        assignment=write_assignment(numbers_of(member.assigned), version, topics),
    )


def heartbeat(group: ConsumerGroup, request: HeartbeatRequest, step: Step) -> ErrorCode:
    """Raises ApiError."""
    member = _find(group, request.member_id, request.group_instance_id, request.generation_id)
    begin_session(group, member.member_id, step)
    if not _has_a_step_to_take(group, member, step):
        return ErrorCode.NONE
    _expect_join(group, member, step)
    return ErrorCode.REBALANCE_IN_PROGRESS


def _has_a_step_to_take(group: ConsumerGroup, member: ConsumerMember, step: Step) -> bool:
    """Also where by joining it would have a new target computed: there may be nobody else to do that."""
    if member.member_epoch != group.assignment_epoch or member.state is MemberState.UNREVOKED_PARTITIONS:
        return True
    if group.epoch != group.assignment_epoch and may_assign(group, step):
        return True
    return member.state is MemberState.UNRELEASED_PARTITIONS and not _waits_for_others(group, member)


def _waits_for_others(group: ConsumerGroup, member: ConsumerMember) -> bool:
    """Whether something that it is to have is still held by somebody else."""
    target = group.target_of(member)
    return any(
        not group.is_free(topic_id, partition, member.member_id)
        for topic_id, share in target.items()
        for partition in share - member.assigned.get(topic_id, {}).keys()
    )


def _expect_join(group: ConsumerGroup, member: ConsumerMember, step: Step) -> None:
    """It has been told to join, and has its rebalance timeout for that."""
    if not step.has_timer(TimerKind.REBALANCE, group.group_id, member.member_id):
        step.set_timer(TimerKind.REBALANCE, max(member.rebalance_timeout_ms, 0), group.group_id, member.member_id)


def _find(group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int) -> ConsumerMember:
    """Raises ApiError."""
    member = find_member(group, member_id, instance_id)
    if not member.uses_classic_protocol:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} does not use the classic protocol.")
    if member.member_epoch != generation:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION, f"{generation} is not the member's epoch {member.member_epoch}")
    return member


def leave(group: ConsumerGroup, request: LeaveGroupRequest, topics: Topics, step: Step) -> LeaveGroupResponse:
    """Members go, or are sent away by an operator; those of the consumer protocol too."""
    identities, leaving, errors = identities_of(request), dict[str, ConsumerMember](), list[ErrorCode]()
    for identity in identities:
        try:
            member = _leaving(group, identity)
        except ApiError as refusal:
            errors.append(refusal.error_code)
        else:
            leaving[member.member_id] = member
            errors.append(ErrorCode.NONE)
    for first in [*leaving.values()][:1]:
        fence(group, leaving.values(), Cause.by(first, "has left"), topics, step)
    return answer_leave(request, identities, errors)


def _leaving(group: ConsumerGroup, identity: MemberIdentity) -> ConsumerMember:
    """Raises ApiError."""
    if identity.group_instance_id is not None and not identity.member_id:
        owner_id = group.static_members.get(identity.group_instance_id, "")
        return find_member(group, owner_id, identity.group_instance_id)
    return find_member(group, identity.member_id, identity.group_instance_id)
