"""Who leads partitions, and where their replicas are: elections (KIP-183, 460) and reassignments (KIP-455)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignableTopic,
)
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse, TopicPartitions
from odradek.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from odradek.protocol.topic_partition import TopicPartition

PREFERRED, UNCLEAN = 0, 1


class Reassignment(Struct, frozen=True):
    """A partition on its way to other brokers."""

    replicas: tuple[int, ...]
    """All of them for now: those that stay, come and go."""
    adding: tuple[int, ...]
    removing: tuple[int, ...]


class ReplicaAdmin(AdminBase):
    """All calls return when the controller has decided."""

    async def elect_leaders(
        self, partitions: Collection[TopicPartition] | None = None, *, unclean: bool = False
    ) -> list[TopicPartition]:
        """Let the first replica lead again, of all partitions where none is named; return those that changed.

        `unclean`: for partitions without a leader, any replica that is there; acknowledged records may be lost by that.
        Raises BrokerError; `code` says why not: PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE.
        """
        named = None if partitions is None else [TopicPartitions(*each) for each in _by_topic(partitions).items()]
        request = ElectLeadersRequest(UNCLEAN if unclean else PREFERRED, named, self.config.request_timeout_ms)
        answer = await self._cluster.ask_any(request, ElectLeadersResponse)
        raise_for(answer.error_code)
        elected = []
        for topic in answer.replica_election_results:
            for result in topic.partition_result:
                partition = TopicPartition(topic.topic, result.partition_id)
                if result.error_code == ErrorCode.ELECTION_NOT_NEEDED:
                    continue
                raise_for(result.error_code, result.error_message or str(partition))
                elected.append(partition)
        return elected

    async def reassign(self, replicas: Mapping[TopicPartition, Sequence[int] | None]) -> None:
        """Begin to move partitions to these brokers, the preferred leader first; None calls a move off.

        `reassignments` tells when it is over. Raises BrokerError, of which `code` says why not:
        INVALID_REPLICA_ASSIGNMENT, NO_REASSIGNMENT_IN_PROGRESS.
        """
        topics: dict[str, list[ReassignablePartition]] = {}
        for (topic, index), wanted in replicas.items():
            entry = ReassignablePartition(index, None if wanted is None else list(wanted))
            topics.setdefault(topic, []).append(entry)
        moves = [ReassignableTopic(topic, entries) for topic, entries in topics.items()]
        request = AlterPartitionReassignmentsRequest(timeout_ms=self.config.request_timeout_ms, topics=moves)
        answer = await self._cluster.ask_any(request, AlterPartitionReassignmentsResponse)
        raise_for(answer.error_code, answer.error_message)
        for moved in answer.responses:
            for result in moved.partitions:
                raise_for(result.error_code, result.error_message or f"{moved.name}-{result.partition_index}")

    async def reassignments(self) -> dict[TopicPartition, Reassignment]:
        """The moves that are under way."""
        request = ListPartitionReassignmentsRequest(timeout_ms=self.config.request_timeout_ms)
        answer = await self._cluster.ask_any(request, ListPartitionReassignmentsResponse)
        raise_for(answer.error_code, answer.error_message)
        return {
            TopicPartition(topic.name, each.partition_index): Reassignment(
                tuple(each.replicas), tuple(each.adding_replicas), tuple(each.removing_replicas)
            )
            for topic in answer.topics
            for each in topic.partitions
        }


def _by_topic(partitions: Collection[TopicPartition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, index in partitions:
        topics.setdefault(topic, []).append(index)
    return topics
