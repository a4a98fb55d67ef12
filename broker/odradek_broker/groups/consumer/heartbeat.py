"""ConsumerGroupHeartbeat: join, stay, leave. Kafka: GroupMetadataManager.consumerGroupHeartbeat.

    1. The member is created, or takes note of what has changed. Other topics, or another assignor that most members
       prefer, raise the group's epoch; so does metadata that is not what it was.
    2. Where the group's epoch is above the target's, a new target is computed, if the last one is old enough.
    3. The member takes a step from what it has towards the target, and hears when to come again.

All of it is one decision and one batch of records.
"""

from __future__ import annotations

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import (
    Assignment as AnsweredAssignment,
)
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.consumer.draft import Draft
from odradek_broker.groups.consumer.fence import find_member, leave
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.member import JOINING_EPOCH, LEAVING_FOR_A_WHILE_EPOCH, ConsumerMember
from odradek_broker.groups.consumer.pace import next_heartbeat_ms
from odradek_broker.groups.consumer.reconcile import Goal, reconcile
from odradek_broker.groups.consumer.records import (
    current_assignment_record,
    member_record,
    removal_of,
    target_record,
)
from odradek_broker.groups.consumer.regexes import Resolved, refuse_if_invalid
from odradek_broker.groups.consumer.target import begin_epoch_if_needed, existing, update_target
from odradek_broker.groups.consumer.timeouts import begin_session
from odradek_broker.groups.step import Step
from odradek_broker.groups.topics import Topics


class HeartbeatSender(Struct, frozen=True, kw_only=True):
    """Who sends a ConsumerGroupHeartbeat."""

    version: int
    """Of the request."""
    new_member_id: str
    """The id for one that has none yet; never given before."""
    client_id: str = ""
    client_host: str = ""
    resolved: Resolved = Resolved()
    """What was found out of what `regexes_to_resolve` had named."""


def heartbeat(
    group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest, sender: HeartbeatSender, topics: Topics, step: Step
) -> ConsumerGroupHeartbeatResponse:
    """Raises ApiError."""
    if request.member_epoch < JOINING_EPOCH:
        return leave(group, request, topics, step)
    member_id = request.member_id or sender.new_member_id
    refuse_if_full(group, member_id, request.instance_id, step)
    owned = _owned(request)
    former = _find_or_admit(group, member_id, request, owned, step)
    member = _as_it_is_now(former, request, sender)
    refuse_if_invalid(member.subscribed_topic_regex, sender.resolved)
    if member != former:
        step.records.append(member_record(group.group_id, member))
    draft = Draft(group, former, member, topics, step)
    draft.take_regexes(sender.resolved)
    moved = advance(draft, owned)
    begin_session(group, member_id, step)
    return ConsumerGroupHeartbeatResponse(
        member_id=member_id,
        member_epoch=moved.member_epoch,
        heartbeat_interval_ms=next_heartbeat_ms(draft, moved),
        assignment=_told(moved) if _is_complete(request) or moved.assigned != former.assigned else None,
    )


def _is_complete(request: ConsumerGroupHeartbeatRequest) -> bool:
    """The member says all of itself, as it does when it joins and when an answer was lost: so it is told all."""
    subscribes = request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None
    all_said = request.rebalance_timeout_ms != -1 and subscribes and request.topic_partitions is not None
    return request.member_epoch == JOINING_EPOCH or all_said


def _told(member: ConsumerMember) -> AnsweredAssignment:
    return AnsweredAssignment(
        [TopicPartitions(topic_id, sorted(epochs)) for topic_id, epochs in member.assigned.items()]
    )


def _owned(request: ConsumerGroupHeartbeatRequest) -> Assignment | None:
    if request.topic_partitions is None:
        return None
    owned: dict[bytes, frozenset[int]] = {}
    for topic in request.topic_partitions:
        owned[topic.topic_id] = owned.get(topic.topic_id, frozenset()) | frozenset(topic.partitions)
    return owned


def refuse_if_full(group: ConsumerGroup, member_id: str, instance_id: str | None, step: Step) -> None:
    most = step.settings.group_consumer_max_size
    if instance_id in group.static_members or member_id in group.members or len(group.members) < most:
        return
    raise ApiError(
        ErrorCode.GROUP_MAX_SIZE_REACHED, f"The consumer group has reached its maximum capacity of {most} members."
    )


# ------------------------------------------------------------------------------------------------------- the member


