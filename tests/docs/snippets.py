"""The examples that stand in the prose, and what is put around those which are no programs by themselves.

A snippet is named by its file and by its number among the file's blocks of Python, from 0. A frame has SNIPPET on the
line where the block belongs: the block is put there as it stands, as far to the right as the word.
"""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ["README.md", *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))]

_block = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_names = re.compile(r'"(orders|invoices|billing|careful)')
_place = re.compile(r"^( *)SNIPPET$", re.MULTILINE)

HEAD = """
import ssl
import msgspec
import trio
from odradek import *

bootstrap = "localhost:9092"

"""

FRAMES = {
    "docs/client.md 1": """
async def main():
    async with Producer(bootstrap) as producer:
        SNIPPET
        print(delivered.topic)

trio.run(main)
""",
    "docs/client.md 2": """
def invoice(record):
    return b"invoice for " + record.value

async def bill():
    SNIPPET

async def main():
    async with Producer(bootstrap) as producer, Admin(bootstrap) as admin, trio.open_nursery() as nursery:
        await admin.create_topic("invoices")
        await producer.send_and_wait("orders", b"an order")
        nursery.start_soon(bill)
        async with Consumer(bootstrap, "invoices", isolation_level="read_committed") as consumer:
            print((await anext(consumer)).value)
        nursery.cancel_scope.cancel()

trio.run(main)
""",
    "docs/client.md 3": """
async def main():
    async with Producer(bootstrap) as producer:
        await producer.send_and_wait("orders", b"the first")

    class Consumer(odradek.Consumer):
        async def assign(self, partitions):
            await self.__aenter__()
            await super().assign(partitions)
            print((await anext(self)).offset)
            await self.__aexit__(None, None, None)

    SNIPPET

import odradek
trio.run(main)
""",
    "docs/client.md 4": """
async def handle(record):
    raise ValueError("no")

async def main():
    async with Producer(bootstrap) as producer, trio.open_nursery() as nursery:
        await producer.send_and_wait("orders", b"a bad one")
        consumer = await nursery.start(entered, Consumer(bootstrap, "orders", group="careful"))

        @nursery.start_soon
        async def working():
            SNIPPET

        async with Consumer(bootstrap, "orders.dead") as dead:
            print((await anext(dead)).value)
        nursery.cancel_scope.cancel()

async def entered(manager, task_status):
    async with manager as value:
        task_status.started(value)
        await trio.sleep_forever()

trio.run(main)
""",
    "docs/client.md 5": """
async def handle(record):
    print("again:", record.value)

async def main():
    async with Producer(bootstrap) as producer, Admin(bootstrap) as admin:
        await producer.send_and_wait("orders", b"a good one")
        (order,) = await one_of("orders")
        await DeadLetterTopic(producer, "orders.dead")(order, ValueError("no"), 1)
        SNIPPET
        await producer.flush()
        print("once more:", (await one_of("orders"))[-1].value)

async def one_of(topic):
    found = []

    async def keep(record):
        found.append(record)

    await replay(bootstrap, {TopicPartition(topic, 0): Span(0)}, keep)
    return found

trio.run(main)
""",
    "docs/client.md 6": """
async def main():
    async with Producer(bootstrap) as producer:
        with trio.move_on_after(20):
            SNIPPET
                    print(record.key, record.value.origin)
                    break

trio.run(main)
""",
    "docs/client.md 7": """
async def main():
    consumer = Consumer("localhost:1", "orders")
    with trio.move_on_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(consumer.__aenter__)
            while not consumer.health().waiting:
                await trio.sleep(0.01)
            SNIPPET
            nursery.cancel_scope.cancel()

trio.run(main)
""",
    "docs/client.md 8": """
SNIPPET
print("secured")
""",
    "docs/client.md 9": """
async def main():
    async with Producer(bootstrap) as producer:
        await producer.send_and_wait("orders", b"sound")
    async with Consumer(bootstrap, "orders") as consumer:
        SNIPPET
        print(record.offset)

trio.run(main)
""",
    "docs/client.md 10": """
async def handle(record):
    print("handled", record.value)

async def bill():
    SNIPPET

async def main():
    async with Producer(bootstrap) as producer, Admin(bootstrap) as admin, trio.open_nursery() as nursery:
        await admin.create_topic("orders")
        nursery.start_soon(bill)
        while True:
            await producer.send("orders", b"an order")
            await trio.sleep(0.1)

trio.run(main)
""",
    "docs/sync.md 1": """
from odradek.sync import Consumer, Producer
with Producer(bootstrap) as producer:
    producer.send_and_wait("orders", b"one")
SNIPPET
""",
    "docs/asyncio.md 1": """
from odradek.guest import TrioGuest
import asyncio

async def main():
    values = [b"1", b"2"]
    async with TrioGuest() as guest, guest.scope(Producer(bootstrap)) as producer:
        SNIPPET
        print("sent")

asyncio.run(main())
""",
}


@cache
def snippets() -> dict[str, str]:
    """Every block of Python, as it stands."""
    return {
        f"{file} {number}": block
        for file in FILES
        for number, block in enumerate(_block.findall((ROOT / file).read_text("utf-8")))
    }


def program(name: str, bootstrap: str) -> str:
    """What to run, with a broker at `bootstrap` in place of the one that the prose names.

    Topics and groups get names of their own, so that programs share a broker and nothing else.
    """
    block = snippets()[name]
    if name in FRAMES:
        code = _without_prompts(block)
        framed = _place.sub(lambda place: textwrap.indent(code, place[1]).rstrip(), FRAMES[name])
        block = HEAD + framed
    own = name.replace(" ", "-").replace("/", "-")
    return _names.sub(rf'"{own}-\1', block).replace("localhost:9092", bootstrap)


def _without_prompts(block: str) -> str:
    """Of a session at a prompt, what somebody has typed."""
    if not block.startswith(">>> "):
        return block
    return "".join(line[4:] + "\n" for line in block.splitlines() if line.startswith(">>> "))
