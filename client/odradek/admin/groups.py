"""Groups: list, describe, delete; their committed offsets: look up, change, delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.consumer.commits import LAST_VERSION_BY_NAME, Commits, CommittedOffset, take_fetched
from odradek.consumer.embedded import decode_assignment, decode_subscription
from odradek.errors import BadAnswer, GroupNotFound, UnsupportedVersion, broker_error, raise_for
from odradek.lag import Lag, Span, count_records
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import consumer_group_describe as consumer_groups
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from odradek.protocol.messages.describe_group_history import DescribeGroupHistoryRequest, DescribeGroupHistoryResponse
from odradek.protocol.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse
from odradek.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.topic_partition import TopicPartition

CLASSIC, CONSUMER = "classic", "consumer"

G = TypeVar("G")


class GroupListing(Struct, frozen=True):
    """One group. State and type are empty where the broker is too old to say."""

    group_id: str
    protocol_type: str
    state: str
    group_type: str


class MemberDescription(Struct, frozen=True):
    """One member of a group."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    topics: tuple[str, ...]
    partitions: tuple[TopicPartition, ...]


class GroupDescription(Struct, frozen=True):
    """One group with its members."""

    group_id: str
    state: str
    protocol_type: str
    assignor: str
    group_type: str
    coordinator: int
    members: tuple[MemberDescription, ...]


class RebalanceDescription(Struct, frozen=True):
    """One rebalance of a group."""

    began_ms: int
    """By the coordinator's clock."""
    took_s: float | None
    """None while it goes on."""
    generation: int | None
    """That it has brought; in a group of the newer protocol, the group's epoch. None while it goes on."""
    cause: str
    """A sentence without its subject, the member: `has joined`; with it where no member caused it."""
    member_id: str | None
    client_id: str | None
    client_host: str | None
    member_count: int
    """When it ended."""


