"""Notices when the loop is held for long, and by whom: one log line, and no more than one in some seconds.

All of a broker runs on one thread. A task that computes for long, or waits there for a disk, holds up every client, and
in the end the broker's lease. So the loop beats, and a thread beside it looks whether it does: where a beat is overdue
it notes what the loop's thread is doing at that moment. The loop itself says so, once it beats again.

`LoopLag` (loop/lag.py) decides, and is told the time; `watch_loop` is the thread and the task. A machine that is too
busy to run us looks the same from inside: the line says for how much of the time our thread had the processor.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import FrameType

import trio

from odradek_broker.loop.lag import LoopLag

logger = logging.getLogger(__name__)

FRAMES_NAMED = 4
OURS = ("odradek", "odradek_broker")


async def watch_loop(lag: LoopLag) -> None:
    """Watch the loop that this runs on, until cancelled, and note it there."""
    lag.begin(time.monotonic() * 1000)
    loop_thread, done = threading.get_ident(), threading.Event()

    def look() -> None:
        while not done.wait(lag.look_in_ms(time.monotonic() * 1000) / 1000):
            lag.look(time.monotonic() * 1000, lambda: _stack(sys._current_frames().get(loop_thread)))

    threading.Thread(target=look, name="loop watch", daemon=True).start()
    at_work_s = time.thread_time()
    try:
        while True:
            await trio.sleep(lag.pause_ms / 1000)
            before_s, at_work_s = at_work_s, time.thread_time()
            worked_ms = (at_work_s - before_s) * 1000
            culprit = lag.beat(time.monotonic() * 1000, worked_ms)
            if culprit is not None:
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
