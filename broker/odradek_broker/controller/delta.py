"""What is different between two images: what a broker has to act upon."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from odradek_broker.controller.image import MetadataImage, PartitionImage, ResourceType, TopicImage


class PartitionDelta(Struct, frozen=True):
    """A partition that is new or has changed."""

    topic: TopicImage
    index: int
    old: PartitionImage | None
    new: PartitionImage


class Delta(Struct, frozen=True):
    deleted: list[TopicImage]
    """Topics that are gone; one that was made again under the same name is here and in `partitions`."""
    partitions: list[PartitionDelta]
    topic_configs: list[str]
    """Topics that are in both images and whose own configuration is another."""
    broker_configs: bool
    """Whether that of any broker, or of all, is another."""


def delta(old: MetadataImage, new: MetadataImage) -> Delta:
    deleted = [topic for topic in old.topics.values() if topic.topic_id not in new.topic_names]
    remaining = [name for name, topic in new.topics.items() if topic.topic_id in old.topic_names]
    return Delta(
        deleted=deleted,
        partitions=list(_partitions(old, new)),
        topic_configs=[name for name in remaining if old.topic_config(name) != new.topic_config(name)],
        broker_configs=_broker_configs(old) != _broker_configs(new),
    )


def _partitions(old: MetadataImage, new: MetadataImage) -> Iterator[PartitionDelta]:
    for topic in new.topics.values():
        before = old.topic_by_id(topic.topic_id)
        if before is topic:
            continue
        for index, partition in topic.partitions.items():
            was = None if before is None else before.partitions.get(index)
            if was != partition:
                yield PartitionDelta(topic, index, was, partition)


def _broker_configs(image: MetadataImage) -> dict[tuple[int, str], dict[str, str]]:
    return {key: dict(values) for key, values in image.configs.items() if key[0] == ResourceType.BROKER}
