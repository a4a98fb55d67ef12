"""Long looks into batches queue: two at a time, in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from odradek_broker.loop.looks import AT_ONCE, Looks


class HeldWorkers:
    """Every job waits until it is let go."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], trio.Event]] = []

    async def run(self, job: Callable[[], Any]) -> Any:
        event = trio.Event()
        self.waiting.append((job, event))
        await event.wait()
        return job()

    def submit(self, job: Any, done: Any) -> None:
        raise AssertionError("not for looks")

    def close(self) -> None:
        pass


async def test_no_more_than_two_looks_are_at_work_and_the_others_come_in_order() -> None:
    workers, seen = HeldWorkers(), list[int]()
    looks = Looks(workers)
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(looks.look, partial(seen.append, number))
            await wait_all_tasks_blocked()
        assert len(workers.waiting) == AT_ONCE
        for number in range(4):
            workers.waiting[number][1].set()
            await wait_all_tasks_blocked()
            assert seen == list(range(number + 1))
