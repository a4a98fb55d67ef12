"""One call into the coordinator: when it happens, and what it brings about.

The coordinator changes its own members and timers as it goes; what must outlive the process is a record, and nothing
that a record says is done before the record is replayed. Whoever makes the call appends the records, replays them, and
lets the answers go once everything appended so far is committed: so nothing is ever shown that could still be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from odradek_broker.groups.records import Record
from odradek_broker.groups.settings import GroupSettings
from odradek_broker.groups.timers import Timer, TimerKind, Timers

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Instant(NamedTuple):
    """A moment, by both clocks: deadlines are measured with the one, what is recorded is dated with the other."""

    monotonic_ms: int
    wall_ms: int


class Answer(NamedTuple):
    """The answer to a request that had to wait, by the ticket that came with it."""

    ticket: int
    response: Struct


class Result(NamedTuple, Generic[R_co]):
    """What a call comes to."""

    response: R_co
    """None where the caller has to wait for an Answer with its ticket."""
    records: list[Record]
    """To be appended, all or none, and replayed."""
    answers: list[Answer]
    """To others, who have been waiting."""
    notes: Sequence[str] = ()
    """Worth a line in the log of the process."""


class Step:
    """Collects what one call brings about."""

    def __init__(self, now: Instant, settings: GroupSettings, timers: Timers[Timer]) -> None:
        self.now = now
        self.settings = settings
        self.timers = timers
        self.records: list[Record] = []
        self.answers: list[Answer] = []
        self.notes: list[str] = []

    def answer(self, ticket: int, response: Struct) -> None:
        self.answers.append(Answer(ticket, response))

    def set_timer(self, kind: TimerKind, delay_ms: int, group_id: str = "", member_id: str = "") -> None:
        self.timers.set(Timer(kind, group_id, member_id), self.now.monotonic_ms + delay_ms)

    def cancel_timer(self, kind: TimerKind, group_id: str, member_id: str = "") -> None:
        self.timers.cancel(Timer(kind, group_id, member_id))

    def has_timer(self, kind: TimerKind, group_id: str, member_id: str) -> bool:
        return self.timers.deadline_ms(Timer(kind, group_id, member_id)) is not None

    def left_ms(self, kind: TimerKind, group_id: str, member_id: str = "") -> int:
        """Until a timer comes up; 0 where it is not set."""
        deadline_ms = self.timers.deadline_ms(Timer(kind, group_id, member_id))
        return 0 if deadline_ms is None else max(0, deadline_ms - self.now.monotonic_ms)

    def result(self, response: R) -> Result[R]:
        return Result(response, self.records, self.answers, self.notes)
