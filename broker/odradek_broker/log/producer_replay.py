"""Producer state out of what lies in a log: from a snapshot before the offset, and the batches since.

Where a batch does not read back, what follows it in its segment is not told: `damage` has the first of these.
"""

from __future__ import annotations

from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log.damage import FirstDamage
from odradek_broker.log.producer_state import ProducerStates
from odradek_broker.log.replay import replay
from odradek_broker.log.segment import Segment
from odradek_broker.log.snapshots import Snapshots
from odradek_broker.log.transaction_index import AbortedTransaction, TransactionIndex


class ProducerReplay:
    """For one log, once. All methods raise OSError."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self.damage = FirstDamage()

    def producers_at(self, offset: int, segments: list[Segment], snapshots: Snapshots) -> ProducerStates:
        """The producer state at an offset: that of the newest snapshot before it, and the batches since."""
        start, producers = snapshots.load_newest(offset, self._now_ms)
        states = ProducerStates(producers)
        ends = [*(segment.base_offset for segment in segments[1:]), offset]
        for segment, end in zip(segments, ends, strict=True):
            if start < end and segment.base_offset < offset:
                self._replay_segment(states, segment, start, offset)
        return states

    def aborted_transactions_of(
        self, segment: Segment, segments: list[Segment], snapshots: Snapshots
    ) -> TransactionIndex:
        """A segment's transaction index anew, from the producer state at its beginning and its batches.

        Raises DamagedLog where these do not read back.
        """
        states = self.producers_at(segment.base_offset, segments, snapshots)
        aborted = self._replay_segment(states, segment, segment.base_offset, 2**63 - 1)
        if self.damage.met is not None:
            raise self.damage.met
        return TransactionIndex(aborted)

    def _replay_segment(
        self, states: ProducerStates, segment: Segment, start: int, end: int
    ) -> list[AbortedTransaction]:
        """Note the batches of a segment that lie from `start` up to `end`."""
        aborted: list[AbortedTransaction] = []
        with self.damage.noting():
            found = segment.find(start) if start > segment.base_offset else (0, 0)
            for position, header in segment.batches(found[0] if found else segment.size_bytes):
                if header.base_offset >= end:
                    break
                if header.producer_id >= 0 and header.base_offset >= start:
                    ended = self.note(states, segment, position, header)
                    if ended is not None:
                        aborted.append(ended)
        return aborted

    def note(
        self, states: ProducerStates, segment: Segment, position: int, header: BatchHeader
    ) -> AbortedTransaction | None:
        """Note one batch; the transaction that it aborts, if it does."""
        size = header.size_bytes
        return replay(states, header, header.base_offset, lambda: segment.file.read(position, size), self._now_ms)
