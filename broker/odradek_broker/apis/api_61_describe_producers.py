"""DescribeProducers (API key 61), version 0: which idempotent producers a partition remembers (KIP-664).

Behaviour
    Partitions are answered one by one, by their leader: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER; where no
    topic can have that name, INVALID_TOPIC_EXCEPTION.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.controller.names import check_topic_name
from odradek_broker.loop.slices import Slices

if TYPE_CHECKING:
    from odradek_broker.log.producer_state import Producer

REQUEST, VERSIONS = DescribeProducersRequest, range(1)


async def handle(request: DescribeProducersRequest, context: RequestContext) -> DescribeProducersResponse:
    slices, topics = Slices(), []
    for topic in request.topics:
        described = []
        for index in dict.fromkeys(topic.partition_indexes):
            described.append(_describe(topic.name, index, context))
            await slices.pay(1 + len(described[-1].active_producers))
        topics.append(TopicResponse(name=topic.name, partitions=described))
        await slices.pay()
    return DescribeProducersResponse(topics=topics)


def _describe(topic: str, index: int, context: RequestContext) -> PartitionResponse:
    partition = context.broker.replicas.partition(topic, index)
    if isinstance(partition, ErrorCode):
        if check_topic_name(topic) is not None:
            partition = ErrorCode.INVALID_TOPIC_EXCEPTION
        return PartitionResponse(partition_index=index, error_code=partition, error_message=partition.sentence)
    return PartitionResponse(
        partition_index=index,
        active_producers=[_state(producer) for producer in partition.log.producers.producers.values()],
    )


def _state(producer: Producer) -> ProducerState:
    return ProducerState(
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        last_sequence=producer.last_sequence,
        last_timestamp=producer.last_timestamp,
        coordinator_epoch=producer.coordinator_epoch,
        current_txn_start_offset=producer.transaction_first_offset,
    )
