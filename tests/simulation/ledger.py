"""All that was ever committed of one partition, by content: whoever is told of a record is told of one of these.

A record is the same where its topic id, partition, offset and value are: values are unique in a run, so one that lies
at another's offset is seen at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from replica_view import Batch, Batches
from stability import Ended, Stability, Violated

from odradek.protocol.records.control import read_end_transaction_marker
from odradek.protocol.records.record import decode_batch

__all__ = ["Committed", "Content", "Contents", "Key", "Violated", "decoded"]

Key: TypeAlias = tuple[bytes, int]
"""Topic id and index."""


class Content(NamedTuple):
    """Of one record."""

    offset: int
    key: bytes | None
    value: bytes | None


class Contents:
    """Batches as they were first seen, whole: compaction has not been over them. Decoded when somebody asks."""

    def __init__(self) -> None:
        self._raw: dict[tuple[Key, int, int], bytes] = {}
        self._decoded: dict[tuple[Key, int, int], list[Content]] = {}

    def keep(self, key: Key, batch: Batch, data: bytes) -> None:
        self._raw[key, batch.base_offset, batch.leader_epoch] = data

    def of(self, key: Key, batch: Batch) -> list[Content]:
        place = key, batch.base_offset, batch.leader_epoch
        found = self._decoded.get(place)
        if found is None:
            found = self._decoded[place] = decoded(self._raw[place])
        return found

    def marker(self, key: Key, batch: Batch) -> bool | None:
        """Whether a marker commits; None for what is no marker."""
        if not batch.is_control:
            return None
        found = read_end_transaction_marker(self._raw[key, batch.base_offset, batch.leader_epoch])
        return None if found is None else found.committed

    def at(self, key: Key, batch: Batch, offset: int) -> Content | None:
        return next((content for content in self.of(key, batch) if content.offset == offset), None)


def decoded(data: bytes) -> list[Content]:
    return [Content(record.offset, record.key, record.value) for record in decode_batch(data)]


class Committed:
    """Of one partition."""

    def __init__(self) -> None:
        self.batches = Batches()
        self.is_compacted = False
        """Its topic is or was one whose old records may go."""
        self.unclean_epoch = -1
        """Of the last unclean election: what was committed before, and its leader lacked, is gone."""
        self.awaits_cut = False
        """Who was elected so has not been seen yet as the leader."""
        self.is_void = False
        """All who had it have lost their disks, so anything may be gone. Until the next election."""
        self.cuts: list[tuple[int, float]] = []
        """From which offset on something was given up, and when."""
        self.stability = Stability()
        self._sequences: dict[tuple[int, int], tuple[int, int]] = {}
        """By producer and epoch: which sequence number is next, and behind which offset."""

    @property
    def is_whole(self) -> bool:
        """Nothing of it is given up."""
        return not (self.cuts or self.awaits_cut or self.is_void)

    @property
    def last(self) -> Batch | None:
        return self.batches.last

    @property
    def end_offset(self) -> int:
        return self.batches.end_offset

    def add(self, batch: Batch, marker: bool | None = None, unknown_before: int = 0) -> Ended | None:
        """`marker`: whether it commits a transaction, None for what is no marker. The transaction that it ends.

        `unknown_before`: its leader's log has begun anew there, so who has written nothing since is unknown to it.
        """
        if batch.base_offset != self.end_offset and not self.is_compacted and not self.cuts:
            raise Violated(f"S2: offset {batch.base_offset} is committed, and {self.end_offset} is not")
        self.batches.add(batch)
        if self.cuts:
            return None
        ended = self.stability.add(batch, marker)
        if batch.producer_id < 0 or batch.base_sequence < 0:  # markers, staged offsets are not numbered
            return ended
        producer = (batch.producer_id, batch.producer_epoch)
        # a log that knows no producer takes any first
        expected, behind = self._sequences.get(producer, (batch.base_sequence, 0))
        if batch.base_sequence != expected and behind > unknown_before:
            raise Violated(f"S7: sequence {batch.base_sequence} of producer {producer}, after {expected - 1}")
        next_sequence = batch.base_sequence + batch.next_offset - batch.base_offset
        self._sequences[producer] = next_sequence, batch.next_offset
        return ended

    def cut_to(self, has: Callable[[Batch], bool], now_s: float) -> None:
        """An unclean election: what its leader lacks is given up."""
        kept = self.end_offset
        for batch in reversed(list(self.batches)):
            if has(batch):
                break
            kept = batch.base_offset
        self.batches.cut_end(kept)
        self.cuts.append((self.end_offset, now_s))
        self.awaits_cut = self.is_void = False

    def is_given_up(self, offset: int, acknowledged_s: float) -> bool:
        return any(offset >= cut and acknowledged_s <= at_s for cut, at_s in self.cuts) or self.awaits_cut
