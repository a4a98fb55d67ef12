"""Records that were handed out and are not done with: what is tried next, what waits, what stands behind it.

A record stands in a line. With order="none" it has one of its own; with "key" it stands behind the unfinished records
of its partition and key, if it has a key; with "partition" behind all of its partition. The first of a line is tried;
where it fails it waits, and the line with it, while other lines go on.

Invariants
    A record is tried only when no other of its line is unfinished before it.
    Nothing from the `lowest` unfinished offset of a partition on may be committed.
    What is forgotten is somebody else's: what comes of a try of it changes nothing.

Where nothing is unfinished, as nearly always, a record stands in no line: it is in hand while it is tried.

Plain state: who drives it brings the time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Literal, TypeAlias

from odradek.errors import SerializationFailed
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record

Order: TypeAlias = Literal["none", "key", "partition"]
Raw: TypeAlias = Record[bytes | None, bytes | None]

LONGEST_DELAY_MS = 60_000


class Unfinished:
    """Of one consumer."""

    def __init__(
        self,
        attempts: int,
        delay_ms: float,
        order: Order,
        encode: Callable[[Record[Any, Any]], Raw] = lambda each: each,
    ) -> None:
        """`encode`: a record as bytes, asked for where a key has no hash. Raises ValueError for another order."""
        if order not in ("none", "key", "partition"):
            raise ValueError(f"order={order!r}: use one of none, key, partition")
        self._attempts = attempts
        self._delay_ms = delay_ms
        self._order = order
        self._encode = encode
        self._lines: dict[Hashable, deque[Record[Any, Any]]] = {}
        self._made: dict[Hashable, int] = {}
        """Attempts at the first record of a line."""
        self._ready: deque[Hashable] = deque()
        self._due: list[tuple[float, int, Hashable]] = []
        self._was_due = False
        """What was tried last had waited."""
        self._ticks = count()
        self._offsets: dict[TopicPartition, set[int]] = {}
        self._held: dict[tuple[TopicPartition, int], SerializationFailed] = {}
        self.tried: Record[Any, Any] | None = None
        """What `next` has given out, until the program asks for more."""
        self.tries = 0
        self._in_hand: Record[Any, Any] | None = None
        """What is tried while nothing else is unfinished. It comes into a line where it fails."""

    @property
    def is_empty(self) -> bool:
        return not self._offsets

    def __len__(self) -> int:
        return sum(map(len, self._offsets.values()))

    def records(self) -> Iterable[Record[Any, Any]]:
        """All of them, those of a line in their order."""
        waiting = [record for line in self._lines.values() for record in line]
        return waiting if self._in_hand is None else [self._in_hand, *waiting]

    def lowest(self, partition: TopicPartition) -> int | None:
        """The first offset of a partition that is not done with; None where there is none."""
        waiting = min(self._offsets.get(partition, ()), default=None)
        if self._in_hand is None or self._in_hand.topic_partition != partition:
            return waiting
        offset = self._in_hand.offset
        return offset if waiting is None else min(offset, waiting)

    def stops(self, partition: TopicPartition) -> bool:
        """Whether nothing more of a partition can be tried before something that waits."""
        return self._order == "partition" and partition in self._offsets

    def take(self, record: Record[Any, Any]) -> None:
        """It was handed out. One that comes again, as after a seek, is there already."""
        offsets = self._offsets.setdefault(record.topic_partition, set())
        if record.offset in offsets:
            return
        offsets.add(record.offset)
        name = self._line_of(record)
        line = self._lines.setdefault(name, deque())
        line.append(record)
        if len(line) == 1:
            self._ready.append(name)

    def take_over(self, former: Unfinished | None) -> None:
        """What another has left is to be tried once more, from the first attempt on; what it held is held."""
        if former is None:
            return
        for failure in former.held():
            self.hold(failure)
        for record in former.records():
            self.take(record)

    def take_in_hand(self, record: Record[Any, Any]) -> bool:
        """It was handed out. Whether it is to be tried at once, since nothing else is unfinished; else `take` it."""
        if self._offsets or self._in_hand is not None:
            return False
        self._in_hand = record
        return True

    def hold(self, failure: SerializationFailed) -> None:
        """Its record was handed out and is not to be tried, but it is not done with before `release`."""
        record = failure.record
        assert record is not None
        self._held[record.topic_partition, record.offset] = failure
        self._offsets.setdefault(record.topic_partition, set()).add(record.offset)

    def held(self) -> list[SerializationFailed]:
        return list(self._held.values())

    def release(self, record: Record[Any, Any]) -> None:
        """What was held is done with."""
        self._held.pop((record.topic_partition, record.offset), None)
        offsets = self._offsets.get(record.topic_partition, set())
        offsets.discard(record.offset)
        if not offsets:
            self._offsets.pop(record.topic_partition, None)

    def next(self, now: float) -> Record[Any, Any] | None:
        """What is to be tried now: in turns what has waited for its time, and what has not.

        `done` or `failed` is to follow.
        """
        is_due = bool(self._due) and self._due[0][0] <= now
        if is_due and not (self._was_due and self._ready):
            self._was_due, name = True, heappop(self._due)[2]
        elif self._ready:
            self._was_due, name = False, self._ready.popleft()
        else:
            return None
        self.tried = self._lines[name][0]
        self.tries += 1
        return self.tried

    @property
    def next_due(self) -> float | None:
        """When a record has waited for long enough; None where none waits."""
        return self._due[0][0] if self._due else None

    def attempts_at(self, record: Record[Any, Any]) -> int:
        return 0 if record is self._in_hand else self._made.get(self._line_of(record), 0)

    def failed(self, record: Record[Any, Any], now: float) -> bool:
        """Whether it is to be given up; else it waits, for twice as long each time."""
        if record is self._in_hand:
            self._in_hand = None
            self.take(record)
            self._ready.clear()
        name = self._line_of(record)
        if not self._is_first(name, record):
            return False
        made = self._made[name] = self._made.get(name, 0) + 1
        if made >= self._attempts:
            return True
        delay_ms = min(self._delay_ms * 2 ** (made - 1), LONGEST_DELAY_MS)
        heappush(self._due, (now + delay_ms / 1000, next(self._ticks), name))
        return False

    def done(self, record: Record[Any, Any]) -> None:
        """It went well, or was given up: the next of its line may be tried."""
        if record is self._in_hand:
            self._in_hand = None
            return
        name = self._line_of(record)
        if not self._is_first(name, record):
            return
        line = self._lines[name]
        line.popleft()
        self._made.pop(name, None)
        self.release(record)
        if line:
            self._ready.append(name)
        else:
            del self._lines[name]

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """These are taken away, or will be read from elsewhere."""
        gone = [name for name, line in self._lines.items() if line[0].topic_partition in partitions]
        for name in gone:
            del self._lines[name]
            self._made.pop(name, None)
        for partition in partitions:
            self._offsets.pop(partition, None)
        for place in [place for place in self._held if place[0] in partitions]:
            del self._held[place]
        if self._in_hand is not None and self._in_hand.topic_partition in partitions:
            self._in_hand = None
        if gone:
            names = set(gone)
            self._ready = deque(name for name in self._ready if name not in names)
            self._due = sorted(each for each in self._due if each[2] not in names)

    def _line_of(self, record: Record[Any, Any]) -> Hashable:
        if self._order == "partition":
            return record.topic, record.partition
        if self._order == "key" and record.key is not None:
            try:
                hash(record.key)
            except TypeError:  # as of a Struct that is not frozen
                return record.topic, record.partition, "bytes", self._encode(record).key
            return record.topic, record.partition, "key", record.key
        return record.topic, record.partition, record.offset

    def _is_first(self, name: Hashable, record: Record[Any, Any]) -> bool:
        line = self._lines.get(name)
        return line is not None and line[0] is record
