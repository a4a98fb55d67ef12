"""Typed topics, and records that cannot be processed: python examples/typed_topics.py [bootstrap]"""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial

import msgspec
import trio

from odradek import Admin, Consumer, DeadLetterTopic, Producer, Record, Topic, TopicAlreadyExists, process


class Flight(msgspec.Struct):
    origin: str
    destination: str
    departs: datetime
    delay_minutes: int = 0


flights = Topic("flights", key=str, value=Flight)  # Topic[str, Flight]


async def handle(record: Record[str, Flight]) -> None:
    flight = record.value
    if flight.delay_minutes < 0:
        raise ValueError("no flight is that early")
    print(f"{record.key}: {flight.origin} to {flight.destination}, {flight.delay_minutes} min late")


async def main(bootstrap: str = "localhost:9092") -> None:
    async with Admin(bootstrap) as admin:
        for name in (flights.name, f"{flights.name}.dead"):
            try:
                await admin.create_topic(name)
            except TopicAlreadyExists:
                pass
    async with Producer(bootstrap) as producer:
        departs = datetime(2013, 1, 1, 5, 15)
        await producer.send(flights, Flight("EWR", "IAH", departs, delay_minutes=2), key="UA1545")
        await producer.send(flights, Flight("LGA", "IAH", departs, delay_minutes=-90), key="UA1714")
        await producer.send(flights.name, b"this is no flight")
        await producer.flush()
        # Two attempts for each record; what fails goes to another topic, and the consumer moves on.
        give_up = DeadLetterTopic(producer, f"{flights.name}.dead")
        async with Consumer(bootstrap, flights, group="departures") as consumer:
            with trio.move_on_after(5):
                await process(consumer, handle, attempts=2, delay_ms=100, give_up=give_up)
    async with Consumer(bootstrap, f"{flights.name}.dead") as dead:
        for record in await dead.poll(timeout_s=5):
            print("given up:", record.value, dict(record.headers)["__dlq.errors.message"])


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
