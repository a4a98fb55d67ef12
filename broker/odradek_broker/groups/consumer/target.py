"""When a group begins a new epoch, and what its members are to have in it."""

from __future__ import annotations

from collections.abc import Iterable

from odradek_broker.groups.assignors import ASSIGNORS, GroupSpec, MemberSpec
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.consumer.draft import Draft
from odradek_broker.groups.consumer.group import NEVER_MS, ConsumerGroup
from odradek_broker.groups.consumer.records import (
    epoch_record,
    partition_metadata_tombstone,
    target_metadata_record,
    target_record,
)
from odradek_broker.groups.history import Cause
from odradek_broker.groups.step import Step
from odradek_broker.groups.topics import Topic, Topics, metadata_hash


def begin_epoch_if_needed(draft: Draft) -> None:
    """A new epoch of the group, where this member or the metadata has changed so that one is needed."""
    group, topics, step = draft.group, draft.topics, draft.step
    changed = draft.subscription_changed or draft.regexes_changed or _prefers_another(draft)
    if not changed and group.checked_version == topics.version:
        return
    wanted = {name for each in draft.members.values() for name in draft.names_of(each)}
    hashed = metadata_hash(wanted, topics)
    if changed or hashed != group.metadata_hash:
        draft.epoch = group.next_epoch
        group.history.began(_cause(draft, changed), step.now.wall_ms, draft.epoch)
        step.records.append(epoch_record(group.group_id, draft.epoch, hashed))
        if group.has_partition_metadata:
            step.records.append(partition_metadata_tombstone(group.group_id))
    else:
        group.checked_version = topics.version


def _cause(draft: Draft, changed: bool) -> Cause:
    if not changed:
        return Cause("topics that members subscribe to have changed")
    if draft.former.member_id not in draft.group.members:
        return Cause.by(draft.member, "has joined")
    return Cause.by(draft.member, "wants something else")


def _prefers_another(draft: Draft) -> bool:
    """Whether the assignor that most members prefer is another with this one."""
    if draft.member.server_assignor == draft.former.server_assignor:
        return False
    default = draft.step.settings.group_consumer_assignors[0]
    before = draft.group.preferred_assignor(draft.group.members.values()) or default
    return before != (draft.group.preferred_assignor(draft.members.values()) or default)


def update_target(draft: Draft) -> Assignment:
    """What the member is to have. Where the target is out of date, and may be computed anew, it is; for all."""
    group, step = draft.group, draft.step
    if draft.assignment_epoch == draft.epoch or not may_assign(group, step):
        return group.target_of(draft.member)
    chosen = group.preferred_assignor(draft.members.values()) or step.settings.group_consumer_assignors[0]
    spec = _spec(draft)
    targets = ASSIGNORS[chosen](spec)
    for each in spec.members:
        if targets[each.member_id] != group.targets.get(each.member_id):
            step.records.append(target_record(group.group_id, each.member_id, targets[each.member_id]))
    step.records.append(target_metadata_record(group.group_id, draft.epoch, step.now.wall_ms))
    draft.assignment_epoch = draft.epoch
    return targets[draft.member.member_id]


def may_assign(group: ConsumerGroup, step: Step) -> bool:
    """Not twice within the group's assignment interval: who comes meanwhile is assigned to by a later heartbeat.

    Where the clock has been set back nobody waits for it.
    """
    if group.assigned_at_ms == NEVER_MS:
        return True
    since_ms = step.now.wall_ms - group.assigned_at_ms
    return not 0 <= since_ms < step.settings.of_consumers(group.group_id).assignment_interval_ms


def _spec(draft: Draft) -> GroupSpec:
    names = {member_id: draft.names_of(each) for member_id, each in draft.members.items()}
    found = existing(frozenset().union(*names.values()), draft.topics)
    ids = {each.name: each.topic_id for each in found}
    specs = [
        MemberSpec(
            member_id=each.member_id,
            instance_id=each.instance_id,
            topics=frozenset(ids[name] for name in names[each.member_id] if name in ids),
            assignment=draft.group.target_of(each),
        )
        for each in draft.members.values()
    ]
    return GroupSpec(members=specs, partition_counts={each.topic_id: each.partition_count for each in found})


def existing(names: Iterable[str], topics: Topics) -> list[Topic]:
    """Those topics that there are, in order of their names."""
    return [topic for name in sorted(names) if (topic := topics.get(name)) is not None]
