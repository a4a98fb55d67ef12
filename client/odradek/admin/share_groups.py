"""Share groups (KIP-932): describe; look up, change and delete how far they are. Others list and delete them, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from msgspec import Struct

from odradek.admin.groups import GroupAdmin, GroupDescription, MemberDescription, only
from odradek.errors import raise_for
from odradek.protocol.messages import alter_share_group_offsets as alter
from odradek.protocol.messages import delete_share_group_offsets as delete
from odradek.protocol.messages import describe_share_group_offsets as offsets
from odradek.protocol.messages import share_group_describe as groups
from odradek.protocol.topic_partition import TopicPartition

SHARE = "share"

T = TypeVar("T")


class ShareGroupOffset(Struct, frozen=True):
    """How far a share group is in one partition."""

    start_offset: int | None
    """All before it is done with. None where nothing is stored yet."""
    lag: int | None
    """Records behind the start that are not done with, as the broker estimates it; None where it cannot say."""
    leader_epoch: int


class ShareGroupAdmin(GroupAdmin):
    """Groups of share consumers."""

    async def describe_share_group(self, group_id: str) -> GroupDescription:
        """Raises GroupNotFound, also where it is a group of another kind."""
        coordinator = self._coordinator(group_id)
        answer = await coordinator.ask_until_answered(
            groups.ShareGroupDescribeRequest(group_ids=[group_id]),
            groups.ShareGroupDescribeResponse,
            lambda answer: next((group.error_code for group in answer.groups), 0),
            timeout_s=self._timeout_s,
        )
        group = only(answer.groups, group_id)
        raise_for(group.error_code, group.error_message or group_id)
        members = tuple(
            MemberDescription(
                m.member_id,
                None,
                m.client_id,
                m.client_host,
                tuple(m.subscribed_topic_names),
                tuple(TopicPartition(t.topic_name, p) for t in m.assignment.topic_partitions for p in t.partitions),
            )
            for m in group.members
        )
        node_id = await coordinator.find()
        return GroupDescription(group.group_id, group.group_state, SHARE, group.assignor_name, SHARE, node_id, members)

    async def share_group_offsets(
        self, group_id: str, partitions: Collection[TopicPartition] | None = None
    ) -> dict[TopicPartition, ShareGroupOffset]:
        """How far the group is, in these partitions or in all that it shares; none where there is no such group."""
        topics = None
        if partitions is not None:
            named = _by_topic(dict.fromkeys(partitions))
            topics = [
                offsets.DescribeShareGroupOffsetsRequestTopic(name, [index for index, _ in each])
                for name, each in named.items()
            ]
        asked = offsets.DescribeShareGroupOffsetsRequestGroup(group_id, topics)
        answer = await self._coordinator(group_id).ask_until_answered(
            offsets.DescribeShareGroupOffsetsRequest([asked]),
            offsets.DescribeShareGroupOffsetsResponse,
            lambda answer: next((group.error_code for group in answer.groups), 0),
            timeout_s=self._timeout_s,
        )
        group = only(answer.groups, group_id)
        raise_for(group.error_code, group.error_message or group_id)
        found = {}
        for topic in group.topics:
            for p in topic.partitions:
                raise_for(p.error_code, f"{group_id}: {topic.topic_name}-{p.partition_index}")
                found[TopicPartition(topic.topic_name, p.partition_index)] = ShareGroupOffset(
                    p.start_offset if p.start_offset >= 0 else None, p.lag if p.lag >= 0 else None, p.leader_epoch
                )
        return found

    async def alter_share_group_offsets(self, group_id: str, starts: Mapping[TopicPartition, int]) -> None:
        """Let a group without members begin anew at these offsets; what was in anybody's hands is forgotten.

        A group that is not there begins by this. Raises GroupNotEmpty, GroupNotFound where it is of another kind.
        """
        request = alter.AlterShareGroupOffsetsRequest(
            group_id,
            [
                alter.AlterShareGroupOffsetsRequestTopic(
                    name, [alter.AlterShareGroupOffsetsRequestPartition(index, start) for index, start in each]
                )
                for name, each in _by_topic(starts).items()
            ],
        )
        answer = await self._coordinator(group_id).ask_until_answered(
            request,
            alter.AlterShareGroupOffsetsResponse,
            lambda answer: answer.error_code,
            timeout_s=self._timeout_s,
        )
        raise_for(answer.error_code, answer.error_message or group_id)
        for topic in answer.responses:
            for p in topic.partitions:
                raise_for(p.error_code, p.error_message or f"{group_id}: {topic.topic_name}-{p.partition_index}")

    async def delete_share_group_offsets(self, group_id: str, topics: Collection[str]) -> None:
        """Forget how far a group without members is in these topics. Raises GroupNotEmpty, GroupNotFound."""
        answer = await self._coordinator(group_id).ask_until_answered(
            delete.DeleteShareGroupOffsetsRequest(
                group_id, [delete.DeleteShareGroupOffsetsRequestTopic(name) for name in topics]
            ),
            delete.DeleteShareGroupOffsetsResponse,
            lambda answer: answer.error_code,
            timeout_s=self._timeout_s,
        )
        raise_for(answer.error_code, answer.error_message or group_id)
        for topic in answer.responses:
            raise_for(topic.error_code, topic.error_message or f"{group_id}: {topic.topic_name}")


def _by_topic(partitions: Mapping[TopicPartition, T]) -> dict[str, list[tuple[int, T]]]:
    topics: dict[str, list[tuple[int, T]]] = {}
    for (topic, index), value in sorted(partitions.items(), key=lambda each: each[0]):
        topics.setdefault(topic, []).append((index, value))
    return topics
