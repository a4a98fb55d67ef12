"""`odradek bench`: how fast a broker takes and gives records, by this library's own client."""

from __future__ import annotations

import time
from typing import Annotated, Any

import trio

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek_cli.command import Option
from odradek_cli.display import Progress, show
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for

STEP = 1000


def bench(
    records: Annotated[int, Option("--records", "-n", min=1, help="How many.")] = 200_000,
    size: Annotated[int, Option(min=1, help="Bytes of a record's value.")] = 1000,
    partitions: Annotated[int, Option("--partitions", "-p", min=1, help="Of the topic that is made.")] = 1,
    topic: Annotated[
        str | None, Option(completes="topic", help="A topic to use and keep; else one of its own, deleted after.")
    ] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Produce so many records with acks=all, consume them, and say how long it took."""
    progress = Progress()
    name = topic or f"odradek-bench-{time.time_ns()}"

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            if topic is None:
                await admin.create_topic(name, partitions)
            try:
                before = sum((await admin.end_offsets(await _partitions(admin, name))).values())
                produced = await _produce(bootstrap, name, records, bytes(size), progress)
                consumed = await _consume(bootstrap, await _partitions(admin, name), before + records, progress)
            finally:
                progress.clear()
                if topic is None:
                    with trio.CancelScope(shield=True), trio.move_on_after(5):
                        await admin.delete_topic(name)
        rows: list[dict[str, Any]] = [
            _row("produce", records, size, produced),
            _row("consume", before + records, size, consumed),
        ]
        show(["what", "records", "seconds", "records_per_second", "mb_per_second"], rows, as_json=as_json)

    run(work, bootstrap)


async def _partitions(admin: Admin, topic: str) -> list[TopicPartition]:
    described = await admin.describe_topic(topic)
    return [TopicPartition(topic, each.index) for each in described.partitions]


async def _produce(bootstrap: str, topic: str, records: int, value: bytes, progress: Progress) -> float:
    started = time.perf_counter()
    async with Producer(bootstrap, security=security_for(bootstrap)) as producer:
        for number in range(records):
            await producer.send(topic, value)
            if number % STEP == 0:
                progress.show(f"produce {number:,} of {records:,}")
        await producer.flush()
    return time.perf_counter() - started


async def _consume(bootstrap: str, partitions: list[TopicPartition], records: int, progress: Progress) -> float:
    started = time.perf_counter()
    taken = 0
    async with Consumer(bootstrap, security=security_for(bootstrap), start="earliest") as consumer:
        await consumer.assign(partitions)
        while taken < records:
            taken += len(await consumer.poll(timeout_s=1))
            progress.show(f"consume {taken:,} of {records:,}")
    return time.perf_counter() - started


def _row(what: str, records: int, size: int, seconds: float) -> dict[str, Any]:
    return {
        "what": what,
        "records": records,
        "seconds": round(seconds, 3),
        "records_per_second": round(records / seconds),
        "mb_per_second": round(records * size / seconds / 1e6, 1),
    }
