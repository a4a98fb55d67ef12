"""A record as a consumer hands it out."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

from odradek.protocol.topic_partition import TopicPartition

K = TypeVar("K")
V = TypeVar("V")

CREATE_TIME = 0
LOG_APPEND_TIME = 1


class Record(Struct, Generic[K, V], frozen=True, gc=False):
    """One record of a partition. Untyped topics have `bytes | None` as K and V."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970: the producer's, or the broker's where timestamp_type is LOG_APPEND_TIME; -1: none."""
    key: K
    value: V
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_type: int = CREATE_TIME

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


class Marker(Record[bytes | None, bytes | None], frozen=True, gc=False, kw_only=True):
    """The end of a transaction in a partition, as a consumer with show_markers=True hands it out among the records."""

    producer_id: int
    producer_epoch: int
    committed: bool
