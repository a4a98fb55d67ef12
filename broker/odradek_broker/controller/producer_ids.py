"""Blocks of producer ids, each of which is given out once (ProducerIdControlManager.java)."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from odradek.protocol.messages.metadata_records import ProducerIdsRecord
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.result import ControllerResult

BLOCK_LENGTH = 1000


def allocate_producer_ids(
    image: MetadataImage, request: AllocateProducerIdsRequest
) -> ControllerResult[AllocateProducerIdsResponse]:
    """A block of ids for one broker to give out; what it has not used when it stops is lost."""
    broker = image.brokers.get(request.broker_id)
    if broker is None or broker.epoch != request.broker_epoch:
        return ControllerResult([], AllocateProducerIdsResponse(error_code=ErrorCode.STALE_BROKER_EPOCH))
    first = image.next_producer_id
    record = ProducerIdsRecord(
        broker_id=broker.broker_id, broker_epoch=broker.epoch, next_producer_id=first + BLOCK_LENGTH
    )
    return ControllerResult(
        [record], AllocateProducerIdsResponse(producer_id_start=first, producer_id_len=BLOCK_LENGTH)
    )
