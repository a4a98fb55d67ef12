"""A partition that this broker keeps: its log, how far it is committed, and who waits for that.

Invariants
    The high watermark never falls while the broker runs, and never passes the log's end.
    With log.flush.policy=sync it never passes what is on stable storage, here and on every replica in sync: no
    consumer sees, and no acks=all producer is told of, a record that a power cut could take back.
    Whoever waits for a record to be committed is told when that will not happen here (see commits.py). What is open is
    failed when the partition follows, when another may lead (the lease is over), and when its log is lost. A leader
    that goes on in a new epoch, as far as it knows without a break, keeps what is open: its log was not cut, since only
    followers cut, so the record is still at its offset; and it is committed there once it is with all in sync of the
    *new* epoch. That another has led in between, unheard of, changes nothing: a leader that was elected cleanly again
    had all that the other has committed, and one elected uncleanly makes what is in its own log the truth.

Everything here happens on the Trio thread; only the waiting for the disk is elsewhere (see flusher.py).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import trio

from odradek.protocol.errors import ErrorCode
from odradek_broker.log.failures import LogFailed
from odradek_broker.log.validation import Origin, Refused, Validated
from odradek_broker.partitions.commits import Commit, Commits
from odradek_broker.partitions.disk_refusals import DiskRefusals
from odradek_broker.replication.leader import UNKNOWN, Leadership

if TYPE_CHECKING:
    from odradek_broker.controller.image import PartitionImage
    from odradek_broker.log.appendable import Appended
    from odradek_broker.log.checkpoints import PartitionKey
    from odradek_broker.log.log import Log
    from odradek_broker.partitions.flusher import Flusher
    from odradek_broker.ports.clock import Clock

logger = logging.getLogger(__name__)

NO_EPOCH = -1

Partitions: TypeAlias = "dict[PartitionKey, Partition]"
"""Those that a broker keeps. The metadata decides which there are: replica_manager.py alone adds one."""


class Admission:
    """Stands for a transaction that may be written to, or about which its coordinator is being asked."""

    __slots__ = ("asking", "holds")

    def __init__(self) -> None:
        self.asking = 0
        """How many questions are on their way: another one's refusal, as of a producer that was fenced, is its own."""
        self.holds = False


