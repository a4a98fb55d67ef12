"""Give up what cannot be processed, and send it through again once it can: python examples/dead_letters.py [bootstrap]

Orders are handled as they come; one that fails is tried again, while others go on, and in the end it goes to a topic of
dead letters. Then the fault is mended, and the dead letters are replayed.
"""

from __future__ import annotations

import sys
from functools import partial

import trio

from odradek import (
    Admin,
    Consumer,
    DeadLetterTopic,
    Producer,
    Record,
    SendAgain,
    Span,
    TopicAlreadyExists,
    TopicPartition,
    dead_letter,
    process,
    replay,
)


class Till:
    """Takes orders in pounds; in guineas only once somebody has taught it to."""

    def __init__(self) -> None:
        self.rates = {"pounds": 20}
        self.taken = 0

    async def __call__(self, order: Record[bytes | None, bytes | None]) -> None:
        amount, currency = (order.value or b"").decode().split()
        shillings = int(amount) * self.rates[currency]
        self.taken += 1
        print(f"{order.topic_partition} at {order.offset}: {shillings} shillings")


async def work_until(till: Till, count: int, bootstrap: str, orders: str) -> None:
    """Handle orders until so many are taken, or given up."""
    async with (
        Producer(bootstrap) as producer,
        Consumer(bootstrap, orders, group=f"{orders}-till") as consumer,
        trio.open_nursery() as nursery,
    ):
        bury = DeadLetterTopic(producer, f"{orders}.dead", group=f"{orders}-till")
        ended = trio.Event()

        async def give_up(order: Record[bytes | None, bytes | None], failure: Exception, attempts: int) -> None:
            await bury(order, failure, attempts)
            print(f"given up after {attempts} attempts: {order.value!r}")
            ended.set()

        async def handle(order: Record[bytes | None, bytes | None]) -> None:
            await till(order)
            if till.taken == count:
                ended.set()

        nursery.start_soon(partial(process, consumer, handle, delay_ms=50, give_up=give_up, order="key"))
        await ended.wait()
        nursery.cancel_scope.cancel()


async def main(bootstrap: str = "localhost:9092", orders: str = "till") -> None:
    async with Admin(bootstrap) as admin:
        for topic in (orders, f"{orders}.dead"):
            try:
                await admin.create_topic(topic, 1, 1)
            except TopicAlreadyExists:
                pass
    async with Producer(bootstrap) as producer:
        await producer.send_many(orders, [b"3 pounds", b"2 guineas", b"5 pounds"], key=None)
    till = Till()
    await work_until(till, 3, bootstrap, orders)
    till.rates["guineas"] = 21

    async def look(record: Record[bytes | None, bytes | None]) -> None:
        letter = dead_letter(record)
        assert letter is not None
        print(f"dead: {letter.partition} at {letter.offset}, {letter.exception}: {letter.message}")

    dead = {TopicPartition(f"{orders}.dead", 0): Span(0)}
    await replay(bootstrap, dead, look)
    async with Producer(bootstrap) as producer:
        await replay(bootstrap, dead, SendAgain(producer))
    await work_until(till, 3, bootstrap, orders)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
