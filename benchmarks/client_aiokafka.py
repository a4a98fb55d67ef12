"""aiokafka as the measured client, in a process of its own: one task in, one JSON line out.

python -m benchmarks.client_aiokafka '{"task": "produce", "bootstrap": "127.0.0.1:9092", "topic": "t", ...}'
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition


async def produce(task: dict[str, Any]) -> dict[str, float]:
    """records_per_s of `records` constant values: acks=all, batches of up to 1,000,000 bytes, linger 5 ms."""
    value, topic, records = b"x" * task["value_bytes"], task["topic"], task["records"]
    settings = {"acks": "all", "max_batch_size": 1_000_000, "linger_ms": 5, "max_request_size": 10_000_000}
    async with AIOKafkaProducer(bootstrap_servers=task["bootstrap"], **settings) as producer:
        await producer.send_and_wait(topic, value, partition=0)
        began = time.perf_counter()
        for _ in range(records):
            await producer.send(topic, value, partition=0)
        await producer.flush()
        seconds = time.perf_counter() - began
    return {"records_per_s": records / seconds}


async def consume(task: dict[str, Any]) -> dict[str, float]:
    """records_per_s of `records` read from the beginning; the clock starts at the first record."""
    records, read = task["records"], 1
    async with AIOKafkaConsumer(bootstrap_servers=task["bootstrap"], auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(task["topic"], 0)])
        await consumer.getone()
        began = time.perf_counter()
        async for record in consumer:
            assert len(record.value) == task["value_bytes"]
            read += 1
            if read == records:
                break
        seconds = time.perf_counter() - began
    return {"records_per_s": (records - 1) / seconds}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run({"produce": produce, "consume": consume}[given["task"]](given))))