class GroupAdmin(AdminBase):
    """Groups of consumers."""

    async def list_groups(self) -> list[GroupListing]:
        """All groups of all brokers, sorted by id."""
        found: dict[str, GroupListing] = {}
        await self._cluster.refresh()
        for node_id in sorted(self._cluster.image.brokers):
            answer = await self._cluster.request(node_id, ListGroupsRequest(), ListGroupsResponse)
            raise_for(answer.error_code, f"broker {node_id}")
            for group in answer.groups:
                found[group.group_id] = GroupListing(
                    group.group_id, group.protocol_type, group.group_state, group.group_type
                )
        return [found[group_id] for group_id in sorted(found)]

    async def describe_group(self, group_id: str) -> GroupDescription:
        """Raises GroupNotFound."""
        try:
            return await self._describe_consumer_group(group_id)
        except (GroupNotFound, UnsupportedVersion):
            return await self._describe_classic_group(group_id)

    async def delete_group(self, group_id: str) -> None:
        """With its committed offsets. Raises GroupNotEmpty, GroupNotFound."""
        answer = await self._coordinator(group_id).ask_until_answered(
            DeleteGroupsRequest(groups_names=[group_id]),
            DeleteGroupsResponse,
            lambda answer: next((result.error_code for result in answer.results), 0),
            timeout_s=self._timeout_s,
        )
        for result in answer.results:
            raise_for(result.error_code, group_id)

    async def group_offsets(
        self, group_id: str, partitions: Collection[TopicPartition] | None = None
    ) -> dict[TopicPartition, CommittedOffset]:
        """What the group has committed, in these partitions or in all; partitions with nothing are left out."""
        if partitions is not None:
            return await self._commits(group_id).fetch(partitions, stable=True)
        request = OffsetFetchRequest(
            group_id=group_id,
            topics=None,
            groups=[OffsetFetchRequestGroup(group_id=group_id, topics=None)],
            require_stable=True,
        )
        answer = await self._coordinator(group_id).ask_until_answered(
            request,
            OffsetFetchResponse,
            lambda answer: take_fetched(answer)[1],
            at_most=LAST_VERSION_BY_NAME,
            timeout_s=self._timeout_s,
        )
        found, code = take_fetched(answer)
        raise_for(code, group_id)
        return found

    async def group_history(self, group_id: str) -> list[RebalanceDescription]:
        """The last rebalances since the group's coordinator has it, the oldest first: why, by whom, and for how long.

        Raises GroupNotFound; UnsupportedVersion where the broker is Apache Kafka, which remembers none.
        """
        answer = await self._coordinator(group_id).ask_until_answered(
            DescribeGroupHistoryRequest(group_id),
            DescribeGroupHistoryResponse,
            lambda answer: answer.error_code,
            timeout_s=self._timeout_s,
        )
        raise_for(answer.error_code, group_id)
        return [
            RebalanceDescription(
                began_ms=each.began_ms,
                took_s=None if each.took_ms < 0 else each.took_ms / 1000,
                generation=None if each.generation < 0 else each.generation,
                cause=each.cause,
                member_id=each.member_id or None,
                client_id=each.client_id or None,
                client_host=each.client_host or None,
                member_count=each.members,
            )
            for each in answer.rebalances
        ]

    async def group_lag(self, group_id: str, *, read_committed: bool = False) -> dict[TopicPartition, Lag]:
        """How far the group is behind in all partitions that it has committed in: what a consumer would still get.

        `read_committed`: one that reads only what is committed. Age and bytes are told by brokers of Odradek alone.
        """
        committed = await self.group_offsets(group_id)
        spans = {partition: Span(offset.offset) for partition, offset in committed.items()}
        return await count_records(self._cluster, spans, read_committed=read_committed, timeout_s=self._timeout_s)

    async def alter_group_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit in the name of a group that has no members at the moment. Raises CommitFailed where it has some."""
        await self._commits(group_id).commit({p: CommittedOffset(offset) for p, offset in offsets.items()})

    async def delete_group_offsets(self, group_id: str, partitions: Collection[TopicPartition]) -> None:
        """Forget what is committed there. Raises GroupNotEmpty where a member subscribes to the topic."""
        topics: dict[str, list[OffsetDeleteRequestPartition]] = {}
        for partition in partitions:
            topics.setdefault(partition.topic, []).append(OffsetDeleteRequestPartition(partition.partition))
        request = OffsetDeleteRequest(group_id, [OffsetDeleteRequestTopic(name, ps) for name, ps in topics.items()])
        answer = await self._coordinator(group_id).ask_until_answered(
            request, OffsetDeleteResponse, lambda answer: answer.error_code, timeout_s=self._timeout_s
        )
        raise_for(answer.error_code, group_id)
        for topic in answer.topics:
            for p in topic.partitions:
                raise_for(p.error_code, f"{group_id}: {topic.name}-{p.partition_index}")

    # -------------------------------------------------------------------------------------------------- inside

    def _commits(self, group_id: str) -> Commits:
        return Commits(self._cluster, self._coordinator(group_id), group_id, None, None, self._timeout_s)

    async def _describe_consumer_group(self, group_id: str) -> GroupDescription:
        """A group of the newer protocol (KIP-848). Raises GroupNotFound, also for one of the classic protocol."""
        coordinator = self._coordinator(group_id)
        answer = await coordinator.ask_until_answered(
            consumer_groups.ConsumerGroupDescribeRequest(group_ids=[group_id]),
            consumer_groups.ConsumerGroupDescribeResponse,
            lambda answer: next((group.error_code for group in answer.groups), 0),
            timeout_s=self._timeout_s,
        )
        group = only(answer.groups, group_id)
        raise_for(group.error_code, group.error_message or group_id)
        members = tuple(
            MemberDescription(
                m.member_id,
                m.instance_id,
                m.client_id,
                m.client_host,
                tuple(m.subscribed_topic_names),
                tuple(TopicPartition(t.topic_name, p) for t in m.assignment.topic_partitions for p in t.partitions),
            )
            for m in group.members
        )
        node_id = await coordinator.find()
        return GroupDescription(
            group.group_id, group.group_state, CONSUMER, group.assignor_name, CONSUMER, node_id, members
        )

    async def _describe_classic_group(self, group_id: str) -> GroupDescription:
        coordinator = self._coordinator(group_id)
        answer = await coordinator.ask_until_answered(
            DescribeGroupsRequest(groups=[group_id]),
            DescribeGroupsResponse,
            lambda answer: next((group.error_code for group in answer.groups), 0),
            timeout_s=self._timeout_s,
        )
        group = only(answer.groups, group_id)
        raise_for(group.error_code, group.error_message or group_id)
        if group.group_state == "Dead":
            raise broker_error(ErrorCode.GROUP_ID_NOT_FOUND, group_id)
        return GroupDescription(
            group.group_id,
            group.group_state,
            group.protocol_type,
            group.protocol_data,
            CLASSIC,
            await coordinator.find(),
            tuple(_members(group)),
        )


def only(groups: Sequence[G], group_id: str) -> G:
    """The group of an answer about one."""
    if not groups:
        raise BadAnswer(f"the coordinator of {group_id} says nothing of it")
    return groups[0]


def _members(group: DescribedGroup) -> list[MemberDescription]:
    members = []
    for m in group.members:
        topics: tuple[str, ...] = ()
        partitions: tuple[TopicPartition, ...] = ()
        if group.protocol_type == CONSUMER:
            try:
                partitions = tuple(decode_assignment(m.member_assignment))
                topics = decode_subscription(m.member_id, None, m.member_metadata).topics
            except ProtocolError:
                pass  # a member that speaks another dialect, or has not joined yet
        members.append(
            MemberDescription(m.member_id, m.group_instance_id, m.client_id, m.client_host, topics, partitions)
        )
    return members
