"""Blocks of producer ids, each of which is given out once (ProducerIdControlManager.java)."""

from __future__ import annotations

from odradek.protocol.messages.metadata_records import ProducerIdsRecord
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.result import Result

BLOCK_LENGTH = 1000


def allocate_producer_ids(image: MetadataImage, broker_id: int) -> Result[range]:
    """A block of ids for one broker to give out; what it has not used when it stops is lost."""
    first = image.next_producer_id
    record = ProducerIdsRecord(
        broker_id=broker_id, broker_epoch=image.brokers[broker_id].epoch, next_producer_id=first + BLOCK_LENGTH
    )
    return Result([record], range(first, first + BLOCK_LENGTH))