def _find_or_admit(
    group: ConsumerGroup,
    member_id: str,
    request: ConsumerGroupHeartbeatRequest,
    owned: Assignment | None,
    step: Step,
) -> ConsumerMember:
    """The member as it was before this request; one that joins may be anybody. Raises ApiError."""
    if request.member_epoch == JOINING_EPOCH:
        former_id = group.static_members.get(request.instance_id or "")
        if former_id is not None and former_id != member_id:
            _refuse_if_unreleased(group.members[former_id], member_id)
            return replace_static(group, group.members[former_id], member_id, step)
        return group.members.get(member_id) or ConsumerMember(member_id=member_id)
    member = find_member(group, member_id, request.instance_id)
    _refuse_epoch(member, request.member_epoch, owned)
    return member


def _refuse_if_unreleased(former: ConsumerMember, member_id: str) -> None:
    """Raises ApiError where another has the instance, and has not left. One that speaks the classic protocol does not
    say when it leaves for a while, nor does it know the error."""
    if former.member_epoch != LEAVING_FOR_A_WHILE_EPOCH and not former.uses_classic_protocol:
        raise ApiError(
            ErrorCode.UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {former.instance_id} cannot join the group because the "
            f"instance id is owned by {former.member_id} member.",
        )


def replace_static(group: ConsumerGroup, former: ConsumerMember, member_id: str, step: Step) -> ConsumerMember:
    """A static member is back, and has the place that it had, under another member id."""
    member = structs.replace(former, member_id=member_id, member_epoch=JOINING_EPOCH, previous_member_epoch=0)
    step.records += removal_of(group.group_id, former.member_id)
    step.records.append(member_record(group.group_id, member))
    step.records.append(target_record(group.group_id, member_id, group.target_of(former)))
    step.records.append(current_assignment_record(group.group_id, member))
    return member


def _refuse_epoch(member: ConsumerMember, epoch: int, owned: Assignment | None) -> None:
    """It may be one behind, if it has nothing that it should not: then the answer that told it was lost."""
    known = member.member_epoch
    if epoch == known or (epoch < known and epoch == member.previous_member_epoch and _is_within(owned, member)):
        return
    relation = "greater" if epoch > known else "smaller"
    raise ApiError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {relation} member epoch ({epoch}) than the one known by the group "
        f"coordinator ({known}). The member must abandon all its partitions and rejoin.",
    )


def _is_within(owned: Assignment | None, member: ConsumerMember) -> bool:
    if owned is None:
        return False
    return all(partitions <= member.assigned.get(topic_id, {}).keys() for topic_id, partitions in owned.items())


def _as_it_is_now(
    member: ConsumerMember, request: ConsumerGroupHeartbeatRequest, sender: HeartbeatSender
) -> ConsumerMember:
    """With all that the request says of it; what is left out has not changed."""
    names = request.subscribed_topic_names
    timeout_ms = request.rebalance_timeout_ms
    return structs.replace(
        member,
        instance_id=_first(request.instance_id, member.instance_id),
        rack_id=_first(request.rack_id, member.rack_id),
        rebalance_timeout_ms=member.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
        server_assignor=_first(request.server_assignor, member.server_assignor),
        subscribed_topic_names=member.subscribed_topic_names if names is None else frozenset(names),
        subscribed_topic_regex=_first(request.subscribed_topic_regex, member.subscribed_topic_regex),
        client_id=sender.client_id,
        client_host=sender.client_host,
        classic=None,
    )


def _first(said: str | None, known: str | None) -> str | None:
    return known if said is None else said


# ---------------------------------------------------------------------------------------------------- what it has


def advance(draft: Draft, owned: Assignment | None) -> ConsumerMember:
    """Let the group begin a new epoch and have a new target, where that is due; the member one step towards it."""
    begin_epoch_if_needed(draft)
    target = update_target(draft)
    return _step_towards(draft, target, owned)


def _step_towards(draft: Draft, target: Assignment, owned: Assignment | None) -> ConsumerMember:
    group, member = draft.group, draft.member
    if not draft.subscription_changed and member.is_reconciled_to(draft.assignment_epoch):
        return member
    goal = Goal(
        epoch=draft.assignment_epoch,
        target=target,
        topics=frozenset(each.topic_id for each in existing(draft.names_of(member), draft.topics)),
        topics_changed=draft.subscription_changed,
        is_free=lambda topic_id, partition: group.is_free(topic_id, partition, member.member_id),
        owned=owned,
    )
    moved = reconcile(member, goal)
    if moved != member:
        draft.step.records.append(current_assignment_record(group.group_id, moved))
    return moved
