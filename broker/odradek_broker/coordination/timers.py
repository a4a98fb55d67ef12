"""Deadlines, kept in order.

A session is prolonged by every heartbeat, a thousand times before it ever runs out, so prolonging costs one store in a
dictionary: a timer has one live entry in the heap, at or before its deadline, and is put back when it comes up early.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")
"""What tells one timer from another."""


class Timers(Generic[T]):
    """Any number of timers, each with at most one deadline."""

    def __init__(self) -> None:
        self._deadlines: dict[T, int] = {}
        self._entries: dict[T, int] = {}
        self._heap: list[tuple[int, int, T]] = []
        self._count = 0

    def set(self, timer: T, deadline_ms: int) -> None:
        """Let it be due at `deadline_ms`, whatever was said before."""
        self._deadlines[timer] = deadline_ms
        entry = self._entries.get(timer)
        if entry is None or deadline_ms < entry:
            self._push(timer, deadline_ms)

    def cancel(self, timer: T) -> None:
        self._deadlines.pop(timer, None)

    def deadline_ms(self, timer: T) -> int | None:
        return self._deadlines.get(timer)

    @property
    def next_deadline_ms(self) -> int | None:
        """When the next one is due; None where there is none."""
        self._settle()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> T | None:
        """Take out the timer that has been due for longest; None where none is."""
        self._settle()
        if not self._heap or self._heap[0][0] > now_ms:
            return None
        _, _, timer = heappop(self._heap)
        del self._entries[timer], self._deadlines[timer]
        return timer

    def _settle(self) -> None:
        """See to it that the first entry of the heap, if there is one, stands at its timer's deadline."""
        while self._heap:
            at_ms, _, timer = self._heap[0]
            deadline_ms = self._deadlines.get(timer)
            if self._entries.get(timer) == at_ms == deadline_ms:
                return
            heappop(self._heap)
            if self._entries.get(timer) != at_ms:
                continue
            del self._entries[timer]
            if deadline_ms is not None:
                self._push(timer, deadline_ms)

    def _push(self, timer: T, deadline_ms: int) -> None:
        self._entries[timer] = deadline_ms
        self._count += 1
        heappush(self._heap, (deadline_ms, self._count, timer))
