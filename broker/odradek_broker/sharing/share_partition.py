"""SharePartition: one partition as one share group takes it apart among its members. Kafka: SharePartition.

    available      may be acquired
    acquired       a member has it, until its lock runs out
    acknowledged   the member has dealt with it
    archived       nobody gets it any more: it was rejected, or delivered too often, or there is no such record

    available -> acquired                    acquire; the delivery count rises
    acquired  -> acknowledged                accept
    acquired  -> archived                    reject; a gap, where the member has found no record
    acquired  -> available                   release; the session's end; the lock's end
    acquired  -> archived                    the same, where that was the last delivery
    acquired  -> acquired                    renew: the lock begins anew

Invariants
    From start_offset up to end_offset there is something to be said of every offset, and of no other.
    At start_offset is a record that is not done with, or start_offset is end_offset. It never falls.
    A record is acquired by one member at a time, and at most as often as the delivery count limit says.
    end_offset - start_offset stays below the record locks that are allowed, but for the last batch acquired.
    The last delivery of a record is its own: one that kills whoever gets it takes no other with it.
    Nobody is asked twice: an acknowledgement counts as a whole for its partition, or nothing of it does.

What is acquired is not recorded: who takes over finds it available, with the delivery count of before. So nothing has
to be written for a fetch. Changes for good are collected until `take_changes`; who has acknowledged is to be answered
when they are stored. If they cannot be stored this object is thrown away, and made again of what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

from odradek.protocol.errors import ErrorCode
from odradek_broker.sharing.ranges import Range, Ranges, RecordState
from odradek_broker.sharing.settings import ShareSettings

MAX_OFFSET = 2**63 - 1


class AcknowledgeType(IntEnum):
    """What a member says of a record; Kafka's numbers."""

    GAP = 0
    ACCEPT = 1
    RELEASE = 2
    REJECT = 3
    RENEW = 4


_STATE_AFTER = {
    AcknowledgeType.GAP: RecordState.ARCHIVED,
    AcknowledgeType.ACCEPT: RecordState.ACKNOWLEDGED,
    AcknowledgeType.RELEASE: RecordState.AVAILABLE,
    AcknowledgeType.REJECT: RecordState.ARCHIVED,
}


class Acknowledgement(NamedTuple):
    """The same said of all offsets from first to last."""

    first_offset: int
    last_offset: int
    type: AcknowledgeType


class LogBatch(NamedTuple):
    """Offsets of a batch that lies in the log."""

    first_offset: int
    last_offset: int
    is_visible: bool = True
    """Whether members get its records: not those of a transaction that was aborted, where only committed ones count."""


class Acquired(NamedTuple):
    first_offset: int
    last_offset: int
    delivery_count: int


class GivenUp(NamedTuple):
    """Records that nobody gets any more, and nobody has dealt with."""

    first_offset: int
    last_offset: int
    delivery_count: int
    is_rejected: bool
    """By its member; else it was delivered too often."""


class Changes(NamedTuple):
    """What is to be stored, as against the last time."""

    number: int
    """All changes up to that number are in here, or were stored before."""
    start_offset: int
    delivery_complete_count: int
    batches: list[Range]
    given_up: list[GivenUp]


