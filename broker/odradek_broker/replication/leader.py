"""What the leader of a partition knows of its followers (Partition.scala, KIP-497, 841, 903, 966).

A follower's fetch offset says what it has, on stable storage where log.flush.policy is sync: it fetches on only when it
has flushed what came before.

Invariants
    The high watermark is at most what every member of the ISR has, and of the ISR that is proposed but not decided:
    whoever may be in sync by the time a leader is elected has all that is committed.
    It moves only while the ISR that the controller has decided is at least min.insync.replicas.
    What DeleteRecords has taken away is gone for good: whoever may be elected next, in sync or eligible, begins there,
    and nobody comes into the ISR who does not know yet where the log begins.
    At most one proposal is under way. It ends by a decision with a later partition epoch, after which the controller
    cannot take it any more. A refusal does not end it by itself: it may be the answer to a second asking, with the
    first, late on its way, still to be taken. So what holds already is proposed then, which moves that epoch. An answer
    to an earlier proposal, late as it may come, says nothing of the one that is open.
    A follower counts for what it has said in its present life: what an earlier one still has on its way is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from odradek_broker.controller.image import PartitionImage

UNKNOWN = -1


class Follower(Struct):
    """One of the other replicas."""

    offset: int = UNKNOWN
    """All before it is with the follower."""
    log_start_offset: int = UNKNOWN
    """Its log begins there, also after a power cut."""
    broker_epoch: int = -1
    caught_up_ms: int = -1
    """When it had all that the leader had."""
    fetched_ms: int = -1
    end_when_fetched: int = UNKNOWN
    """Where the log ended at its last fetch."""
    told_watermark: int = UNKNOWN
    """The high watermark in the last answer."""
    told_log_start: int = UNKNOWN
    """Where the leader's log began in the last answer."""


class Proposal(NamedTuple):
    """An ISR for the controller to decide about: (broker, its epoch)."""

    isr: tuple[tuple[int, int], ...]
    leader_epoch: int
    partition_epoch: int
    refused: frozenset[int] = frozenset()
    """Whom proposals of this partition epoch have named that were refused: one may be on its way a second time."""

    @property
    def brokers(self) -> frozenset[int]:
        """Who may be in sync as long as it is open."""
        return self.refused.union(broker for broker, _ in self.isr)


