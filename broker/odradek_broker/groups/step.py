"""Collects what one call into the coordinator brings about."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct

from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.coordination.timers import Timers
from odradek_broker.groups.settings import GroupSettings
from odradek_broker.groups.timers import Timer, TimerKind

R = TypeVar("R")


class Step:
    """Collects what one call brings about."""

    def __init__(self, now: Instant, settings: GroupSettings, timers: Timers[Timer]) -> None:
        self.now = now
        self.settings = settings
        self.timers = timers
        self.records: list[CoordinatorRecord] = []
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

    def result(self, response: R) -> CoordinatorResult[R]:
        return CoordinatorResult(self.records, response, self.answers, self.notes)
