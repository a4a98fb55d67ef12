"""Whose offsets a consumer group takes, and to whom it tells them.

A member commits and fetches in its epoch. It may be behind, as members are while the group moves on: a commit is taken
if the member has held the partition ever since the epoch that it names (KIP-1251).
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_commit import OffsetCommitRequest
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.member import ConsumerMember
from odradek_broker.groups.topics import Topics

FIRST_COMMIT_WITH_EPOCH = 9


def check_committer(
    group: ConsumerGroup, request: OffsetCommitRequest, version: int, topics: Topics, *, transactional: bool
) -> ErrorCode:
    """All of a commit is taken or nothing is."""
    epoch = request.generation_id_or_member_epoch
    if epoch < 0 and not group.members:
        return ErrorCode.NONE
    if transactional and epoch == -1 and not request.member_id and request.group_instance_id is None:
        return ErrorCode.NONE
    member = group.members.get(request.member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if not transactional and not member.uses_classic_protocol and version < FIRST_COMMIT_WITH_EPOCH:
        return ErrorCode.UNSUPPORTED_VERSION
    if epoch == member.member_epoch:
        return ErrorCode.NONE
    if epoch < member.member_epoch and _has_held_all(member, request, epoch, topics):
        return ErrorCode.NONE
    speaks_of_generations = member.uses_classic_protocol or transactional
    return ErrorCode.ILLEGAL_GENERATION if speaks_of_generations else ErrorCode.STALE_MEMBER_EPOCH


def _has_held_all(member: ConsumerMember, request: OffsetCommitRequest, epoch: int, topics: Topics) -> bool:
    for each in request.topics:
        topic = topics.get(each.name)
        for entry in each.partitions:
            given = None if topic is None else member.epoch_of(topic.topic_id, entry.partition_index)
            if given is None or epoch < given:
                return False
    return True


def check_fetcher(group: ConsumerGroup, request: OffsetFetchRequestGroup) -> ErrorCode:
    """Who names no member may ask: an operator, or a client of an older version."""
    if request.member_id is None and request.member_epoch < 0:
        return ErrorCode.NONE
    member = group.members.get(request.member_id or "")
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if request.member_epoch == member.member_epoch:
        return ErrorCode.NONE
    return ErrorCode.ILLEGAL_GENERATION if member.uses_classic_protocol else ErrorCode.STALE_MEMBER_EPOCH
