"""The offsets that a group has committed, and those that a transaction may yet commit.

An offset committed in a transaction counts once the transaction's marker is in the log; until then the partition is
unstable (KIP-447). Which of two offsets holds is decided by where their records lie, not by which was settled last.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from odradek.protocol.messages.group_metadata import OffsetCommitValue
from odradek.protocol.topic_partition import TopicPartition


class CommittedOffset(Struct, frozen=True):
    """An offset, and the place of its record in __consumer_offsets."""

    value: OffsetCommitValue
    log_offset: int


class GroupOffsets:
    """All offsets of one group."""

    def __init__(self) -> None:
        self.committed: dict[TopicPartition, CommittedOffset] = {}
        self.pending: dict[int, dict[TopicPartition, CommittedOffset]] = {}
        """By producer id."""

    def __bool__(self) -> bool:
        return bool(self.committed or self.pending)

    def put(self, key: TopicPartition, offset: CommittedOffset, producer_id: int | None) -> None:
        if producer_id is None:
            self.committed[key] = offset
        else:
            self.pending.setdefault(producer_id, {})[key] = offset

    def remove(self, key: TopicPartition) -> None:
        """Forget an offset, and what an open transaction has in store for the same partition."""
        self.committed.pop(key, None)
        for producer_id in list(self.pending):
            self.pending[producer_id].pop(key, None)
            if not self.pending[producer_id]:
                del self.pending[producer_id]

    def complete(self, producer_id: int, *, commit: bool) -> None:
        """The producer's transaction has ended."""
        for key, offset in self.pending.pop(producer_id, {}).items():
            current = self.committed.get(key)
            if commit and (current is None or current.log_offset < offset.log_offset):
                self.committed[key] = offset

    def is_unstable(self, key: TopicPartition) -> bool:
        return any(key in offsets for offsets in self.pending.values())

    def partitions(self) -> Iterator[TopicPartition]:
        """Every partition that has an offset, settled or not, once."""
        yield from self.committed
        seen = set(self.committed)
        for offsets in self.pending.values():
            yield from (key for key in offsets if key not in seen)
            seen.update(offsets)
