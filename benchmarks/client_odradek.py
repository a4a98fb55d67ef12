"""Odradek's own client as the measured client, in a process of its own: one task in, one JSON line out.

python -m benchmarks.client_odradek '{"task": "produce", "bootstrap": "127.0.0.1:9092", "topic": "t", ...}'
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import trio

from odradek import Consumer, Producer


async def produce(task: dict[str, Any]) -> dict[str, float]:
    """records_per_s of `records` constant values: acks=all, batches of up to 1,000,000 bytes, linger 5 ms."""
    value, topic, records = b"x" * task["value_bytes"], task["topic"], task["records"]
    async with Producer(
        task["bootstrap"], acks="all", batch_size=1_000_000, max_request_size=10_000_000, linger_ms=5
    ) as producer:
        await producer.send_and_wait(topic, value=value, partition=0)
        began = time.perf_counter()
        for _ in range(records):
            await producer.send(topic, value=value, partition=0)
        await producer.flush()
        seconds = time.perf_counter() - began
    return {"records_per_s": records / seconds}


async def consume(task: dict[str, Any]) -> dict[str, float]:
    """records_per_s of `records` read from the beginning; the clock starts at the first record."""
    records, read, began = task["records"], 0, 0.0
    async with Consumer(task["bootstrap"], topics=[task["topic"]], start="earliest") as consumer:
        async for record in consumer:
            assert record.value is not None and len(record.value) == task["value_bytes"]
            read += 1
            if read == 1:
                began = time.perf_counter()
            elif read == records:
                break
    return {"records_per_s": (records - 1) / (time.perf_counter() - began)}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(trio.run({"produce": produce, "consume": consume}[given["task"]], given)))
