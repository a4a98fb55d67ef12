"""New partitions, as records. (How they change: partition_change.py.)"""

from __future__ import annotations

from odradek.protocol.messages.metadata_records import PartitionRecord
from odradek.protocol.schema import ZERO_UUID
from odradek_broker.controller.image import NO_LEADER, MetadataImage

UNASSIGNED_DIRECTORY = ZERO_UUID


def new_partition(image: MetadataImage, topic_id: bytes, index: int, replicas: tuple[int, ...]) -> PartitionRecord:
    """A partition that has no records yet: every active replica is in sync, and the first of them leads."""
    isr = [replica for replica in replicas if is_active(image, replica)]
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=list(replicas),
        isr=isr,
        leader=isr[0] if isr else NO_LEADER,
        leader_epoch=0,
        partition_epoch=0,
        directories=[directory_of(image, replica) for replica in replicas],
    )


def is_active(image: MetadataImage, broker_id: int) -> bool:
    broker = image.brokers.get(broker_id)
    return broker is not None and broker.is_active


def directory_of(image: MetadataImage, broker_id: int) -> bytes:
    """The directory of a broker that has only one; otherwise it is the broker that chooses (KIP-858)."""
    broker = image.brokers.get(broker_id)
    return broker.log_dirs[0] if broker is not None and len(broker.log_dirs) == 1 else UNASSIGNED_DIRECTORY
