"""Where partitions end, wherever their leaders are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.metadata.broker_peers import BrokerPeers
from odradek_broker.metadata.peer import PeerUnreachable

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.partitions.replica_manager import ReplicaManager

VERSION = 7
ANSWER_SECONDS = 5.0
LATEST = -1


class EndOffsets:
    """Asks this broker's partitions, and other brokers."""

    def __init__(self, context: NodeContext, replicas: ReplicaManager) -> None:
        self._context = context
        self._replicas = replicas
        self._peers = BrokerPeers(context, "end-offsets")

    def close(self) -> None:
        self._peers.close()

    async def find(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """High watermarks; of partitions without a leader that answers nothing is said."""
        found: dict[TopicPartition, int] = {}
        elsewhere: defaultdict[int, list[TopicPartition]] = defaultdict(list)
        for each in partitions:
            partition = self._replicas.partition(*each)
            image = self._context.image.partition(*each)
            if not isinstance(partition, ErrorCode):
                found[each] = partition.high_watermark
            elif image is not None and image.leader not in (self._context.node_id, -1):
                elsewhere[image.leader].append(each)
        for leader, asked in elsewhere.items():
            found |= await self._ask(leader, asked)
        return found

    async def _ask(self, leader: int, asked: list[TopicPartition]) -> dict[TopicPartition, int]:
        topics: defaultdict[str, list[ListOffsetsPartition]] = defaultdict(list)
        for topic, index in asked:
            topics[topic].append(ListOffsetsPartition(partition_index=index, timestamp=LATEST))
        request = ListOffsetsRequest(topics=[ListOffsetsTopic(*each) for each in topics.items()])
        peer = self._peers.get(leader)
        if peer is None:
            return {}
        try:
            response = await peer.ask(request, ListOffsetsResponse, VERSION, ANSWER_SECONDS)
        except PeerUnreachable:
            return {}
        return {
            TopicPartition(topic.name, one.partition_index): one.offset
            for topic in response.topics
            for one in topic.partitions
            if not one.error_code
        }
