"""When a group begins a new epoch, and what its members are to have in it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from odradek_broker.groups.assignors import ASSIGNORS, GroupSpec, MemberSpec
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.consumer.group import NEVER_MS, ConsumerGroup
from odradek_broker.groups.consumer.member import ConsumerMember
from odradek_broker.groups.consumer.records import (
    epoch_record,
    partition_metadata_tombstone,
    target_metadata_record,
    target_record,
)
from odradek_broker.groups.step import Step
from odradek_broker.groups.topics import Topics, metadata_hash


class Epochs(Struct):
    """Those of the group and of its target, as they will be when this decision is on record."""

    group: int
    assignment: int


def next_epochs(
    group: ConsumerGroup, former: ConsumerMember, member: ConsumerMember, topics: Topics, step: Step
) -> Epochs:
    """With a new epoch of the group, where this member or the metadata has changed so that one is needed."""
    epochs = Epochs(group.epoch, group.assignment_epoch)
    changed = _wants_another_target(group, former, member)
    if not changed and group.checked_version == topics.version:
        return epochs
    hashed = metadata_hash(group.topics_of(group.members_with(member).values()), topics)
    if changed or hashed != group.metadata_hash:
        epochs.group = group.next_epoch
        step.records.append(epoch_record(group.group_id, epochs.group, hashed))
        if group.has_partition_metadata:
            step.records.append(partition_metadata_tombstone(group.group_id))
    else:
        group.checked_version = topics.version
    return epochs


def _wants_another_target(group: ConsumerGroup, former: ConsumerMember, member: ConsumerMember) -> bool:
    """Whether it has subscribed to something else, or the assignor that most members prefer is another with it."""
    if member.subscribed_topic_names != former.subscribed_topic_names:
        return True
    if member.server_assignor == former.server_assignor:
        return False
    before = group.preferred_assignor(group.members.values())
    return before != group.preferred_assignor(group.members_with(member).values())


def update_target(
    group: ConsumerGroup, member: ConsumerMember, epochs: Epochs, topics: Topics, step: Step
) -> Assignment:
    """What the member is to have. Where the target is out of date, and may be computed anew, it is; for all."""
    if epochs.assignment == epochs.group or not _may_assign(group, step):
        return group.target_of(member)
    members = group.members_with(member)
    chosen = group.preferred_assignor(members.values()) or step.settings.group_consumer_assignors[0]
    spec = _spec(group, members.values(), topics)
    targets = ASSIGNORS[chosen](spec)
    for each in spec.members:
        if targets[each.member_id] != group.targets.get(each.member_id):
            step.records.append(target_record(group.group_id, each.member_id, targets[each.member_id]))
    step.records.append(target_metadata_record(group.group_id, epochs.group, step.now.wall_ms))
    epochs.assignment = epochs.group
    return targets[member.member_id]


def _may_assign(group: ConsumerGroup, step: Step) -> bool:
    """Not twice within group.consumer.assignment.interval.ms: who comes meanwhile is assigned to by a later heartbeat.

    Where the clock has been set back nobody waits for it.
    """
    if group.assigned_at_ms == NEVER_MS:
        return True
    since_ms = step.now.wall_ms - group.assigned_at_ms
    return not 0 <= since_ms < step.settings.group_consumer_assignment_interval_ms


def _spec(group: ConsumerGroup, members: Iterable[ConsumerMember], topics: Topics) -> GroupSpec:
    specs = [
        MemberSpec(
            member_id=each.member_id,
            instance_id=each.instance_id,
            topics=topic_ids(group.names_of(each), topics),
            assignment=group.target_of(each),
        )
        for each in members
    ]
    wanted = {name for each in members for name in group.names_of(each)}
    found = [topic for name in sorted(wanted) if (topic := topics.get(name)) is not None]
    return GroupSpec(members=specs, partition_counts={each.topic_id: each.partition_count for each in found})


def topic_ids(names: Iterable[str], topics: Topics) -> frozenset[bytes]:
    """Of those topics that exist."""
    return frozenset(topic.topic_id for name in names if (topic := topics.get(name)) is not None)
