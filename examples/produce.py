"""Produce records: python examples/produce.py [bootstrap] [topic]"""

from __future__ import annotations

import sys
from functools import partial

import trio

from odradek import Producer, Undelivered


async def main(bootstrap: str = "localhost:9092", topic: str = "orders") -> None:
    async with Producer(bootstrap, compression="zstd", linger_ms=5) as producer:
        # Many records: send and go on. Equal keys go to one partition, in order.
        for number in range(1000):
            await producer.send(topic, b"order %d" % number, key=b"customer %d" % (number % 10))

        # One record, and where it is now.
        delivered = await producer.send_and_wait(topic, b"an important one", headers={"source": b"example"})
        print(f"{delivered.topic}-{delivered.partition} at offset {delivered.offset}")

        # Wait for all of them; what could not be delivered is raised here, or at the end of the block.
        try:
            await producer.flush()
        except Undelivered as failure:
            print(failure)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
