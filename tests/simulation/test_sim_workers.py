"""Blocking work of the simulation takes as long as it is drawn, and is done at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import trio
from deterministic_trio import Process, run_in_virtual_time
from sim_workers import SimWorkers


def play(scenario: Callable[[trio.Nursery, SimWorkers], Awaitable[None]]) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            await scenario(nursery, SimWorkers(nursery, Random(1), longest_sync_s=0.2, longest_work_s=3.0))
            nursery.cancel_scope.cancel()

    run_in_virtual_time(1, run)


def test_each_job_takes_up_to_the_longest_time_of_its_kind() -> None:
    async def scenario(nursery: trio.Nursery, workers: SimWorkers) -> None:
        flushed: list[float] = []
        for _ in range(100):
            workers.submit(lambda: None, lambda error: flushed.append(trio.current_time()))
        await trio.sleep(1)
        assert len(flushed) == 100 and 0.1 < max(flushed) <= 0.2 and min(flushed) < 0.1
        began = trio.current_time()
        for _ in range(20):
            assert await workers.run(lambda: "done") == "done"
        assert 15 < trio.current_time() - began < 45

    play(scenario)


def test_what_a_job_raises_is_told() -> None:
    async def scenario(nursery: trio.Nursery, workers: SimWorkers) -> None:
        told: list[Exception | None] = []

        def fail() -> None:
            raise OSError("no")

        workers.submit(fail, told.append)
        await trio.sleep(1)
        assert [type(each) for each in told] == [OSError]
        workers.submit(fail, told.append)
        workers.close()
        await trio.sleep(1)
        assert len(told) == 1, "nobody is told any more"

    play(scenario)


def test_work_that_a_stopped_process_waits_for_ends_after_it_goes_on() -> None:
    async def scenario(nursery: trio.Nursery, workers: SimWorkers) -> None:
        process, done = Process(), list[float]()

        async def ask() -> None:
            workers.submit(lambda: None, lambda error: done.append(trio.current_time()))
            await workers.run(lambda: done.append(trio.current_time()))

        process.start_soon(nursery, ask)
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        process.stop()
        await trio.sleep(10)
        assert done == []
        process.resume()
        await trio.sleep(0.001)
        assert done == [10, 10]

    play(scenario)
