"""`process` in a group: what one member has put off, another does, when the partition goes over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

from odradek import Admin, Consumer, Producer, Record, TopicPartition, process

NewTopic = Callable[..., str]
Raw = Record[bytes | None, bytes | None]
QUICK: dict[str, Any] = {"heartbeat_interval_ms": 100, "session_timeout_ms": 6_000, "auto_commit_interval_ms": 50}


class Worker:
    """Fails at b"2" as long as it is told to."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails
        self.done: list[tuple[int, int]] = []
        self.failed = trio.Event()
        self.did = trio.Event()

    async def __call__(self, record: Raw) -> None:
        if record.value == b"2" and self.fails:
            self.failed.set()
            raise ValueError("not two")
        self.done.append((record.partition, record.offset))
        self.did.set()
        self.did = trio.Event()

    async def wait_done(self, *places: tuple[int, int]) -> None:
        while not set(places) <= set(self.done):
            await self.did.wait()


@pytest.fixture
async def topic(bootstrap: str, new_topic: NewTopic) -> str:
    name = await trio.to_thread.run_sync(new_topic, 2)
    async with Producer(bootstrap) as producer:
        for index in (0, 1):
            await producer.send_many(name, [b"0", b"1", b"2", b"3"], partition=index)
    return name


async def committed(bootstrap: str, group: str) -> dict[int, int]:
    async with Admin(bootstrap) as admin:
        found = await admin.group_offsets(group)
    return {each.partition: offset.offset for each, offset in found.items()}


async def test_what_waits_is_done_by_whoever_gets_the_partition(bootstrap: str, topic: str) -> None:
    first, second = Worker(fails=True), Worker(fails=False)
    async with trio.open_nursery() as nursery:

        async def work(worker: Worker) -> None:
            async with Consumer(bootstrap, topic, group=topic, **QUICK) as consumer:
                await process(consumer, worker, attempts=9, delay_ms=60_000)

        with trio.fail_after(30):
            nursery.start_soon(work, first)
            await first.failed.wait()
            await first.wait_done((0, 3), (1, 3))
            nursery.start_soon(work, second)
            await second.did.wait()
            (moved,) = {partition for partition, _ in second.done}
            await second.wait_done((moved, 2), (moved, 3))
        nursery.cancel_scope.cancel()
    assert [place for place in first.done if place[1] == 2] == []
    assert (await committed(bootstrap, topic))[1 - moved] == 2, "what waits at the first is not committed"


async def test_what_waits_comes_again_after_a_restart_and_is_done_then(bootstrap: str, topic: str) -> None:
    worker = Worker(fails=True)
    with trio.fail_after(30):
        async with Consumer(bootstrap, topic, group=topic, **QUICK) as consumer, trio.open_nursery() as nursery:
            nursery.start_soon(partial(process, consumer, worker, delay_ms=60_000))
            await worker.wait_done((0, 3), (1, 3))
            nursery.cancel_scope.cancel()
        assert await committed(bootstrap, topic) == {0: 2, 1: 2}
        again = Worker(fails=False)
        async with Consumer(bootstrap, topic, group=topic, **QUICK) as consumer, trio.open_nursery() as nursery:
            nursery.start_soon(process, consumer, again)
            await again.wait_done((0, 2), (0, 3), (1, 2), (1, 3))
            nursery.cancel_scope.cancel()
    assert sorted(again.done) == [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert await committed(bootstrap, topic) == {0: 4, 1: 4}
    async with Admin(bootstrap) as admin:
        lags = await admin.group_lag(topic)
    assert {lag.records for lag in lags.values()} == {0}
    assert set(lags) == {TopicPartition(topic, 0), TopicPartition(topic, 1)}
