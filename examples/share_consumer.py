"""Deal with jobs together with others: python examples/share_consumer.py [bootstrap] [topic] [group]

Three workers share one partition, job by job. One job fails at first and comes again, to whoever is free; one is
hopeless and is rejected; one takes long and is renewed. It ends when twenty jobs are dealt with.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import count

import trio

from odradek import Admin, Producer, ResourceType, ShareConsumer

ENOUGH = 20


async def work(name: str, bootstrap: str, topic: str, group: str, done: trio.MemorySendChannel[None]) -> None:
    async with ShareConsumer(bootstrap, topic, group=group, acknowledge="explicit", max_poll_records=2) as consumer:
        async for shared in consumer:
            job = (shared.record.value or b"").decode()
            if job.endswith("7"):
                print(f"{name} rejects {job}: nobody can do it")
                shared.reject()
                continue
            if job.endswith("3") and shared.delivery_count == 1:
                print(f"{name} releases {job}: not now")
                shared.release()
                continue
            async with shared:  # accepted where the block ends normally, released where it does not
                if job.endswith("5"):
                    await shared.renew()
                await trio.sleep(0.01)
                print(f"{name} has done {job}, at attempt {shared.delivery_count}")
            await done.send(None)


async def order_jobs(bootstrap: str, topic: str) -> None:
    """For ever."""
    async with Producer(bootstrap) as producer:
        for number in count():
            await producer.send(topic, b"job %d" % number)
            await trio.sleep(0.05)


async def main(bootstrap: str = "localhost:9092", topic: str = "jobs", group: str = "workers") -> None:
    async with Admin(bootstrap) as admin:
        if topic not in await admin.list_topics():
            await admin.create_topic(topic, partitions=1)
        await admin.alter_configs(group, ResourceType.GROUP, set={"share.auto.offset.reset": "earliest"})
    done, dealt_with = trio.open_memory_channel[None](ENOUGH)
    async with trio.open_nursery() as nursery:
        for name in ("Ann", "Bob", "Cid"):
            nursery.start_soon(work, name, bootstrap, topic, group, done)
        nursery.start_soon(order_jobs, bootstrap, topic)
        for _ in range(ENOUGH):
            await dealt_with.receive()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    try:
        trio.run(partial(main, *sys.argv[1:]))
    except* KeyboardInterrupt:
        pass
