"""Logs are opened beside the loop: a few at a time, in order, and of one directory never two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from odradek_broker.partitions.log_opening import AT_ONCE, WAIT_SECONDS, LogOpening
from odradek_broker.partitions.waiting import Waiting

A, B = b"a" * 16, b"b" * 16


class HeldWorkers:
    """Each job waits until it is let go."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], Any], trio.Event]] = []

    async def run(self, job: Callable[[], Any]) -> Any:
        event = trio.Event()
        self.jobs.append((job, event))
        await event.wait()
        return job()

    def submit(self, job: Any, done: Any) -> None:
        raise AssertionError("nobody is told")

    def close(self) -> None:
        pass

    async def let_go(self, number: int) -> None:
        self.jobs[number][1].set()
        await wait_all_tasks_blocked()


class Scene:
    def __init__(self) -> None:
        self.workers = HeldWorkers()
        self.opened: list[tuple[tuple[str, int], bytes]] = []
        self.taken: list[tuple[str, int]] = []
        self.discarded: list[tuple[str, int]] = []
        self.opening = LogOpening(
            self._open, lambda key, _: self.taken.append(key), lambda key, _: self.discarded.append(key)
        )

    def _open(self, key: tuple[str, int], topic_id: bytes) -> Waiting:
        self.opened.append((key, topic_id))
        log: Any = SimpleNamespace()
        return Waiting(topic_id, log)


@pytest.fixture
async def scene(nursery: trio.Nursery) -> AsyncIterator[Scene]:
    made = Scene()
    nursery.start_soon(made.opening.run, made.workers)
    await wait_all_tasks_blocked()
    yield made


async def test_a_few_are_opened_at_a_time_in_the_order_in_which_they_were_wanted(scene: Scene) -> None:
    keys = [("t", index) for index in range(AT_ONCE + 2)]
    for key in keys:
        scene.opening.want(key, A)
    await wait_all_tasks_blocked()
    assert len(scene.workers.jobs) == AT_ONCE
    for number in range(len(keys)):
        await scene.workers.let_go(number)
    assert scene.taken == keys
    assert not scene.opening.wanted


async def test_who_waits_for_a_topic_waits_for_its_logs_and_for_no_others(scene: Scene, nursery: trio.Nursery) -> None:
    done: list[str] = []

    async def wait(topic: str) -> None:
        await scene.opening.wait({topic})
        done.append(topic)

    scene.opening.want(("t", 0), A)
    scene.opening.want(("u", 0), B)
    for topic in ("t", "u", "unknown"):
        nursery.start_soon(wait, topic)
    await wait_all_tasks_blocked()
    assert done == ["unknown"]
    await scene.workers.let_go(1)
    assert done == ["unknown", "u"]
    scene.opening.forget(("t", 0))
    await wait_all_tasks_blocked()
    assert done == ["unknown", "u", "t"]


async def test_nobody_waits_longer_than_a_while_for_a_disk_that_hangs(
    scene: Scene, autojump_clock: trio.testing.MockClock
) -> None:
    for topic in ("t", "u"):
        scene.opening.want((topic, 0), A)
    before = trio.current_time()
    await scene.opening.wait({"t", "u"})
    assert trio.current_time() - before == WAIT_SECONDS


async def test_a_log_that_is_not_wanted_any_more_is_discarded_before_its_successor_is_begun(scene: Scene) -> None:
    scene.opening.want(("t", 0), A)
    await wait_all_tasks_blocked()
    scene.opening.forget(("t", 0))
    scene.opening.want(("t", 0), B)
    await wait_all_tasks_blocked()
    assert len(scene.workers.jobs) == 1, "one directory, one log"
    await scene.workers.let_go(0)
    assert (scene.discarded, scene.taken) == ([("t", 0)], [])
    await scene.workers.let_go(1)
    assert (scene.discarded, scene.taken) == ([("t", 0)], [("t", 0)])
    assert scene.opened == [(("t", 0), A), (("t", 0), B)]


async def test_what_is_wanted_again_is_opened_once(scene: Scene) -> None:
    for _ in range(3):
        scene.opening.want(("t", 0), A)
        await wait_all_tasks_blocked()
    assert len(scene.workers.jobs) == 1