class Partition:
    """Made when the broker learns that it keeps the partition; lives until the topic goes, or moves away."""

    def __init__(
        self,
        topic: str,
        index: int,
        topic_id: bytes,
        log: Log,
        *,
        node_id: int,
        high_watermark: int,
        flusher: Flusher,
        clock: Clock,
    ) -> None:
        """`high_watermark`: as it was last written down. It is neither leader nor follower yet."""
        self.topic = topic
        self.index = index
        self.topic_id = topic_id
        self.log = log
        self.min_insync = 1
        self.refusals = DiskRefusals()
        self.known_damage: tuple[int, int] | None = None
        """The first offset where damage has been met that no other replica makes good, and how often the log had been
        cut by then."""
        self.tells_watermark = False
        """Followers hear at once how far it is committed, because consumers read from them."""
        self.admissions: dict[int, Admission] = {}
        """By producer id, what stands for a transaction that its coordinator says may be written to. Gone with the
        marker that ends it: what was admitted before that, and comes later, belongs to no transaction."""
        self.throttled_as_leader = False
        self.throttled_as_follower = False
        self.leader_epoch = NO_EPOCH
        self.leader_id = -1
        self.leadership: Leadership | None = None
        self.may_be_deposed = False
        """The controller has not been heard for so long that it may have made another the leader."""
        self.high_watermark = self._within_log(high_watermark)
        self._node_id = node_id
        self._flusher = flusher
        self._clock = clock
        self._commits, self._flushes, self._deletions = Commits(), Commits(), Commits()
        self._log_start_written = 0
        self._readers: set[trio.Event] = set()
        self._replicas: set[trio.Event] = set()
        self._flush_waiters: set[trio.Event] = set()

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"

    @property
    def damaged_at(self) -> int | None:
        """Where damage is known of; not where it has been deleted or cut off since."""
        if self.known_damage is None:
            return None
        offset, truncations = self.known_damage
        return offset if self.log.log_start_offset <= offset and self.log.truncations == truncations else None

    @property
    def is_leader(self) -> bool:
        return self.leadership is not None

    @property
    def knows_its_end(self) -> bool:
        """Whether all that was committed before this leader epoch is known to be (KIP-207)."""
        return self.leadership is None or self.high_watermark >= self.leadership.start_offset

    @property
    def last_stable_offset(self) -> int:
        return self.log.last_stable_offset(self.high_watermark)

    # --------------------------------------------------------------------------------------------------------- roles

    def lead(self, image: PartitionImage) -> None:
        """The controller has made us the leader, or has changed the partition that we lead."""
        now_ms = self._clock.monotonic_ms()
        self.leader_id = self._node_id
        if self.leadership is not None and self.leadership.leader_epoch == image.leader_epoch:
            self.leadership.decided(image, now_ms)
        else:
            self.refusals.over()
            self.admissions.clear()
            self.leader_epoch = image.leader_epoch
            self.log.assign_leader_epoch(image.leader_epoch)
            self.leadership = Leadership(self._node_id, image, self.log.log_end_offset, now_ms)
            if self.log.flushed_offset < self.log.log_end_offset:
                self._flusher.written(self)
        self.advance()

    def follow(self, image: PartitionImage) -> None:
        """Another broker leads, or nobody does."""
        self.leadership = None
        self.admissions.clear()
        self.leader_id, self.leader_epoch = image.leader, image.leader_epoch
        self.fail_commits()

    def retire(self) -> None:
        """It is no longer kept here."""
        self.leadership = None
        self.fail_commits()
        self._wake(self._flush_waiters)

    def truncated(self) -> None:
        """As a follower, what the leader does not have was cut off."""
        self.high_watermark = self._within_log(self.high_watermark)
        self._wake(self._flush_waiters)

    def _within_log(self, high_watermark: int) -> int:
        """The log was just read anew, and with it many a transaction that has long been stable: they are forgotten."""
        offset = max(min(high_watermark, self.log.log_end_offset), self.log.log_start_offset)
        self.log.producers.committed_up_to(offset)
        return offset

    # ----------------------------------------------------------------------------------------------------- appending

    def append(
        self, records: memoryview, origin: Origin = Origin.CLIENT, validated: Validated | None = None
    ) -> Appended | Refused:
        """Append as the leader; what the disk refuses is a KAFKA_STORAGE_ERROR and leaves the log as it was."""
        if self.leadership is None or self.may_be_deposed:
            return Refused(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        try:
            appended = self.log.append_as_leader(
                records,
                leader_epoch=self.leader_epoch,
                now_ms=self._clock.now_ms(),
                origin=origin,
                validated=validated,
            )
        except (OSError, LogFailed) as error:
            logger.error("%s: cannot append: %s", self, error)
            self.refusals.refused(self._clock.monotonic_ms())
            return Refused(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
        self.refusals.over()
        if not isinstance(appended, Refused):
            self._wake(self._replicas)
            self._flusher.written(self)
        return appended

    def append_internal(self, batch: bytes | bytearray) -> Appended | Refused:
        """Append what this broker itself has to say."""
        return self.append(memoryview(batch), Origin.COORDINATOR)

    @property
    def has_enough_replicas(self) -> bool:
        """Whether what is appended now could be committed: as many are in sync as min.insync.replicas wants."""
        return self.leadership is not None and self.leadership.has_enough(self.min_insync)

    # ------------------------------------------------------------------------------------------------------- commits

    def replica_fetched(self, replica: int, broker_epoch: int, offset: int, log_start_offset: int = UNKNOWN) -> None:
        """A follower has all before an offset, and its log begins, for good, at the other."""
        if self.leadership is not None:
            now_ms, end = self._clock.monotonic_ms(), self.log.log_end_offset
            if self.leadership.fetched(replica, broker_epoch, min(offset, end), end, now_ms, log_start_offset):
                self.advance()

    def advance(self) -> None:
        """Commit all that may be, as its leader."""
        if self.leadership is not None:
            local = self.log.flushed_offset if self._flusher.syncs else self.log.log_end_offset
            offset = self.leadership.committed(local, self.min_insync)
            if offset != UNKNOWN:
                self.commit_up_to(offset)
            if len(self._deletions):
                self._deletions.reached(self.leadership.low_watermark(self._log_start_written))

    def commit_up_to(self, offset: int) -> None:
        """Raise the high watermark, and wake those who have waited for it."""
        if offset <= self.high_watermark:
            return
        assert offset <= self.log.log_end_offset
        self.high_watermark = offset
        self.log.producers.committed_up_to(offset)
        self._commits.reached(offset)
        self.wake_readers()
        if self.tells_watermark:
            self._wake(self._replicas)

    def flushed(self) -> None:
        """Everything up to `log.flushed_offset` is on stable storage."""
        self.advance()
        self._flushes.reached(self.log.flushed_offset)
        self._wake(self._flush_waiters)

    async def wait_flushed(self) -> None:
        """Return once all that is appended now is on stable storage, or never will be."""
        offset = self.log.log_end_offset
        while self.log.flushed_offset < offset <= self.log.log_end_offset and self.log.failed is None:
            event = trio.Event()
            self._flush_waiters.add(event)
            try:
                await event.wait()
            finally:
                self._flush_waiters.discard(event)

    def log_failed(self) -> None:
        """Nothing more will be committed here."""
        self.fail_commits()
        self._wake(self._flush_waiters)

    def commit_of(self, last_offset: int) -> Commit:
        """Settled once all in sync have everything up to there. Ask in one go with the append that it is about."""
        return self._begin(self._commits, last_offset, self.high_watermark)

    def flush_of(self, last_offset: int) -> Commit:
        """Settled once our own disk has everything up to there; at once where log.flush.policy is interval."""
        reached = self.log.flushed_offset if self._flusher.syncs else self.log.log_end_offset
        return self._begin(self._flushes, last_offset, reached)

    def deletion_of(self, offset: int) -> Commit:
        """Settled once no record before `offset` comes back, whoever leads next. Followers hear of it at once."""
        self._wake(self._replicas)
        low = UNKNOWN if self.leadership is None else self.leadership.low_watermark(self._log_start_written)
        return self._begin(self._deletions, offset - 1, low)

    def log_start_written(self, offset: int) -> None:
        """Our own log begins there after a power cut."""
        self._log_start_written = offset
        self.advance()

    def has_news_for(self, replica: int, high_watermark: int) -> bool:
        """Whether a follower is to hear something at once, be there records for it or not."""
        if self.leadership is None:
            return False
        if len(self._deletions) and self.leadership.is_to_hear_of_start(replica, self.log.log_start_offset):
            return True
        return self.tells_watermark and self.leadership.has_news_for(replica, high_watermark)

    def _begin(self, commits: Commits, last_offset: int, reached: int) -> Commit:
        error = self._why_not()
        if last_offset < reached and error is not ErrorCode.NOT_LEADER_OR_FOLLOWER:
            return Commit(last_offset, ErrorCode.NONE)
        return Commit(last_offset, error) if error else commits.begin(last_offset)

    def fail_commits(self) -> None:
        """Whoever waits for a commit is told that it will not be seen here."""
        error = self._why_not() or ErrorCode.NOT_LEADER_OR_FOLLOWER
        self._commits.fail(error)
        self._flushes.fail(error)
        self._deletions.fail(error)
        self.wake_readers()

    def _why_not(self) -> ErrorCode:
        """Why nothing can be said of what is appended now."""
        if self.leadership is None or self.may_be_deposed:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return ErrorCode.NONE if self.log.failed is None else ErrorCode.KAFKA_STORAGE_ERROR

    # ------------------------------------------------------------------------------------------------------- readers

    def add_reader(self, event: trio.Event, *, replica: bool = False) -> None:
        """Set the event once, when there is more to read (for a replica: at all), or nothing will come any more."""
        (self._replicas if replica else self._readers).add(event)

    def remove_reader(self, event: trio.Event) -> None:
        self._readers.discard(event)
        self._replicas.discard(event)

    def wake_readers(self) -> None:
        self._wake(self._readers)
        if self.leadership is None:
            self._wake(self._replicas)

    def wake_everybody(self) -> None:
        """The broker stops: long polls are answered with what there is."""
        self._wake(self._readers)
        self._wake(self._replicas)

    def _wake(self, events: set[trio.Event]) -> None:
        for event in events:
            event.set()
        events.clear()
