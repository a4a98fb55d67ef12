"""Trio, with the order of tasks out of a seed, and processes that can be stopped. The one place that touches what is
private in Trio.

Trio shuffles the tasks that can run with a random generator of its own. With the flag that its Hypothesis plug-in sets
it sorts them first, so that nothing but that generator decides. test_simulated_cluster.py fails if this should move.

A process is a group of tasks, known by a context variable, which tasks inherit from whoever starts them. While it is
stopped, as by SIGSTOP, none of its tasks runs: what becomes ready to run, because something has arrived or a timer is
over, is held back, and goes on in that order when the process is continued.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from random import Random
from typing import Any, TypeVar

import trio
import trio._core._run as run_module
from trio.testing import MockClock

from odradek_broker.loop import defects

T = TypeVar("T")


def run_in_virtual_time(seed: int, main: Callable[..., Awaitable[T]], *args: object) -> T:
    """The clock jumps whenever nothing can run. No defect is survived: it is what is sought."""
    before = run_module._ALLOW_DETERMINISTIC_SCHEDULING, run_module._r
    survived, defects.are_survived = defects.are_survived, False
    in_a_thread, trio.to_thread.run_sync = trio.to_thread.run_sync, _at_once  # type: ignore[assignment]
    run_module._ALLOW_DETERMINISTIC_SCHEDULING, run_module._r = True, Random(seed)  # type: ignore[misc]
    try:
        return trio.run(main, *args, clock=MockClock(autojump_threshold=0), instruments=[_Resurrection()])
    finally:
        run_module._ALLOW_DETERMINISTIC_SCHEDULING, run_module._r = before  # type: ignore[misc]
        defects.are_survived = survived
        trio.to_thread.run_sync = in_a_thread
        for process in list(_stopped):
            process.forget()


async def _at_once(job: Callable[..., T], *args: Any, **_: Any) -> T:
    """Instead of a thread, whose end no seed rules and for which no clock of ours would wait."""
    await trio.lowlevel.checkpoint()
    return job(*args)


class Process:
    """Those tasks in which `enter` was called, and all that they start."""

    def __init__(self) -> None:
        self._held: list[trio.lowlevel.Task] = []

    @property
    def is_stopped(self) -> bool:
        return self in _stopped

    def enter(self) -> None:
        """The task that calls this belongs to the process from now on."""
        _process.set(self)

    def start_soon(self, nursery: trio.Nursery, task: Callable[..., Awaitable[object]], *args: Any) -> None:
        """A task of this process, whoever starts it."""
        context = copy_context()
        context.run(self.enter)
        context.run(nursery.start_soon, task, *args)

    def stop(self) -> None:
        """Those of its tasks whose turn has come at this very moment make their step yet."""
        if not self.is_stopped:
            _stopped[self] = None
            run_module.Runner.reschedule = _reschedule  # type: ignore[method-assign, assignment]

    def resume(self) -> None:
        if self.is_stopped:
            self.forget()
            runner = run_module.GLOBAL_RUN_CONTEXT.runner
            runner.runq.extend(self._held)
            self._held.clear()

    def forget(self) -> None:
        """As `resume`, where nothing runs any more."""
        del _stopped[self]
        if not _stopped:
            run_module.Runner.reschedule = _trio_reschedule  # type: ignore[method-assign]

    def hold(self, task: trio.lowlevel.Task) -> None:
        self._held.append(task)


_process: ContextVar[Process | None] = ContextVar("process", default=None)
_stopped: dict[Process, None] = {}
"""In the order in which they were stopped."""
_trio_reschedule = run_module.Runner.reschedule


def process_of(task: trio.lowlevel.Task) -> Process | None:
    return task.context.get(_process)


def _reschedule(runner: run_module.Runner, task: trio.lowlevel.Task, *outcome: Any) -> None:
    """Trio's own, but for the tasks of a process that is stopped: their turn does not come."""
    _trio_reschedule(runner, task, *outcome)
    process = process_of(task)
    if process is not None and process in _stopped:
        runner.runq.pop()
        process.hold(task)


class _Resurrection(trio.abc.Instrument):
    """Where only stopped processes are left, and nothing will happen any more, they go on: so a run has an end."""

    def before_io_wait(self, timeout: float) -> None:
        if _stopped:
            runner = run_module.GLOBAL_RUN_CONTEXT.runner
            if not runner.runq and runner.deadlines.next_deadline() == math.inf:
                for process in list(_stopped):
                    process.resume()


def this_run() -> object:
    """Of Trio, to be entered from another thread."""
    return run_module.GLOBAL_RUN_CONTEXT.runner


def enter(run: object) -> None:
    """In another thread, which runs only while Trio's stands still: what time it is can be asked there too."""
    run_module.GLOBAL_RUN_CONTEXT.runner = run  # type: ignore[assignment]
