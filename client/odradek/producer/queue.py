"""The batches of one partition, in the order in which they are to be in the log.

    open -> closed -> in flight -> done
              ^           |
              +-- retried-+

    open        takes records
    closed      takes no more, waits for its turn; has a sequence once it has been drained for the first time
    in flight   part of a request that is not answered yet
    done        acknowledged (`base_offset`) or given up (`error`); never left again

Invariants
    Batches leave `closed` from its front, and a batch that comes back goes in front of all that were never sent: with
    sequences, by sequence.
    After a batch has come back, nothing is sent until all others that were in flight have come back too. So what is
    sent again is sent in order, whichever broker leads by then. Only then, too, does a new epoch begin.
    A batch is sent only if fewer than max_in_flight others were begun since the oldest one in flight: a broker
    remembers five (KIP-98), and must still know that one if it has to be sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from odradek.cluster.metadata import NO_LEADER
from odradek.producer.sequences import Sequences
from odradek.protocol.records.builder import BatchBuilder
from odradek.protocol.records.codecs import Codec

NO_TIMESTAMP = -1


class Batch:
    """Made by a PartitionQueue."""

    __slots__ = (
        "_count",
        "_event",
        "append",
        "attempts",
        "base_offset",
        "base_sequence",
        "builder",
        "created_at",
        "error",
        "is_done",
        "last_error",
        "log_append_time",
        "payload",
        "producer_epoch",
        "producer_id",
        "queue",
        "serial",
        "size_bytes",
        "wanted",
        "watched",
    )

    def __init__(self, queue: PartitionQueue, serial: int, builder: BatchBuilder, created_at: float) -> None:
        self.queue = queue
        self.serial = serial
        """Its place in the partition's order."""
        self.builder: BatchBuilder | None = builder
        self.append = builder.append
        """(key, value, headers, timestamp in ms) -> place in the batch."""
        self.created_at = created_at
        self._count = 0
        self.size_bytes = 0
        self.wanted = False
        """Somebody waits for it: it is not to linger."""
        self.payload: bytes | bytearray | None = None
        self.attempts = 0
        self.producer_id = -1
        self.producer_epoch = -1
        self.base_sequence = -1
        self.is_done = False
        self.base_offset = -1
        self.log_append_time = NO_TIMESTAMP
        self.error: BaseException | None = None
        self.last_error: BaseException | None = None
        self.watched: set[int] | None = None
        """Records whose outcome somebody waits for, or has seen."""
        self._event: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<Batch {self.queue.topic}-{self.queue.partition} of {self.count}, sequence {self.base_sequence}>"

    @property
    def count(self) -> int:
        """Records in it."""
        return self._count if self.builder is None else self.builder.count

    def complete(self, base_offset: int, log_append_time: int) -> None:
        assert not self.is_done
        self.base_offset = base_offset
        self.log_append_time = log_append_time
        self._finish()

    def fail(self, error: BaseException) -> None:
        assert not self.is_done
        self.error = error
        self._finish()

    @property
    def unwatched_count(self) -> int:
        """Records whose outcome nobody has asked for."""
        return self.count - len(self.watched or ())

    def _finish(self) -> None:
        self.is_done = True
        self._count = self.count
        self.builder = None
        del self.append
        self.payload = None
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Until it is done, in whichever way."""
        if self.is_done:
            await trio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()


class PartitionQueue:
    """Decides; sends nothing. Times are seconds of a monotonic clock."""

    def __init__(
        self, topic: str, partition: int, codec: Codec, compression_level: int | None, max_in_flight: int = 5
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.leader = NO_LEADER
        self.open: Batch | None = None
        self.closed: deque[Batch] = deque()
        self.in_flight: list[Batch] = []
        self.sequences = Sequences()
        self.not_before = 0.0
        """A retry waits until then."""
        self.on_wanted: Callable[[PartitionQueue], None] | None = None
        self.needs_admission = False
        """Nothing is sent until it has an identity and, where there is one, is part of the transaction."""
        self._recovering = False
        self._renewal_due = False
        self._begun_count = 0
        self._codec = codec
        self._compression_level = compression_level
        self._max_in_flight = max_in_flight

    def begin_batch(self, now_s: float) -> Batch:
        """A new open batch; there may be none yet."""
        assert self.open is None
        self._begun_count += 1
        builder = BatchBuilder(self._codec, self._compression_level)
        batch = self.open = Batch(self, self._begun_count, builder, now_s)
        return batch

    def close_open(self) -> None:
        """Let the open batch take no more records."""
        if self.open is not None:
            self.closed.append(self.open)
            self.open = None

    def want(self, batch: Batch) -> None:
        """Somebody waits for this batch."""
        batch.wanted = True
        if batch is self.open and self.on_wanted is not None:
            self.on_wanted(self)

    @property
    def is_empty(self) -> bool:
        """Nothing to send, though some may be in flight."""
        return self.open is None and not self.closed

    def unsettled(self) -> list[Batch]:
        """Neither acknowledged nor given up."""
        return [*self.in_flight, *self.closed, *([self.open] if self.open is not None else [])]

    def ready_at(self, linger_s: float) -> float:
        """From when on its first batch may be sent, as far as time decides that."""
        if self.closed:
            return self.not_before
        if self.open is None:
            return float("inf")
        lingers_until = 0.0 if self.open.wanted else self.open.created_at + linger_s
        return max(self.not_before, lingers_until)

    @property
    def is_blocked(self) -> bool:
        """Nothing may be sent, whatever the time: answers have to come in first."""
        if self.needs_admission:
            return True
        if not self.in_flight:
            return False
        if not (self.sequences.needs_identity or self.sequences.is_proven):
            return True
        first = self.closed[0] if self.closed else self.open
        oldest = min(batch.serial for batch in self.in_flight)
        return self._recovering or (first is not None and first.serial - oldest >= self._max_in_flight)

    def drain(self) -> Batch:
        """Take the first batch into flight. Only where it `ready_at` and not `is_blocked`."""
        if not self.closed:
            self.close_open()
        batch = self.closed.popleft()
        batch.attempts += 1
        self.in_flight.append(batch)
        return batch

    def is_first(self, batch: Batch) -> bool:
        """Whether all batches before this one are settled."""
        return all(batch.serial <= other.serial for other in (*self.in_flight, *self.closed))

    def settle(self, batch: Batch) -> None:
        """It is acknowledged or given up."""
        self.in_flight.remove(batch)
        self._one_has_returned()

    def retry(self, batch: Batch, not_before: float) -> None:
        """It has come back and is to be sent again, no earlier than that."""
        self.in_flight.remove(batch)
        self._recovering = True
        self.not_before = max(self.not_before, not_before)
        place = 0
        while place < len(self.closed) and self.closed[place].serial < batch.serial:
            place += 1
        self.closed.insert(place, batch)
        self._one_has_returned()

    def renew_epoch(self) -> None:
        """Number anew all that is to be sent again, as soon as nothing is in flight. None of it was written."""
        self._renewal_due = True

    def _one_has_returned(self) -> None:
        if self.in_flight:
            return
        self._recovering = False
        if self._renewal_due:
            self._renewal_due = False
            self.sequences.renew(self.closed)
            self.needs_admission = self.sequences.needs_identity

    def take_expired(self, now_s: float, timeout_s: float = 0.0) -> list[Batch]:
        """Remove and return the batches that have waited to be sent for `timeout_s`."""
        expired = [batch for batch in self.closed if batch.created_at + timeout_s <= now_s]
        if expired:
            self.closed = deque(batch for batch in self.closed if batch.created_at + timeout_s > now_s)
        if self.open is not None and self.open.created_at + timeout_s <= now_s:
            expired.append(self.open)
            self.open = None
        return expired

    def oldest_created_at(self) -> float:
        """When the oldest of those was begun that wait to be sent; infinity where none do."""
        begun = [batch.created_at for batch in self.closed]
        if self.open is not None:
            begun.append(self.open.created_at)
        return min(begun, default=float("inf"))
