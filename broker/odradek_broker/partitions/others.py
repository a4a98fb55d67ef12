"""What the other replicas of a partition are good for, as the metadata has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.partitions.partition import Partition


def others_have(context: NodeContext, partition: Partition) -> bool:
    """Whether another broker that is up may lead it without a loss."""
    image = context.image.partition(partition.topic, partition.index)
    others = () if image is None else {*image.isr, *image.elr} - {context.node_id}
    known = (context.image.brokers.get(replica) for replica in others)
    return any(broker is not None and broker.is_active for broker in known)
