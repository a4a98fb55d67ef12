"""Committed offsets: told to the group's coordinator, and asked of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import trio
from msgspec import Struct

from odradek.cluster.cluster import Cluster
from odradek.cluster.coordinator import Coordinator
from odradek.consumer.epochs import EpochMembership
from odradek.consumer.membership import Membership
from odradek.errors import (
    CommitFailed,
    IllegalGeneration,
    RebalanceInProgress,
    UnknownMember,
    broker_error,
)
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from odradek.protocol.topic_partition import TopicPartition

LAST_VERSION_BY_NAME = 9
"""From v10 on, both requests name topics by their id."""


class CommittedOffset(Struct, frozen=True):
    """All before `offset` is done with."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""


class Commits:
    """Speaks for a member, or for a consumer that assigns by hand and has no membership."""

    def __init__(
        self,
        cluster: Cluster,
        coordinator: Coordinator,
        group_id: str,
        membership: Membership | EpochMembership | None,
        instance_id: str | None,
        timeout_s: float = math.inf,
    ) -> None:
        """`timeout_s`: how long each call looks for a coordinator; it goes on and on where it is left out."""
        self._cluster = cluster
        self._coordinator = coordinator
        self._group_id = group_id
        self._membership = membership
        self._instance_id = instance_id
        self._timeout_s = timeout_s

    @property
    def is_member(self) -> bool:
        return self._membership is not None

    async def commit(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        """Raises CommitFailed where the group has moved on, and what else a broker says that is final."""
        if not offsets:
            await trio.lowlevel.checkpoint()
            return
        answer = await self._coordinator.ask_until_answered(
            self._commit_request(offsets),
            OffsetCommitResponse,
            _worst_commit_code,
            at_most=LAST_VERSION_BY_NAME,
            timeout_s=self._timeout_s,
        )
        code = _worst_commit_code(answer)
        if code:
            error = broker_error(code, f"group {self._group_id}")
            if isinstance(error, IllegalGeneration | UnknownMember | RebalanceInProgress):
                raise CommitFailed(f"the group {self._group_id} has rebalanced: {error.code.name}") from error
            raise error

    async def fetch(
        self, partitions: Collection[TopicPartition], *, stable: bool
    ) -> dict[TopicPartition, CommittedOffset]:
        """What is committed; partitions with nothing are left out. Waits for open transactions where `stable`."""
        deadline = trio.current_time() + self._timeout_s
        while True:
            answer = await self._coordinator.ask_until_answered(
                self._fetch_request(partitions, stable),
                OffsetFetchResponse,
                _fetch_code,
                at_most=LAST_VERSION_BY_NAME,
                timeout_s=self._timeout_s,
            )
            found, code = take_fetched(answer)
            if code == ErrorCode.NONE:
                return found
            error = broker_error(code, f"group {self._group_id}")
            if not error.retriable or trio.current_time() >= deadline:
                raise error
            await trio.sleep(self._cluster.backoff_s)

    def _commit_request(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> OffsetCommitRequest:
        topics: dict[str, list[OffsetCommitRequestPartition]] = {}
        for partition, committed in offsets.items():
            entry = OffsetCommitRequestPartition(
                partition.partition, committed.offset, committed.leader_epoch, committed.metadata
            )
            topics.setdefault(partition.topic, []).append(entry)
        member = self._membership
        return OffsetCommitRequest(
            group_id=self._group_id,
            generation_id_or_member_epoch=-1 if member is None else member.generation,
            member_id="" if member is None else member.member_id,
            group_instance_id=None if member is None else self._instance_id,
            topics=[OffsetCommitRequestTopic(name=name, partitions=entries) for name, entries in topics.items()],
        )

    def _fetch_request(self, partitions: Collection[TopicPartition], stable: bool) -> OffsetFetchRequest:
        """Carries both forms, the one before and the one since version 8."""
        topics: dict[str, list[int]] = {}
        for partition in partitions:
            topics.setdefault(partition.topic, []).append(partition.partition)
        return OffsetFetchRequest(
            group_id=self._group_id,
            topics=[OffsetFetchRequestTopic(name, indexes) for name, indexes in topics.items()],
            groups=[
                OffsetFetchRequestGroup(
                    group_id=self._group_id,
                    topics=[
                        OffsetFetchRequestTopics(name=name, partition_indexes=indexes)
                        for name, indexes in topics.items()
                    ],
                )
            ],
            require_stable=stable,
        )


def _worst_commit_code(answer: OffsetCommitResponse) -> int:
    return next((p.error_code for topic in answer.topics for p in topic.partitions if p.error_code), 0)


def _fetch_code(answer: OffsetFetchResponse) -> int:
    return answer.error_code or next((group.error_code for group in answer.groups if group.error_code), 0)


def take_fetched(answer: OffsetFetchResponse) -> tuple[dict[TopicPartition, CommittedOffset], int]:
    """What was found, and an error code if there is one."""
    code = _fetch_code(answer)
    found = {}
    entries = [(topic.name, p) for topic in answer.topics for p in topic.partitions] + [
        (topic.name, p) for group in answer.groups for topic in group.topics for p in topic.partitions
    ]
    for name, p in entries:
        code = code or p.error_code
        if p.committed_offset >= 0:
            committed = CommittedOffset(p.committed_offset, p.committed_leader_epoch, p.metadata or "")
            found[TopicPartition(name, p.partition_index)] = committed
    return found, code