class SharePartition:
    """Time comes with each call, by the monotonic clock. `settings` may be replaced at will."""

    def __init__(self, settings: ShareSettings, start_offset: int, stored: Iterable[Range] = ()) -> None:
        """Of what is stored; what is between the ranges was acquired when that was last written, or never looked at."""
        self.settings = settings
        self.start_offset = self.end_offset = start_offset
        self._in_flight = Ranges()
        self._changed = Ranges()
        self._given_up: list[GivenUp] = []
        self._change_number = self._taken_number = 0
        for each in stored:
            self._reach(each.first_offset)
            self._in_flight.lay(each)
            self.end_offset = max(self.end_offset, each.last_offset + 1)
        self._in_flight.drop_before(start_offset)
        self._move_start()

    @property
    def in_flight(self) -> list[Range]:
        return list(self._in_flight)

    @property
    def delivery_complete_count(self) -> int:
        """Records behind start_offset that are done with."""
        return sum(each.record_count for each in self._in_flight if each.state.is_terminal)

    # ----------------------------------------------------------------------------------------------------- acquiring

    @property
    def next_fetch_offset(self) -> int:
        """From where a member's next records are to be read."""
        available = (each.first_offset for each in self._in_flight if each.state is RecordState.AVAILABLE)
        return next(available, self.end_offset)

    @property
    def may_acquire(self) -> bool:
        """Whether reading is of any use: something is available, or more may be taken in flight."""
        return self.next_fetch_offset < self.end_offset or self._locks_left > 0

    @property
    def _locks_left(self) -> int:
        return self.settings.partition_max_record_locks - (self.end_offset - self.start_offset)

    def acquire(
        self, member_id: str, batches: Sequence[LogBatch], max_records: int, now_ms: int, *, strict: bool = False
    ) -> list[Acquired]:
        """Give a member what is available of batches that were read from `next_fetch_offset` on.

        Batches are given whole, so it may be more records than `max_records`, unless that is meant strictly. Offsets
        between the batches do not exist any more, and are done with.
        """
        at, left, acquired = self.next_fetch_offset, max_records, list[Acquired]()
        until = self._last_to_give()
        for batch in batches:
            if left <= 0 or (at >= self.end_offset and self._locks_left <= 0):
                break
            if at < batch.first_offset:
                self._archive(at, batch.first_offset - 1)
            first, last = max(at, batch.first_offset), min(batch.last_offset, until)
            if first <= batch.last_offset and not batch.is_visible:
                self._archive(first, batch.last_offset)
            elif first <= last:
                given = self._give(member_id, first, last, left if strict else None, now_ms)
                left -= sum(each.last_offset - each.first_offset + 1 for each in given)
                acquired += given
            at = max(at, batch.last_offset + 1)
            if at > until:
                break
        self._move_start()
        return _joined(acquired)

    def _last_to_give(self) -> int:
        """Up to where records may be acquired together."""
        for each in self._in_flight:
            if each.state is RecordState.AVAILABLE and each.delivery_count >= self.settings.delivery_count_limit - 1:
                is_first = each.first_offset == self.next_fetch_offset
                return each.first_offset if is_first else each.first_offset - 1
        return MAX_OFFSET

    def _give(self, member_id: str, first: int, last: int, most: int | None, now_ms: int) -> list[Acquired]:
        """Acquire what is available from first to last, no more than so many records."""
        if self.end_offset <= last and self._locks_left > 0:
            wanted = last if most is None else min(last, self.end_offset + min(most, self._locks_left) - 1)
            self._reach(wanted + 1)
        given = []
        for each in self._in_flight.within(first, last):
            if each.state is not RecordState.AVAILABLE or most == 0:
                continue
            if most is not None:
                each = each._replace(last_offset=min(each.last_offset, each.first_offset + most - 1))
                most -= each.record_count
            count = each.delivery_count + 1
            given.append(Acquired(each.first_offset, each.last_offset, count))
            deadline_ms = now_ms + self.settings.record_lock_duration_ms
            taken = Range(each.first_offset, each.last_offset, RecordState.ACQUIRED, count, member_id, deadline_ms)
            self._in_flight.lay(taken)
        return given

    def _archive(self, first: int, last: int) -> None:
        """No member is to have these; who has acquired any of them keeps it."""
        self._reach(last + 1)
        for each in self._in_flight.within(first, last):
            if each.state is RecordState.AVAILABLE:
                self._change(each._replace(state=RecordState.ARCHIVED))

    def _reach(self, end_offset: int) -> None:
        """Let all offsets below that one be in flight."""
        if self.end_offset < end_offset:
            self._in_flight.lay(Range(self.end_offset, end_offset - 1, RecordState.AVAILABLE, 0))
            self.end_offset = end_offset

    # ----------------------------------------------------------------------------------------------- acknowledging

    def acknowledge(self, member_id: str, acknowledgements: Sequence[Acknowledgement], now_ms: int) -> ErrorCode:
        """Let a member say what became of records. All of it counts, or with an error nothing.

        INVALID_REQUEST         an offset that was never in flight; renewal where the group has none
        INVALID_RECORD_STATE    one that the member has not acquired, or no longer has; one of which two things are said
        Offsets below start_offset are done with: what is said of them is not looked at.
        """
        if not self._in_flight and acknowledgements:
            return ErrorCode.INVALID_RECORD_STATE
        renews = any(each.type is AcknowledgeType.RENEW for each in acknowledgements)
        if renews and not self.settings.renew_acknowledge_enable:
            return ErrorCode.INVALID_REQUEST
        meant: list[tuple[Range, AcknowledgeType]] = []
        for first, last, kind in acknowledgements:
            if last >= self.end_offset:
                return ErrorCode.INVALID_REQUEST
            meant += [(each, kind) for each in self._in_flight.within(max(first, self.start_offset), last)]
        if any(each.state is not RecordState.ACQUIRED or each.member_id != member_id for each, _ in meant):
            return ErrorCode.INVALID_RECORD_STATE
        if any(later.first_offset <= each.last_offset for (each, _), (later, _) in pairwise(meant)):
            return ErrorCode.INVALID_RECORD_STATE
        for each, kind in meant:
            if kind is AcknowledgeType.RENEW:
                self._in_flight.lay(each._replace(deadline_ms=now_ms + self.settings.record_lock_duration_ms))
            else:
                self._settle(each, _STATE_AFTER[kind], is_rejected=kind is AcknowledgeType.REJECT)
        self._move_start()
        return ErrorCode.NONE

    def release(self, member_id: str) -> None:
        """The member's session is over: what it has acquired is for others."""
        for each in self.in_flight:
            if each.state is RecordState.ACQUIRED and each.member_id == member_id:
                self._settle(each, RecordState.AVAILABLE)
        self._move_start()

    def expire(self, now_ms: int) -> bool:
        """Take records from members whose locks have run out; whether there were any."""
        late = [each for each in self._in_flight if each.state is RecordState.ACQUIRED and each.deadline_ms <= now_ms]
        for each in late:
            self._settle(each, RecordState.AVAILABLE)
        self._move_start()
        return bool(late)

    @property
    def next_deadline_ms(self) -> int | None:
        """When `expire` is to be called next."""
        deadlines = (each.deadline_ms for each in self._in_flight if each.state is RecordState.ACQUIRED)
        return min(deadlines, default=None)

    def _settle(self, acquired: Range, state: RecordState, *, is_rejected: bool = False) -> None:
        is_last = acquired.delivery_count >= self.settings.delivery_count_limit
        if is_rejected or (state is RecordState.AVAILABLE and is_last):
            state = RecordState.ARCHIVED
            self._given_up.append(GivenUp(*acquired[:2], acquired.delivery_count, is_rejected))
        self._change(Range(acquired.first_offset, acquired.last_offset, state, acquired.delivery_count))

    # ---------------------------------------------------------------------------------------------------- remembering

    def log_starts_at(self, offset: int) -> None:
        """Records below that one are deleted."""
        if offset > self.start_offset:
            self._reach(offset)
            self._in_flight.drop_before(offset)
            self.start_offset = offset
            self._change_number += 1
            self._move_start()

    @property
    def change_number(self) -> int:
        """The changes so far; stored they are when `Changes` of that number, or a higher one, are."""
        return self._change_number

    def take_changes(self) -> Changes | None:
        """What has changed for good since the last time; None where nothing has."""
        if self._taken_number == self._change_number:
            return None
        self._taken_number = self._change_number
        self._changed.drop_before(self.start_offset)
        batches, self._changed = list(self._changed), Ranges()
        given_up, self._given_up = self._given_up, []
        return Changes(self._change_number, self.start_offset, self.delivery_complete_count, batches, given_up)

    def _change(self, new: Range) -> None:
        self._in_flight.lay(new)
        self._changed.lay(new)
        self._change_number += 1

    def _move_start(self) -> None:
        """Behind all that is done with at the front."""
        for each in self._in_flight:
            if not each.state.is_terminal:
                break
            self.start_offset = each.last_offset + 1
        self._in_flight.drop_before(self.start_offset)


def _joined(acquired: list[Acquired]) -> list[Acquired]:
    """Neighbours of the same delivery count as one."""
    joined = acquired[:1]
    for each in acquired[1:]:
        last = joined[-1]
        if last.last_offset + 1 == each.first_offset and last.delivery_count == each.delivery_count:
            joined[-1] = Acquired(last.first_offset, each.last_offset, each.delivery_count)
        else:
            joined.append(each)
    return joined
