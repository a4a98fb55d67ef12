"""DescribeGroups and ListGroups: what an operator wants to know."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_groups import DescribedGroup, DescribedGroupMember
from odradek.protocol.messages.list_groups import ListedGroup
from odradek_broker.groups.group import ClassicGroup, GroupState
from odradek_broker.groups.kinds import Group
from odradek_broker.groups.member import Member


def describe(group_id: str, group: Group | None, version: int) -> DescribedGroup:
    """Only classic groups are found; another is Dead, and from version 6 on that is an error (KIP-1043)."""
    if not isinstance(group, ClassicGroup):
        if version < 6:
            return DescribedGroup(group_id=group_id, group_state=GroupState.DEAD)
        why = "not found" if group is None else "is not a classic group"
        return DescribedGroup(
            error_code=ErrorCode.GROUP_ID_NOT_FOUND,
            error_message=f"Group {group_id} {why}.",
            group_id=group_id,
            group_state=GroupState.DEAD,
        )
    protocol = (group.protocol_name or "") if group.state is GroupState.STABLE else ""
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state,
        protocol_type=group.protocol_type or "",
        protocol_data=protocol,
        members=[_describe_member(member, protocol) for member in group.members.values()],
    )


def _describe_member(member: Member, protocol: str) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.group_instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=member.protocols[protocol] if protocol else b"",
        member_assignment=member.assignment if protocol else b"",
    )


def matching(groups: Iterable[Group], states: Collection[str] = (), types: Collection[str] = ()) -> list[ListedGroup]:
    """The groups in one of these states and of one of these types; no states, or no types, stand for all."""
    wanted_states = {state.lower() for state in states}
    wanted_types = {kind.lower() for kind in types}
    return [
        ListedGroup(group.group_id, group.protocol_type or "", group.state, group.kind)
        for group in groups
        if (not wanted_states or group.state.lower() in wanted_states)
        and (not wanted_types or group.kind in wanted_types)
    ]