class Leadership:
    """Of one partition in one leader epoch."""

    def __init__(self, node_id: int, image: PartitionImage, start_offset: int, now_ms: int) -> None:
        """`start_offset`: where the log ended when the epoch began."""
        self.node_id = node_id
        self.leader_epoch = image.leader_epoch
        self.start_offset = start_offset
        self._image = image
        self._proposal: Proposal | None = None
        self._followers = {replica: Follower() for replica in image.replicas if replica != node_id}
        for replica in image.isr:
            if replica != node_id:
                self._followers[replica].caught_up_ms = now_ms

    @property
    def isr(self) -> tuple[int, ...]:
        """As the controller has decided it."""
        return self._image.isr

    def decided(self, image: PartitionImage, now_ms: int) -> None:
        """The controller has changed the partition, within this leader epoch."""
        known = self._followers
        self._followers = {
            replica: known.get(replica) or Follower(caught_up_ms=now_ms)
            for replica in image.replicas
            if replica != self.node_id
        }
        self._image = image
        if self._proposal is not None and image.partition_epoch > self._proposal.partition_epoch:
            self._proposal = None

    @property
    def is_proposing(self) -> bool:
        return self._proposal is not None

    def is_open(self, proposal: Proposal) -> bool:
        """Whether it is not known yet what became of this one."""
        return self._proposal is proposal

    def refused(self, proposal: Proposal) -> Proposal | None:
        """The controller has not taken it: propose this instead. None where it was not open any more."""
        if self._proposal is not proposal:
            return None
        return self._propose(self._image.isr, refused=proposal.brokers)

    def fetched(
        self,
        replica: int,
        broker_epoch: int,
        offset: int,
        end_offset: int,
        now_ms: int,
        log_start_offset: int = UNKNOWN,
    ) -> bool:
        """A follower asks for what comes at `offset`. False where it is no replica, or has begun another life since."""
        follower = self._followers.get(replica)
        if follower is None or broker_epoch < follower.broker_epoch:
            return False
        if offset >= end_offset:
            follower.caught_up_ms = now_ms
        elif follower.end_when_fetched != UNKNOWN and offset >= follower.end_when_fetched:
            follower.caught_up_ms = max(follower.caught_up_ms, follower.fetched_ms)
        follower.offset, follower.broker_epoch = offset, broker_epoch
        follower.log_start_offset = log_start_offset
        follower.fetched_ms, follower.end_when_fetched = now_ms, end_offset
        return True

    def offset_of(self, replica: int) -> int:
        """All before it is with that follower; UNKNOWN where it has not fetched in this epoch."""
        return self._followers[replica].offset

    def told(self, replica: int, high_watermark: int, log_start_offset: int) -> None:
        """A follower is told how far the partition is committed, and where it begins."""
        if replica in self._followers:
            follower = self._followers[replica]
            follower.told_watermark, follower.told_log_start = high_watermark, log_start_offset

    def has_news_for(self, replica: int, high_watermark: int) -> bool:
        """Whether more is committed than that follower has been told."""
        return replica in self._followers and self._followers[replica].told_watermark < high_watermark

    # ----------------------------------------------------------------------------------------------------- deciding

    def needed(self, min_insync: int) -> int:
        """How many have to be in sync: no more than there are."""
        return min(min_insync, len(self._image.replicas))

    def has_enough(self, min_insync: int) -> bool:
        return len(self._image.isr) >= self.needed(min_insync)

    def committed(self, local_offset: int, min_insync: int) -> int:
        """How far the partition may be committed; UNKNOWN where that cannot be said, or nothing may be."""
        if not self.has_enough(min_insync):
            return UNKNOWN
        lowest = local_offset
        for replica in self._in_sync_or_nearly():
            if replica != self.node_id:
                lowest = min(lowest, self._followers[replica].offset)
        return lowest

    def low_watermark(self, local_start_offset: int) -> int:
        """Nothing before it comes back: there, or behind, the logs of all begin who may lead next."""
        lowest = local_start_offset
        for replica in {*self._in_sync_or_nearly(), *self._image.elr}:
            if replica != self.node_id:
                lowest = min(lowest, self._followers[replica].log_start_offset)
        return lowest

    def is_to_hear_of_start(self, replica: int, offset: int) -> bool:
        """Whether a replica that may lead next has neither told that its log begins there nor been told that ours does.

        Once told it says so when it can; its disk may be full.
        """
        follower = self._followers.get(replica)
        if follower is None or replica not in {*self._image.isr, *self._image.elr}:
            return False
        return follower.log_start_offset < offset and follower.told_log_start < offset

    def _in_sync_or_nearly(self) -> Iterable[int]:
        return self._image.isr if self._proposal is None else self._proposal.brokers.union(self._image.isr)

    def maybe_expand_isr(
        self, high_watermark: int, is_active: Callable[[int, int], bool], log_start_offset: int = 0
    ) -> Proposal | None:
        """The ISR with those that have caught up; None where there are none, or something is proposed already.

        `is_active`: whether a broker is, in the epoch in which it has fetched. `log_start_offset`: of the leader's log.
        """
        if self._proposal is not None:
            return None
        least = max(high_watermark, self.start_offset)
        back = [
            replica
            for replica, follower in self._followers.items()
            if replica not in self._image.isr
            and follower.offset >= least
            and max(follower.log_start_offset, 0) >= log_start_offset
            and is_active(replica, follower.broker_epoch)
        ]
        return self._propose([*self._image.isr, *back]) if back else None

    def maybe_shrink_isr(self, end_offset: int, now_ms: int, max_lag_ms: int) -> Proposal | None:
        """The ISR without those that have not had everything for `max_lag_ms`."""
        if self._proposal is not None:
            return None
        staying = [
            replica
            for replica in self._image.isr
            if replica == self.node_id or self._keeps_up(self._followers[replica], end_offset, now_ms, max_lag_ms)
        ]
        return self._propose(staying) if len(staying) < len(self._image.isr) else None

    def _keeps_up(self, follower: Follower, end_offset: int, now_ms: int, max_lag_ms: int) -> bool:
        return follower.offset == end_offset or now_ms - follower.caught_up_ms <= max_lag_ms

    def _propose(self, isr: Sequence[int], refused: frozenset[int] = frozenset()) -> Proposal:
        epochs = ((each, -1 if each == self.node_id else self._followers[each].broker_epoch) for each in isr)
        self._proposal = Proposal(tuple(epochs), self.leader_epoch, self._image.partition_epoch, refused)
        return self._proposal
