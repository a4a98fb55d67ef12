"""Consume records as a member of a group: python examples/consume.py [bootstrap] [topic] [group]

Start it twice: the partitions are shared. Stop it with Ctrl-C: nothing that was not finished is committed.
"""

from __future__ import annotations

import sys
from functools import partial

import trio

from odradek import Consumer, TopicPartition


async def assigned(partitions: list[TopicPartition]) -> None:
    print("assigned:", ", ".join(map(str, partitions)))


async def revoked(partitions: list[TopicPartition]) -> None:
    print("revoked:", ", ".join(map(str, partitions)))


async def report(consumer: Consumer[bytes | None, bytes | None]) -> None:
    """Every ten seconds, how far behind we are and what is being waited for."""
    while True:
        await trio.sleep(10)
        health = consumer.health()
        print("lag:", health.lag, *map(str, health.waiting), sep="\n  ")


async def main(bootstrap: str = "localhost:9092", topic: str = "orders", group: str = "billing") -> None:
    async with (
        Consumer(bootstrap, [topic], group=group, on_assign=assigned, on_revoke=revoked) as consumer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(report, consumer)
        async for record in consumer:
            # The record is finished, and may be committed, when the loop asks for the next one.
            print(f"{record.topic_partition} {record.offset}: {record.key!r} {record.value!r}")


if __name__ == "__main__":
    try:
        trio.run(partial(main, *sys.argv[1:]))
    except* KeyboardInterrupt:
        pass
