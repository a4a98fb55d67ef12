"""Jobs are done by threads, and their ends are told on the loop, each once and in order."""

from __future__ import annotations

import os
import threading

import pytest
import trio

from odradek_broker.ports.workers import ThreadWorkers


@pytest.fixture(
    params=[name for name in ("eventfd", "Trio's own") if name != "eventfd" or hasattr(os, name)], autouse=True
)
def way_back(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "eventfd":
        monkeypatch.delattr(os, "eventfd", raising=False)


async def test_every_end_is_told_once_on_the_loop_in_the_order_of_one_worker() -> None:
    workers, told, loop = ThreadWorkers(1), list[tuple[int, str, int]](), threading.get_ident()
    over = trio.Event()

    def job(number: int) -> None:
        if number % 3 == 0:
            raise OSError(f"{number} failed")

    def done(number: int, error: Exception | None) -> None:
        told.append((number, "" if error is None else str(error), threading.get_ident()))
        if number == 99:
            over.set()

    for number in range(100):
        workers.submit(lambda number=number: job(number), lambda error, number=number: done(number, error))  # type: ignore[misc]
    with trio.fail_after(10):
        await over.wait()
    assert told == [(number, "" if number % 3 else f"{number} failed", loop) for number in range(100)]
    workers.close()


async def test_an_end_that_cannot_be_told_keeps_no_other_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    workers, over = ThreadWorkers(2), trio.Event()

    def cannot(_: Exception | None) -> None:
        raise ValueError("cannot")

    workers.submit(lambda: None, cannot)
    workers.submit(lambda: None, lambda _: over.set())
    with trio.fail_after(10):
        await over.wait()
        while not caplog.records:
            await trio.lowlevel.checkpoint()
    assert [each.message for each in caplog.records] == ["a job's end could not be told"]
    workers.close()


def test_a_job_that_ends_when_the_loop_has_is_done_and_told_nobody() -> None:
    may_end, told = threading.Event(), list[object]()

    async def main() -> ThreadWorkers:
        workers = ThreadWorkers(1)
        workers.submit(may_end.wait, told.append)  # type: ignore[arg-type]
        return workers

    workers = trio.run(main)
    may_end.set()
    workers.close()
    (thread,) = workers._threads
    thread.join(10)
    assert not thread.is_alive()
    assert told == []
