"""A process that is stopped does nothing, and goes on where it was: as SIGSTOP and SIGCONT have it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio._core._run as run_module
from deterministic_trio import Process, process_of, run_in_virtual_time


async def tick(seen: list[float]) -> None:
    while True:
        await trio.sleep(1)
        seen.append(trio.current_time())


def play(scenario: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            await scenario(nursery)
            nursery.cancel_scope.cancel()

    run_in_virtual_time(1, run)


def test_a_stopped_process_does_nothing_while_others_go_on() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        process = Process()
        stopped: list[float] = []
        running: list[float] = []
        process.start_soon(nursery, tick, stopped)
        nursery.start_soon(tick, running)
        await trio.sleep(2.5)
        process.stop()
        assert process.is_stopped
        await trio.sleep(5)
        assert (stopped, running) == ([1, 2], [1, 2, 3, 4, 5, 6, 7])
        process.resume()
        await trio.sleep(2)
        assert stopped == [1, 2, 7.5, 8.5, 9.5], "its timer has fired late"

    play(scenario)


def test_tasks_belong_to_the_process_of_whoever_starts_them() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        process, seen = Process(), []

        async def parent() -> None:
            async with trio.open_nursery() as inner:
                inner.start_soon(child)
                await trio.sleep_forever()

        async def child() -> None:
            seen.append(process_of(trio.lowlevel.current_task()))
            await tick(ticks)

        ticks: list[float] = []
        process.start_soon(nursery, parent)
        await trio.sleep(1.5)
        process.stop()
        await trio.sleep(5)
        assert seen == [process] and ticks == [1]
        assert process_of(trio.lowlevel.current_task()) is None

    play(scenario)


def test_what_arrives_meanwhile_is_there_afterwards_in_its_order() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        process, seen = Process(), []
        into, out = trio.open_memory_channel[int](100)

        async def receive() -> None:
            async for each in out:
                seen.append(each)

        process.start_soon(nursery, receive)
        await trio.sleep(1)
        process.stop()
        for number in range(10):
            await into.send(number)
            await trio.sleep(1)
        assert seen == []
        process.resume()
        await trio.lowlevel.checkpoint()
        await trio.sleep(0.001)
        assert seen == list(range(10))

    play(scenario)


def test_a_busy_process_stops_too() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        process, steps = Process(), [0]

        async def work() -> None:
            while True:
                steps[0] += 1
                await trio.lowlevel.checkpoint()

        process.start_soon(nursery, work)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        process.stop()
        before = steps[0]
        await trio.sleep(10)
        assert 0 < steps[0] <= before + 1, "no more than the step that was due already"

    play(scenario)


def test_what_is_started_in_a_stopped_process_begins_when_it_goes_on() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        process, seen = Process(), []

        async def begin() -> None:
            seen.append(trio.current_time())

        process.stop()
        process.start_soon(nursery, begin)
        await trio.sleep(3)
        assert seen == []
        process.resume()
        await trio.sleep(1)
        assert seen == [3]

    play(scenario)


def test_who_is_cancelled_while_stopped_ends_when_it_goes_on() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        process, seen, scope = Process(), [], trio.CancelScope()

        async def wait() -> None:
            with scope:
                try:
                    await trio.sleep_forever()
                finally:
                    seen.append(trio.current_time())

        process.start_soon(nursery, wait)
        await trio.sleep(1)
        process.stop()
        scope.cancel()
        await trio.sleep(2)
        assert seen == []
        process.resume()
        await trio.sleep(1)
        assert seen == [3]

    play(scenario)


def test_a_run_with_a_stopped_process_comes_to_its_end() -> None:
    ended: list[str] = []

    async def scenario(nursery: trio.Nursery) -> None:
        process = Process()

        async def wait() -> None:
            try:
                await trio.sleep(1000)
            finally:
                ended.append("it")

        process.start_soon(nursery, wait)
        await trio.sleep(1)
        process.stop()

    play(scenario)
    assert ended == ["it"]
    before = run_module.Runner.reschedule
    with pytest.raises(ZeroDivisionError):
        run_in_virtual_time(1, fail_with_a_stopped_process)
    assert run_module.Runner.reschedule is before, "Trio is as it was"


async def fail_with_a_stopped_process() -> None:
    process = Process()
    process.stop()
    raise ZeroDivisionError


def test_several_processes_stop_and_go_on_each_for_itself() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        one, other = Process(), Process()
        ticks: dict[Process, list[float]] = {one: [], other: []}
        for process in (one, other):
            process.start_soon(nursery, tick, ticks[process])
        await trio.sleep(1.5)
        one.stop()
        await trio.sleep(1)
        other.stop()
        other.stop()
        await trio.sleep(1)
        one.resume()
        one.resume()
        await trio.sleep(1.1)
        assert ticks == {one: [1, 3.5, 4.5], other: [1, 2]}

    play(scenario)
