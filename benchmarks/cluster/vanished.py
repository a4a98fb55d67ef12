"""The leader's host vanishes without a word, under a steady idempotent producer: how long nothing is acknowledged.

    python -m benchmarks.cluster.vanished [TIMES] [--watch SECONDS]

One partition, three replicas, settings as they are by default. The hosts are network namespaces (machines.py), so this
needs root. Odradek's own producer sends 500 records a second, one request after the other as they come; the leader's
host is cut off, and the gap is the longest time between two acknowledgements from there on. Then it comes back, and is
in sync before the next time. At the end everything acknowledged has to be there, once.

With `--watch` nothing vanishes: for so long it is counted how many leaders change, and how often a broker has led
nothing for a moment as no controller answered it.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import trio

from benchmarks.cluster.machines import Machines
from odradek import Admin, Consumer, Producer, TopicPartition

TOPIC = "vanished"
RECORDS_PER_SECOND = 500
STEADY_SECONDS = 12.0
"""Between two times: a controller that has a broker anew gives it a whole session first, as to anybody."""
GONE_SECONDS = 4.0


class Writer:
    """What it has sent, and when that was acknowledged."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.acknowledged: list[tuple[float, int]] = []
        self.sent = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; what was sent by then is still waited for."""
        async with trio.open_nursery() as answers:
            task_status.started()
            began = trio.current_time()
            try:
                while True:
                    await trio.sleep_until(began + self.sent / RECORDS_PER_SECOND)
                    delivery = await self._producer.send(TOPIC, b"%d" % self.sent, partition=0)
                    answers.start_soon(self._note, self.sent, delivery)
                    self.sent += 1
            except trio.Cancelled:
                answers.cancel_scope.shield = True
                raise

    async def _note(self, number: int, delivery: object) -> None:
        await delivery  # type: ignore[misc]
        self.acknowledged.append((trio.current_time(), number))

    def longest_gap_s(self, since: float) -> float:
        times = [when for when, _ in self.acknowledged]
        return max((later - sooner for sooner, later in pairwise(times) if later > since), default=math.inf)


async def judge(bootstrap: str, writer: Writer) -> None:
    """Raises RuntimeError where an acknowledged record is lost, or any is there twice."""
    partition = TopicPartition(TOPIC, 0)
    stored: list[int] = []
    async with Consumer(bootstrap, start="earliest") as consumer:
        await consumer.assign([partition])
        end = (await consumer.end_offsets(partition))[partition]
        while (consumer.position(partition) or 0) < end:
            stored += [int(record.value or b"-1") for record in await consumer.poll(timeout_s=1)]
    lost = {number for _, number in writer.acknowledged} - set(stored)
    if lost or len(stored) != len(set(stored)):
        raise RuntimeError(f"{len(lost)} records are lost, {len(stored) - len(set(stored))} are there twice")


async def leader_and_epoch(admin: Admin) -> tuple[int, int]:
    described = (await admin.describe_topic(TOPIC)).partitions[0]
    return described.leader, described.leader_epoch


async def gaps(machines: Machines, admin: Admin, writer: Writer, times: int) -> None:
    found = []
    for _ in range(times):
        await trio.sleep(STEADY_SECONDS)
        leader, _ = await leader_and_epoch(admin)
        at = trio.current_time()
        machines.brokers[leader].vanish()
        await trio.sleep(GONE_SECONDS)
        found.append(writer.longest_gap_s(at))
        print(f"broker {leader} is gone: {found[-1] * 1000:.0f} ms", flush=True)
        machines.brokers[leader].come_back()
        while len((await admin.describe_topic(TOPIC)).partitions[0].isr) < len(machines.brokers):  # noqa: ASYNC110
            await trio.sleep(0.2)  # nobody tells
    print(f"gap of {times}: median {median(found) * 1000:.0f} ms, worst {max(found) * 1000:.0f} ms")


async def watch(machines: Machines, admin: Admin, writer: Writer, seconds: float) -> None:
    _, first = await leader_and_epoch(admin)
    began = trio.current_time()
    await trio.sleep(seconds)
    _, last = await leader_and_epoch(admin)
    lapses = [(each.directory / "server.log").read_text().count("leads nothing until") for each in machines.brokers]
    gap_ms = writer.longest_gap_s(began) * 1000
    print(f"{seconds:.0f} s: {last - first} elections, {sum(lapses)} lapses, longest gap {gap_ms:.0f} ms")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("times", type=int, nargs="?", default=10)
    parser.add_argument("--watch", type=float)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="odradek-vanished-") as directory:
        async with Machines(Path(directory)) as machines, Admin(machines.bootstrap) as admin:
            await admin.create_topic(TOPIC, 1, 3)
            async with Producer(machines.bootstrap, linger_ms=1) as producer, trio.open_nursery() as nursery:
                writer = Writer(producer)
                await nursery.start(writer.run)
                work = partial(watch, seconds=options.watch) if options.watch else partial(gaps, times=options.times)
                await work(machines, admin, writer)
                nursery.cancel_scope.cancel()
            await judge(machines.bootstrap, writer)


if __name__ == "__main__":
    trio.run(main)
