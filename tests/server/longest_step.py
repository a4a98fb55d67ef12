"""How long a broker in this process holds the loop, counted in function calls: the same on every machine.

A call takes some tenths of a microsecond, so MAX_CALLS of them are far less than the 20 ms that are allowed. What one
call does in C is not seen: decompression and the like have tests that ask in which thread they happen.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import trio

MAX_CALLS = 30_000


class LongestStep(trio.abc.Instrument):
    """The longest way from one checkpoint to the next that a task of the broker has gone."""

    def __init__(self) -> None:
        self.calls = 0
        self.task = ""
        self.steps = 0
        self._now = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._now = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if not task.name.startswith("odradek_broker."):
            return
        self.steps += 1
        if self._now > self.calls:
            self.calls, self.task = self._now, task.name

    def count(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            self._now += 1


@contextmanager
def watched() -> Iterator[LongestStep]:
    """Within, no task of the broker may hold the loop."""
    longest = LongestStep()
    trio.lowlevel.add_instrument(longest)
    sys.setprofile(longest.count)
    try:
        yield longest
    finally:
        sys.setprofile(None)
        trio.lowlevel.remove_instrument(longest)
    assert longest.steps, "nothing was seen of the broker"
    assert longest.calls <= MAX_CALLS, f"{longest.task} has held the loop for {longest.calls} calls"
