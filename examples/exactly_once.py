"""Copy a topic exactly once while brokers die: `python -m examples.exactly_once [RECORDS]`.

Three brokers run on this machine. A copier reads `source` and writes `target`, a transaction for each batch; sometimes
it dies in the middle of one, and another takes its place. Meanwhile the leader of `target` is killed and started again,
over and over. At the end `target` has every record once, in order.
"""

from __future__ import annotations

import random
import sys

import trio

from odradek import Consumer, OdradekError, Producer, exactly_once
from odradek.testing import Cluster

RECORDS = 2_000


class Died(Exception):
    """The copier has come to a sudden end."""


async def copy_for_a_while(bootstrap: str, count: int, dice: random.Random) -> bool:
    """Until all is copied, or the copier dies; whether all is."""
    async with (
        Consumer(bootstrap, "source", group="copier", commit="manual", isolation_level="read_committed") as consumer,
        Producer(bootstrap, transactional_id="copier", linger_ms=0) as producer,
        exactly_once(consumer, producer, max_records=100) as batches,
    ):
        async for batch in batches:
            for record in batch:
                await producer.send("target", record.value)
                if dice.random() < 0.0005:
                    raise Died
            if batch[-1].offset == count - 1:
                return True
    return False


async def kill_leaders(cluster: Cluster) -> None:
    while True:
        leader = await cluster.leader_of("target", 0)
        leader.kill()
        await trio.sleep(0.5)
        await leader.start()
        await cluster.wait_in_sync("target")


async def main(count: int) -> None:
    dice = random.Random(0)
    async with Cluster(brokers=3) as cluster, trio.open_nursery() as nursery:
        async with Producer(cluster.bootstrap) as producer:
            await producer.send_many("source", (b"%d" % number for number in range(count)))
            await producer.partitions("target")
        nursery.start_soon(kill_leaders, cluster)
        deaths = 0
        while True:
            try:
                if await copy_for_a_while(cluster.bootstrap, count, dice):
                    break
            except (Died, OdradekError) as error:
                deaths += 1
                print(f"the copier has died: {error or type(error).__name__}")
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            for broker in cluster.brokers:
                if broker.pid is None:
                    await broker.start()
            async with Consumer(cluster.bootstrap, "target", isolation_level="read_committed") as consumer:
                copied = [(await anext(consumer)).value for _ in range(count)]
                assert await consumer.poll(timeout_s=1) == []
    assert copied == [b"%d" % number for number in range(count)]
    print(f"{count} records, each once and in order, though the copier died {deaths} times")


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if sys.argv[1:] else RECORDS)
