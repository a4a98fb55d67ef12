"""Produce requests put together, and their answers taken apart. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from odradek.cluster.metadata import ClusterImage
from odradek.producer.queue import Batch
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.protocol.schema import ZERO_UUID

LAST_VERSION_BY_NAME = 12
"""From v13 on, topics go by their id (KIP-516)."""

LAST_VERSION_WITHOUT_TRANSACTIONS_V2 = 11


def version_limit(batches: Sequence[Batch], image: ClusterImage, *, adds: bool = True) -> int | None:
    """The highest version that these batches can be sent in, None for any: without ids, by name.

    `adds`: whether a partition may become part of a transaction by what is sent to it.
    """
    if not adds:
        return LAST_VERSION_WITHOUT_TRANSACTIONS_V2
    known = all(_topic_id(image, batch.queue.topic) != ZERO_UUID for batch in batches)
    return None if known else LAST_VERSION_BY_NAME


def build_request(
    batches: Sequence[Batch], image: ClusterImage, acks: int, timeout_ms: int, transactional_id: str | None = None
) -> ProduceRequest:
    """One request of one batch for each of its partitions. Their payloads are referred to, not copied."""
    by_topic: dict[str, list[PartitionProduceData]] = {}
    for batch in batches:
        assert batch.payload is not None
        data = PartitionProduceData(index=batch.queue.partition, records=batch.payload)
        by_topic.setdefault(batch.queue.topic, []).append(data)
    topics = [
        TopicProduceData(name=name, topic_id=_topic_id(image, name), partition_data=data)
        for name, data in by_topic.items()
    ]
    return ProduceRequest(transactional_id=transactional_id, acks=acks, timeout_ms=timeout_ms, topic_data=topics)


def match_answers(
    batches: Sequence[Batch], answer: ProduceResponse, image: ClusterImage
) -> list[tuple[Batch, PartitionProduceResponse | None]]:
    """Each batch with its answer; None where the broker passed it over."""
    by_id = {_topic_id(image, batch.queue.topic): batch.queue.topic for batch in batches}
    found: dict[tuple[str, int], PartitionProduceResponse] = {}
    for topic in answer.responses:
        name = topic.name or by_id.get(topic.topic_id, "")
        for partition in topic.partition_responses:
            found[name, partition.index] = partition
    return [(batch, found.get((batch.queue.topic, batch.queue.partition))) for batch in batches]


def _topic_id(image: ClusterImage, name: str) -> bytes:
    topic = image.topics.get(name)
    return ZERO_UUID if topic is None else topic.topic_id
