"""The way of the flights: into the brokers, out again by two members of a group, and compared to the last record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import trio

from examples.flights.source import Flight
from odradek import Admin, Consumer, Delivery, Producer, Record, Topic, TopicPartition

PARTITIONS = 6
GROUP = "flight-readers"
POLL_RECORDS = 5_000
HALF_WAY = 168_388
VICTIM = 0
"""The partition whose leader a fault is about."""

FlightTopic = Topic[str | None, Flight]
FlightRecord = Record[str | None, Flight]


@dataclass
class Received:
    """What one member of the group was handed out, in that order."""

    partitions: list[int]
    records: list[FlightRecord]


async def create(bootstrap: str, topic: FlightTopic) -> None:
    async with Admin(bootstrap) as admin:
        await admin.create_topic(topic.name, partitions=PARTITIONS)


async def produce(
    bootstrap: str, topic: FlightTopic, flights: Iterable[Flight], fault: Callable[[], Awaitable[None]] | None = None
) -> float | None:
    """Return when all are acknowledged. With a `fault` to happen half-way: how long the next record of VICTIM took."""
    gap_s: float | None = None

    async def time(delivery: Delivery, since: float) -> None:
        nonlocal gap_s
        await delivery
        gap_s = trio.current_time() - since

    async with trio.open_nursery() as nursery, Producer(bootstrap, compression="zstd", linger_ms=20) as producer:
        happened: float | None = None
        for number, flight in enumerate(flights):
            if number == HALF_WAY and fault is not None:
                await fault()
                happened = trio.current_time()
            delivery = await producer.send(topic, flight, key=flight.tailnum)
            if happened is not None and delivery.partition == VICTIM:
                nursery.start_soon(time, delivery, happened)
                happened = None
    return gap_s


async def consume(
    bootstrap: str, topic: FlightTopic, count: int, received: Callable[[int], object] = lambda _: None
) -> list[Received]:
    """Let two members of one group share `count` records; `received` is called with the size of each batch."""
    joined = [trio.Event(), trio.Event()]
    done = trio.Event()
    members: list[Received] = []

    async def read(consumer: Consumer[str | None, Flight], member: Received) -> None:
        while not done.is_set():
            records = await consumer.poll(POLL_RECORDS, timeout_s=0.2)
            member.records += records
            received(len(records))
            if sum(len(each.records) for each in members) >= count:
                done.set()
        member.partitions = sorted(partition.partition for partition in consumer.assignment)

    def tell(event: trio.Event) -> Callable[[list[TopicPartition]], Awaitable[None]]:
        async def assigned(partitions: list[TopicPartition]) -> None:
            if partitions:
                event.set()

        return assigned

    async with (
        Consumer(bootstrap, topic, group=GROUP, on_assign=tell(joined[0])) as one,
        Consumer(bootstrap, topic, group=GROUP, on_assign=tell(joined[1])) as other,
    ):
        for event in joined:
            await event.wait()
        async with trio.open_nursery() as nursery:
            for consumer in (one, other):
                members.append(Received([], []))
                nursery.start_soon(read, consumer, members[-1])
    return members


def differences(flights: list[Flight], members: list[Received]) -> list[str]:
    """What is wrong with what arrived; nothing, where every flight came once and those of each aircraft in order."""
    found: list[str] = []
    records = [record for member in members for record in member.records]
    if len(records) != len(flights):
        found.append(f"{len(flights)} flights were sent, {len(records)} arrived")
    for member in members:
        if not member.records:
            found.append("a member of the group was handed out nothing")
    wrong_keys = sum(record.key != record.value.tailnum for record in records)
    if wrong_keys:
        found.append(f"{wrong_keys} records have another key than their flight's tail number")
    expected, arrived = by_aircraft(flights), by_aircraft(record.value for record in records)
    for tail in sorted({*expected, *arrived} - {None}, key=str):
        if expected.get(tail) != arrived.get(tail):
            found.append(f"the flights of {tail} are not the same, or not in the same order")
    if sorted(map(repr, expected.get(None, ()))) != sorted(map(repr, arrived.get(None, ()))):
        found.append("the flights without a tail number are not the same")
    return found


def by_aircraft(flights: Iterable[Flight]) -> dict[str | None, list[Flight]]:
    """The flights of each tail number in the order given; those without one under None."""
    aircraft: dict[str | None, list[Flight]] = defaultdict(list)
    for flight in flights:
        aircraft[flight.tailnum].append(flight)
    return aircraft


async def committed_lag(bootstrap: str) -> int:
    """How many records the group has not finished yet."""
    async with Admin(bootstrap) as admin:
        return sum(lag.records for lag in (await admin.group_lag(GROUP)).values())


async def tail(bootstrap: str, topic: FlightTopic, count: int) -> list[FlightRecord]:
    """The newest `count` records of all partitions, by time."""
    partitions = [TopicPartition(topic.name, index) for index in range(PARTITIONS)]
    async with Admin(bootstrap) as admin:
        ends = await admin.end_offsets(partitions)
        begins = await admin.beginning_offsets(partitions)
    starts = {each: max(begins[each], ends[each] - count) for each in partitions}
    outstanding = sum(ends[each] - starts[each] for each in partitions)
    records: list[FlightRecord] = []
    async with Consumer(bootstrap) as consumer:
        await consumer.assign(partitions)
        for partition, start in starts.items():
            consumer.seek(partition, start)
        while len(records) < outstanding:
            records += map(topic.decode, await consumer.poll())
    return sorted(records, key=lambda record: (record.timestamp, record.partition, record.offset))[-count:]
