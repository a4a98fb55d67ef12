"""AddOffsetsToTxn (API key 25), versions 0-4: let a group's offsets be committed within a producer's transaction.

Behaviour
    It adds the partition of __consumer_offsets that the group belongs to, as AddPartitionsToTxn would, with its errors.
Versions
    2 PRODUCER_FENCED    3 flexible    4 TRANSACTION_ABORTABLE
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.apis import RequestContext
from odradek_broker.apis.transaction_errors import fenced_since
from odradek_broker.controller.image import GROUP_TOPIC
from odradek_broker.coordination.partitioning import coordinator_partition
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.transactions.transaction import ProducerIdAndEpoch

REQUEST, VERSIONS = AddOffsetsToTxnRequest, range(5)

FENCED_SINCE = 2


async def handle(request: AddOffsetsToTxnRequest, context: RequestContext) -> AddOffsetsToTxnResponse:
    return AddOffsetsToTxnResponse(error_code=fenced_since(await _add(request, context), context.version, FENCED_SINCE))


async def _add(request: AddOffsetsToTxnRequest, context: RequestContext) -> ErrorCode:
    broker = context.broker
    try:
        error = await broker.controller.create_topic_if_missing(GROUP_TOPIC)
        topic = broker.image.topics.get(GROUP_TOPIC)
        if error or topic is None:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        index = coordinator_partition(request.group_id, len(topic.partitions))
        return await broker.transactions.add_partitions(
            request.transactional_id,
            ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
            [TopicPartition(GROUP_TOPIC, index)],
            0,
        )
    except ControllerUnavailable:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    except CoordinatorUnavailable as unavailable:
        return unavailable.error_code
