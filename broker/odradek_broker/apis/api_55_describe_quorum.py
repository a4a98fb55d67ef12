"""DescribeQuorum (API key 55), versions 0-2: who keeps the journal of the metadata.

Behaviour
    The controller is its only voter, and its leader. There is one partition to ask for, 0 of __cluster_metadata; any
    other is UNKNOWN_TOPIC_OR_PARTITION, and so are all where more than one is asked for.
Versions
    1 when voters were last heard of    2 error messages, directories, nodes (KIP-853)
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    DescribeQuorumResponsePartitionData,
    DescribeQuorumResponseTopicData,
    Listener,
    Node,
    ReplicaState,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.addresses import reachable_brokers
from odradek_broker.controller.image import METADATA_TOPIC

REQUEST, VERSIONS = DescribeQuorumRequest, range(3)


def handle(request: DescribeQuorumRequest, context: RequestContext) -> DescribeQuorumResponse:
    wanted = [(topic.topic_name, each.partition_index) for topic in request.topics for each in topic.partitions]
    if wanted == [(METADATA_TOPIC, 0)]:
        topics = [DescribeQuorumResponseTopicData(topic_name=METADATA_TOPIC, partitions=[_partition(context)])]
        return DescribeQuorumResponse(error_message=None, topics=topics, nodes=_nodes(context))
    unknown = [
        DescribeQuorumResponseTopicData(
            topic_name=topic.topic_name, partitions=[_unknown(each.partition_index) for each in topic.partitions]
        )
        for topic in request.topics
    ]
    return DescribeQuorumResponse(error_message=None, topics=unknown)


def _partition(context: RequestContext) -> DescribeQuorumResponsePartitionData:
    now_ms, end_offset = context.broker.clock.now_ms(), context.broker.image.offset + 1
    voter = ReplicaState(
        replica_id=context.broker.node_id,
        log_end_offset=end_offset,
        last_fetch_timestamp=now_ms,
        last_caught_up_timestamp=now_ms,
    )
    return DescribeQuorumResponsePartitionData(
        partition_index=0,
        error_message=None,
        leader_id=context.broker.node_id,
        leader_epoch=context.broker.controller.metadata_epoch,
        high_watermark=end_offset,
        current_voters=[voter],
    )


def _unknown(index: int) -> DescribeQuorumResponsePartitionData:
    error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return DescribeQuorumResponsePartitionData(
        partition_index=index, error_code=error, error_message=error.sentence, leader_id=-1, leader_epoch=-1
    )


def _nodes(context: RequestContext) -> list[Node]:
    name = context.caller.listener
    return [
        Node(node_id=broker.broker_id, listeners=[Listener(name=name, host=address[0], port=address[1])])
        for broker, address in reachable_brokers(context)
        if broker.broker_id == context.broker.node_id
    ]
