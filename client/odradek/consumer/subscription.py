"""What a consumer wants to read, and the partitions that it has. Plain state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from odradek.cluster.metadata import ClusterImage
from odradek.consumer.decoding import DECOMPRESSED_MAX_BYTES, decode_for
from odradek.consumer.partition import PartitionState
from odradek.protocol.topic_partition import TopicPartition


class Subscription:
    """Topics by name, topics by a pattern, or partitions that were assigned by hand: one of the three."""

    def __init__(
        self,
        topics: Sequence[str] = (),
        pattern: str | re.Pattern[str] | None = None,
        decompressed_max_bytes: int = DECOMPRESSED_MAX_BYTES,
        *,
        show_markers: bool = False,
    ) -> None:
        self._decompressed_max_bytes = decompressed_max_bytes
        self._show_markers = show_markers
        self.names: tuple[str, ...] = ()
        self.pattern: re.Pattern[str] | None = None
        self.by_hand = False
        self.states: dict[TopicPartition, PartitionState] = {}
        self._turn: list[PartitionState] = []
        if topics or pattern is not None:
            self.subscribe(topics, pattern)

    def subscribe(self, topics: Sequence[str] = (), pattern: str | re.Pattern[str] | None = None) -> None:
        """Raises ValueError where both or none are given."""
        if bool(topics) == (pattern is not None):
            raise ValueError("subscribe to topics, or to a pattern")
        self.names = tuple(sorted(set(topics)))
        self.pattern = re.compile(pattern) if pattern is not None else None
        self.by_hand = False

    def assign_by_hand(self) -> None:
        self.names, self.pattern, self.by_hand = (), None, True

    @property
    def is_empty(self) -> bool:
        return not (self.names or self.pattern is not None or self.by_hand)

    def wanted_topics(self, image: ClusterImage) -> tuple[str, ...]:
        """The names subscribed to; for a pattern, what it matches (whole names) among the topics that exist."""
        if self.pattern is None:
            return self.names
        pattern = self.pattern
        return tuple(
            sorted(name for name, topic in image.topics.items() if not topic.is_internal and pattern.fullmatch(name))
        )

    def wanted_partitions(self, image: ClusterImage) -> list[TopicPartition]:
        """All partitions of those topics, as far as they are known."""
        return [
            TopicPartition(name, partition.index)
            for name in self.wanted_topics(image)
            if name in image.topics
            for partition in image.topics[name].partitions
        ]

    @property
    def assigned(self) -> list[TopicPartition]:
        return sorted(self.states)

    def add(self, partitions: Iterable[TopicPartition]) -> list[PartitionState]:
        """Take partitions on; those that are there already stay as they are. Returns the new ones."""
        added = []
        for partition in partitions:
            if partition not in self.states:
                shows = self._show_markers
                decode = decode_for(partition, self._decompressed_max_bytes, show_markers=shows)
                state = self.states[partition] = PartitionState(partition, decode, show_markers=shows)
                added.append(state)
        self._turn += added
        return added

    def remove(self, partitions: Iterable[TopicPartition]) -> list[PartitionState]:
        """Let partitions go; what is fetched of them is dropped."""
        removed = []
        for partition in partitions:
            state = self.states.pop(partition, None)
            if state is not None:
                state.forget_position(None)
                removed.append(state)
        self._turn = [state for state in self._turn if state not in removed]
        return removed

    def state(self, partition: TopicPartition) -> PartitionState:
        """Raises ValueError for a partition that is not assigned."""
        try:
            return self.states[partition]
        except KeyError:
            raise ValueError(f"{partition} is not assigned to this consumer") from None

    def next_readable(self) -> PartitionState | None:
        """A partition with records or an error to hand out; each gets its turn."""
        for place, state in enumerate(self._turn):
            if not (state.paused or state.held) if state.has_records else state.error is not None:
                self._turn.append(self._turn.pop(place))
                return state
        return None
