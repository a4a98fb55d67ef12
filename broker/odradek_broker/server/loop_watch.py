"""Notices when the loop is held for longer than HELD_MS, and by whom: one log line, and no more than one in QUIET_MS.

All of a broker runs on one thread. A task that computes for long, or waits there for a disk, holds up every client, and
in the end the broker's lease. So the loop beats, and a thread beside it looks whether it does: where a beat is overdue
it notes what the loop's thread is doing at that moment. The loop itself says so, once it beats again.

`LoopLag` decides, and is told the time; `watch_loop` is the thread and the task. A machine that is too busy to run us
looks the same from inside: the line says for how much of the time our thread had the processor.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import trio

logger = logging.getLogger(__name__)

BEAT_MS = 20
LOOK_MS = 40
HELD_MS = 100
QUIET_MS = 10_000
FRAMES_NAMED = 4
OURS = ("odradek", "odradek_broker")


class LoopLag:
    """How far the loop is behind, and what it was doing. `beat` belongs to the loop, `look` to the thread beside it."""

    def __init__(self, now_ms: float) -> None:
        self.lag_ms = 0.0
        """How late the last beat was."""
        self.longest_ms = 0.0
        """The latest that any beat has been."""
        self.unsaid = 0
        """How often the loop was held and nothing said, since something was."""
        self._said_ms = now_ms - QUIET_MS
        self._due_ms = now_ms + BEAT_MS
        self._culprit: str | None = None

    def beat(self, now_ms: float) -> str | None:
        """Say that the loop runs; return what has held it, where that has lasted for long and is to be said."""
        self.lag_ms = max(now_ms - self._due_ms, 0.0)
        self.longest_ms = max(self.longest_ms, self.lag_ms)
        self._due_ms = now_ms + BEAT_MS
        culprit, self._culprit = self._culprit, None
        if self.lag_ms < HELD_MS:
            return None
        if now_ms - self._said_ms < QUIET_MS:
            self.unsaid += 1
            return None
        self._said_ms = now_ms
        return culprit or "nobody knows what: even the thread that watches did not run"

    def look(self, now_ms: float, what_runs: Callable[[], str]) -> None:
        """Note what the loop is at, where it is overdue; of one long hold the last look counts."""
        if now_ms - self._due_ms >= LOOK_MS:
            self._culprit = what_runs()


async def watch_loop() -> None:
    """Watch the loop that this runs on, until cancelled."""
    lag = LoopLag(time.monotonic() * 1000)
    loop_thread, done = threading.get_ident(), threading.Event()

    def look() -> None:
        while not done.wait(LOOK_MS / 1000):
            lag.look(time.monotonic() * 1000, lambda: _stack(sys._current_frames().get(loop_thread)))

    threading.Thread(target=look, name="loop watch", daemon=True).start()
    at_work_s = time.thread_time()
    try:
        while True:
            await trio.sleep(BEAT_MS / 1000)
            before_s, at_work_s = at_work_s, time.thread_time()
            culprit = lag.beat(time.monotonic() * 1000)
            if culprit is not None:
                worked_ms = (at_work_s - before_s) * 1000
                logger.warning(
                    "the loop was held for %d ms, %d of them at work, in %s; %d times more since the last such line",
                    *(lag.lag_ms, worked_ms, culprit, lag.unsaid),
                )
                lag.unsaid = 0
    finally:
        done.set()


def _stack(frame: FrameType | None) -> str:
    """The innermost functions of ours that are at work, the one that was called last first."""
    named: list[str] = []
    while frame is not None and len(named) < FRAMES_NAMED:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] in OURS:
            named.append(f"{module}:{frame.f_lineno} {frame.f_code.co_qualname}")
        frame = frame.f_back
    return ", called by ".join(named) or "no function of ours"
