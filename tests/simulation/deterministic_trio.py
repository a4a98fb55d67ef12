"""Trio, with the order of tasks out of a seed. The one place that touches what is private in Trio.

Trio shuffles the tasks that can run with a random generator of its own. With the flag that its Hypothesis plug-in sets
it sorts them first, so that nothing but that generator decides. test_determinism.py fails if this should ever move.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import trio
import trio._core._run as run_module
from trio.testing import MockClock

T = TypeVar("T")


def run_in_virtual_time(seed: int, main: Callable[..., Awaitable[T]], *args: object) -> T:
    """The clock jumps whenever nothing can run."""
    before = run_module._ALLOW_DETERMINISTIC_SCHEDULING, run_module._r
    run_module._ALLOW_DETERMINISTIC_SCHEDULING, run_module._r = True, Random(seed)  # type: ignore[misc]
    try:
        return trio.run(main, *args, clock=MockClock(autojump_threshold=0))
    finally:
        run_module._ALLOW_DETERMINISTIC_SCHEDULING, run_module._r = before  # type: ignore[misc]
