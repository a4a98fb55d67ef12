"""How a member gets from what it has to what it is to have. Kafka: CurrentAssignmentBuilder.

Step by step: it first gives up what it is not to have any longer, and says so; then it takes on the epoch of the
target and what is free of it; then, one by one, what others have given up meanwhile. What it keeps it is never asked
to stop reading.

Invariant: a partition is given to a member only when nobody else holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.groups.assignors.spec import Assignment
from odradek_broker.groups.consumer.member import NOTHING_HELD, ConsumerMember, MemberState, Partitions


class Goal(Struct, frozen=True, kw_only=True):
    """Where a member is to get, and what has to be known for it."""

    epoch: int
    target: Assignment
    topics: Container[bytes]
    """The topics that it has subscribed to: of others it has to give up all, whatever the target says."""
    topics_changed: bool
    """It has just subscribed to others."""
    is_free: Callable[[bytes, int], bool]
    """Whether nobody but the member itself holds a partition."""
    owned: Assignment | None
    """What the member says it has; None where it does not say."""


def reconcile(member: ConsumerMember, goal: Goal) -> ConsumerMember:
    """The member one step further on, or the same where there is none to take. Raises ApiError."""
    if member.state is MemberState.UNKNOWN:
        if goal.owned is None or goal.owned:
            raise ApiError(
                ErrorCode.FENCED_MEMBER_EPOCH,
                "The consumer group member is in an unknown state. The member must abandon all its partitions and "
                "rejoin.",
            )
        return _advance(member, goal, goal.epoch)
    if member.state is MemberState.STABLE and member.member_epoch == goal.epoch:
        return _drop_unsubscribed(member, goal) if goal.topics_changed else member
    if member.state is MemberState.UNREVOKED_PARTITIONS and _still_has(member.pending_revocation, goal.owned):
        return _drop_unsubscribed(member, goal) if goal.topics_changed else member
    return _advance(member, goal, member.member_epoch)


def _advance(member: ConsumerMember, goal: Goal, epoch: int) -> ConsumerMember:
    """Towards the target. `epoch`: in which the member stays while it has something to give up."""
    target = {topic_id: share for topic_id, share in goal.target.items() if topic_id in goal.topics}
    kept = _only(member.assigned, lambda topic_id, partition: partition in target.get(topic_id, ()))
    given_up = _only(member.assigned, lambda topic_id, partition: partition not in target.get(topic_id, ()))
    if given_up and _still_has(given_up, goal.owned):
        return _moved(member, MemberState.UNREVOKED_PARTITIONS, epoch, kept, given_up)
    assigned = {topic_id: dict(epochs) for topic_id, epochs in kept.items()}
    waits = False
    for topic_id, share in target.items():
        for partition in sorted(share - assigned.get(topic_id, {}).keys()):
            if goal.is_free(topic_id, partition):
                assigned.setdefault(topic_id, {})[partition] = goal.epoch
            else:
                waits = True
    state = MemberState.UNRELEASED_PARTITIONS if waits else MemberState.STABLE
    return _moved(member, state, goal.epoch, assigned, NOTHING_HELD)


def _drop_unsubscribed(member: ConsumerMember, goal: Goal) -> ConsumerMember:
    """Before there is a new target: let go of topics that the member has just unsubscribed from."""
    kept = _only(member.assigned, lambda topic_id, _: topic_id in goal.topics)
    dropped = _only(member.assigned, lambda topic_id, _: topic_id not in goal.topics)
    if not dropped:
        return member
    pending = {topic_id: dict(epochs) for topic_id, epochs in member.pending_revocation.items()}
    for topic_id, epochs in dropped.items():
        pending.setdefault(topic_id, {}).update(epochs)
    if _still_has(pending, goal.owned):
        return _moved(member, MemberState.UNREVOKED_PARTITIONS, member.member_epoch, kept, pending)
    return _moved(member, member.state, member.member_epoch, kept, member.pending_revocation)


def _moved(
    member: ConsumerMember, state: MemberState, epoch: int, assigned: Partitions, pending: Partitions
) -> ConsumerMember:
    return structs.replace(
        member,
        state=state,
        member_epoch=epoch,
        previous_member_epoch=member.member_epoch,
        assigned=assigned,
        pending_revocation=pending,
    )


def _only(partitions: Partitions, wanted: Callable[[bytes, int], bool]) -> Partitions:
    found = {
        topic_id: {partition: epoch for partition, epoch in epochs.items() if wanted(topic_id, partition)}
        for topic_id, epochs in partitions.items()
    }
    return {topic_id: epochs for topic_id, epochs in found.items() if epochs}


def _still_has(given_up: Partitions, owned: Assignment | None) -> bool:
    """Whether the member has one of these yet, for all we know."""
    if owned is None:
        return True
    return any(not owned[topic_id].isdisjoint(epochs) for topic_id, epochs in given_up.items() if topic_id in owned)
