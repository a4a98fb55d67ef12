"""From the classic protocol to the consumer protocol and back, while members are there (KIP-848).

A group of the classic protocol becomes one of the other with the first member that joins by that: it takes over the
generation as its epoch, and what the leader has assigned as what everybody has. The members that were there go on
speaking the classic protocol (classic_members.py) until they too come by the other. When the last member of the
consumer protocol goes, the group becomes a classic one again, and rebalances.

Both ways it is one batch of records: the tombstones of the one group, then all there is of the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_records import ClassicMemberMetadata, ClassicProtocol
from odradek.protocol.messages.group_metadata import GroupMetadataValue, MemberMetadata
from odradek.protocol.primitives import ProtocolError
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.consumer import records
from odradek_broker.groups.consumer.embedded import (
    read_assignment,
    subscription_of,
    write_assignment,
)
from odradek_broker.groups.consumer.group import NEVER_MS, ConsumerGroup
from odradek_broker.groups.consumer.member import ConsumerMember
from odradek_broker.groups.group import ClassicGroup
from odradek_broker.groups.member import Member
from odradek_broker.groups.records import group_record
from odradek_broker.groups.step import Step
from odradek_broker.groups.subscription import CONSUMER_PROTOCOL_TYPE
from odradek_broker.groups.timers import TimerKind
from odradek_broker.groups.topics import Topics, metadata_hash

UPGRADES, DOWNGRADES = ("bidirectional", "upgrade"), ("bidirectional", "downgrade")


def upgraded(group: ClassicGroup, topics: Topics, step: Step) -> ConsumerGroup:
    """What a classic group is to become, to decide from: it is so once that is on record. Raises ApiError."""
    _refuse_upgrade(group, step)
    made = ConsumerGroup(group.group_id)
    made.epoch = made.assignment_epoch = max(group.generation, 1)
    try:
        for member in group.members.values():
            _take_over(made, member, topics)
    except ProtocolError as error:
        raise ApiError(
            ErrorCode.GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {group.group_id} to consumer group: {error}."
        ) from None
    made.metadata_hash = metadata_hash(made.subscribed_topics(), topics)
    step.records += [*group.tombstones(), *_all_of(made)]
    step.notes.append(f"group {group.group_id!r} becomes one of the consumer protocol")
    return made


def _refuse_upgrade(group: ClassicGroup, step: Step) -> None:
    settings = step.settings
    if settings.group_consumer_migration_policy not in UPGRADES:
        why = "online upgrade is disabled"
    elif group.protocol_type != CONSUMER_PROTOCOL_TYPE:
        why = "the group does not use the consumer embedded protocol"
    elif len(group.members) > settings.group_consumer_max_size:
        why = "the group size exceeds the consumer group maximum size"
    else:
        return
    raise ApiError(
        ErrorCode.GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {group.group_id} to consumer group because {why}."
    )


def _take_over(made: ConsumerGroup, member: Member, topics: Topics) -> None:
    """What two members were assigned, as no assignor does, is the first one's. Raises ProtocolError."""
    classic = ClassicMemberMetadata(
        session_timeout_ms=member.session_timeout_ms,
        supported_protocols=[ClassicProtocol(*each) for each in member.protocols.items()],
    )
    said = subscription_of(classic)
    target = {
        topic_id: free
        for topic_id, numbers in read_assignment(member.assignment, topics).items()
        if (free := frozenset(each for each in numbers if made.is_free(topic_id, each, member.member_id)))
    }
    made.targets[member.member_id] = target
    made.put_member(
        ConsumerMember(
            member_id=member.member_id,
            member_epoch=made.epoch,
            previous_member_epoch=made.epoch,
            instance_id=member.group_instance_id,
            rack_id=said.rack_id,
            rebalance_timeout_ms=member.rebalance_timeout_ms,
            client_id=member.client_id,
            client_host=member.client_host,
            subscribed_topic_names=said.topics,
            assigned={topic_id: dict.fromkeys(sorted(numbers), made.epoch) for topic_id, numbers in target.items()},
            classic=classic,
        )
    )


def _all_of(group: ConsumerGroup) -> Iterable[CoordinatorRecord]:
    group_id, members = group.group_id, group.members.values()
    yield from (records.member_record(group_id, each) for each in members)
    yield records.epoch_record(group_id, group.epoch, group.metadata_hash)
    yield from (records.target_record(group_id, each, target) for each, target in group.targets.items())
    yield records.target_metadata_record(group_id, group.assignment_epoch, NEVER_MS)
    yield from (records.current_assignment_record(group_id, each) for each in members)


# ------------------------------------------------------------------------------------------------------------ and back


def is_to_be_downgraded(group: ConsumerGroup, left: list[ConsumerMember], step: Step) -> bool:
    """Whether those that are left are classic members all, and may be a classic group."""
    settings = step.settings
    return (
        bool(left)
        and all(each.uses_classic_protocol for each in left)
        and settings.group_consumer_migration_policy in DOWNGRADES
        and len(left) <= settings.group_max_size
    )


def downgrade(
    group: ConsumerGroup, left: list[ConsumerMember], topics: Topics, step: Step, *, is_divided: bool = False
) -> GroupMetadataValue:
    """Let the group be a classic one from now on, in which everybody has what it was to have.

    Then it rebalances, unless `is_divided`: these are the members that the target is for, and all of them are there.
    """
    value = _as_classic(group, left, topics, step, is_divided=is_divided)
    step.records += [*group.tombstones(), group_record(group.group_id, value)]
    if not is_divided:
        step.set_timer(TimerKind.DOWNGRADE, 0, group.group_id)
    then = "" if is_divided else ", and rebalances"
    step.notes.append(f"group {group.group_id!r} becomes a classic one again{then}")
    return value


def _as_classic(
    group: ConsumerGroup, left: list[ConsumerMember], topics: Topics, step: Step, *, is_divided: bool
) -> GroupMetadataValue:
    by_name = [
        {each.name: each.metadata for each in member.classic.supported_protocols}
        for member in left
        if member.classic is not None
    ]
    common = [name for name in by_name[0] if all(name in each for each in by_name)]
    return GroupMetadataValue(
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        generation=group.epoch,
        protocol=common[0],
        leader=left[0].member_id if is_divided else None,  # None says to the next coordinator, too: not divided yet.
        current_state_timestamp=step.now.wall_ms,
        members=[
            _classic_member(group, member, protocols[common[0]], topics)
            for member, protocols in zip(left, by_name, strict=True)
        ],
    )


def _classic_member(group: ConsumerGroup, member: ConsumerMember, metadata: bytes, topics: Topics) -> MemberMetadata:
    assert member.classic is not None
    target = group.target_of(member)
    return MemberMetadata(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        rebalance_timeout=member.rebalance_timeout_ms,
        session_timeout=member.classic.session_timeout_ms,
        subscription=metadata,
        assignment=write_assignment(target, subscription_of(member.classic).version, topics),
    )
