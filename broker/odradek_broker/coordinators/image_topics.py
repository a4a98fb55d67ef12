"""The metadata image, as group coordinators look at it: which topics there are, and where their replicas stand."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from odradek_broker.groups.topics import Topic, topic_of

if TYPE_CHECKING:
    from odradek_broker.controller.image import MetadataImage, TopicImage


class ImageTopics:
    """One image. Topics are made when they are asked for, and taken over from the view before as long as they hold."""

    def __init__(self, image: MetadataImage, before: ImageTopics | None = None) -> None:
        self._image = image
        self._racks = {broker_id: broker.rack for broker_id, broker in image.brokers.items() if broker.rack}
        self._made: dict[str, tuple[TopicImage, Topic]] = {}
        self.names_version = image.offset
        if before is not None and before._racks == self._racks:
            self._made = before._made
        if before is not None and image.topics.keys() <= before._image.topics.keys():
            self.names_version = before.names_version

    @property
    def version(self) -> int:
        return self._image.offset

    def get(self, name: str) -> Topic | None:
        image = self._image.topics.get(name)
        if image is None:
            self._made.pop(name, None)
            return None
        made = self._made.get(name)
        if made is not None and made[0] is image:
            return made[1]
        topic = topic_of(name, image.topic_id, [self._racks_of(image, index) for index in range(len(image.partitions))])
        self._made[name] = image, topic
        return topic

    def _racks_of(self, image: TopicImage, index: int) -> list[str]:
        """Of the brokers that have replicas of a partition; who has not said a rack is nowhere."""
        return [self._racks[each] for each in image.partitions[index].replicas if each in self._racks]

    def name_of(self, topic_id: bytes) -> str | None:
        return self._image.topic_names.get(topic_id)

    def names(self) -> Collection[str]:
        return self._image.topics.keys()
