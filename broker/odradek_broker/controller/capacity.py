"""How many replicas a broker may have: each keeps a file open, and a process that has none left can do nothing at all.

So what would be too much is refused before it is decided, with the number and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property

from odradek.protocol.errors import ErrorCode
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import MetadataImage
from odradek_broker.coordination.api_error import ApiError


class Capacity:
    """Of one request: what it has been given counts from then on."""

    def __init__(self, image: MetadataImage, config: BrokerConfig) -> None:
        self._image = image
        self._most = config.max_replicas_per_broker
        self._partition_count = sum(len(topic.partitions) for topic in image.topics.values())
        self._taken: Counter[int] = Counter()

    def take(self, placed: Iterable[Iterable[int]]) -> None:
        """Replicas of new partitions, or those that are new to old ones. Raises ApiError: then none counts."""
        if self._most is None:
            return
        more = Counter(broker for replicas in placed for broker in replicas)
        taken = self._taken + more
        # No broker has more than one replica of each: they are counted only where there may be too many.
        if self._partition_count + max(taken.values(), default=0) > self._most:
            for broker, count in taken.items():
                if more[broker] and self._by_broker[broker] + count > self._most:
                    raise ApiError(
                        ErrorCode.POLICY_VIOLATION,
                        f"broker {broker} would have {self._by_broker[broker] + count} replicas, and may have "
                        f"{self._most}: see max.replicas.per.broker",
                    )
        self._taken = taken

    @cached_property
    def _by_broker(self) -> Counter[int]:
        return Counter(
            replica
            for topic in self._image.topics.values()
            for partition in topic.partitions.values()
            for replica in partition.replicas
        )
