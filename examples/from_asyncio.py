"""Use the client inside of an asyncio program: python examples/from_asyncio.py [bootstrap] [topic]

Trio runs as a guest of the asyncio loop, in the same thread; docs/asyncio.md says how.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

from odradek import Consumer, Producer
from odradek.guest import TrioGuest


async def send_all(producer: Producer, topic: str, values: Iterable[bytes]) -> None:
    """A Trio function: many records, for the price of one call."""
    for value in values:
        await producer.send(topic, value)
    await producer.flush()


async def read_for_ever(guest: TrioGuest, bootstrap: str, topic: str, queue: asyncio.Queue[bytes | None]) -> None:
    async with guest.scope(Consumer(bootstrap, topic)) as consumer:
        async for record in guest.records(consumer):
            await queue.put(record.value)


async def main(bootstrap: str = "localhost:9092", topic: str = "orders-from-asyncio") -> None:
    async with TrioGuest() as guest:
        async with guest.scope(Producer(bootstrap)) as producer:
            delivered = await guest.run(producer.send_and_wait, topic, b"one")
            print("one is at offset", delivered.offset)
            await guest.run(send_all, producer, topic, [b"two", b"three"])

        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        reading = asyncio.create_task(read_for_ever(guest, bootstrap, topic, queue))
        for _ in range(3):
            print(await queue.get())
        # Cancelling works across the border: the consumer has left its scope before `wait` returns.
        reading.cancel()
        await asyncio.wait([reading])
        print("cancelled:", reading.cancelled())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
