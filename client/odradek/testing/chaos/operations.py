"""What an administrator does to a cluster that works: elections, moves, other settings, topics made anew."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from random import Random
from typing import Protocol

import trio

from odradek.admin import Admin
from odradek.consumer import Consumer
from odradek.errors import UnknownTopicOrPartition
from odradek.producer import Producer
from odradek.protocol.topic_partition import TopicPartition
from odradek.testing.chaos.history import REMAINS
from odradek.testing.cluster import Cluster

SMALL_SEGMENT_BYTES, USUAL_SEGMENT_BYTES = 1 << 20, 1 << 30
MADE_ANEW = "chaos-made-anew"
RECORDS = 50
OPERATION_S = 20.0
REQUEST_TIMEOUT_MS, DELIVERY_TIMEOUT_MS = 3_000, 20_000
_numbers = itertools.count()


class Asking(Protocol):
    """Who asks for an operation: it says on what, and keeps what was done."""

    cluster: Cluster
    random: Random

    @property
    def topic(self) -> str: ...

    def place(self) -> TopicPartition: ...

    def did(self, what: str, to: str) -> None: ...


async def elect_preferred(nemesis: Asking, hold_s: float) -> None:
    """Leadership goes back to the first replicas, all at once."""
    async with _admin(nemesis) as admin:
        nemesis.did("elect-preferred", nemesis.topic)
        await admin.elect_leaders()
    await trio.sleep(hold_s / 4)


async def reassign(nemesis: Asking, hold_s: float) -> None:
    """One partition's replicas in another order or on other brokers, and all of them back again."""
    place = nemesis.place()
    brokers = list(range(len(nemesis.cluster.brokers)))
    async with _admin(nemesis) as admin:
        replicas = (await admin.describe_topic(place.topic)).partitions[place.partition].replicas
        fewer = nemesis.random.sample(brokers, max(len(replicas) - nemesis.random.randint(0, 1), 1))
        nemesis.did("reassign", f"{place.topic}-{place.partition} to {fewer}")
        await admin.reassign({place: fewer})
        await trio.sleep(hold_s)
        await admin.reassign({place: nemesis.random.sample(brokers, len(replicas))})


async def min_insync(nemesis: Asking, hold_s: float) -> None:
    """min.insync.replicas down to 1 for a while, and as it was."""
    topic = nemesis.place().topic
    async with _admin(nemesis) as admin:
        nemesis.did("min-insync", topic)
        await admin.alter_configs(topic, set={"min.insync.replicas": "1"})
        await trio.sleep(hold_s)
        await admin.alter_configs(topic, delete=["min.insync.replicas"])


async def segments(nemesis: Asking, hold_s: float) -> None:
    """Segments so small that logs roll all the time."""
    topic = nemesis.place().topic
    async with _admin(nemesis) as admin:
        nemesis.did("segments", topic)
        await admin.alter_configs(topic, set={"segment.bytes": str(SMALL_SEGMENT_BYTES), "segment.ms": "500"})
        await trio.sleep(hold_s)
        await admin.alter_configs(topic, delete=["segment.bytes", "segment.ms"])


async def make_anew(nemesis: Asking, hold_s: float) -> None:
    """A topic is deleted and made under the same name: it begins at offset 0 and has nothing of the one before."""
    nemesis.did("make-anew", MADE_ANEW)
    async with _admin(nemesis) as admin:
        try:
            await admin.delete_topic(MADE_ANEW)
        except UnknownTopicOrPartition:
            pass
        await admin.create_topic(MADE_ANEW, 1)
    values = [b"%d-%d" % (next(_numbers), number) for number in range(RECORDS)]
    async with Producer(
        nemesis.cluster.bootstrap,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
        security=nemesis.cluster.security,
    ) as producer:
        deliveries = [await producer.send(MADE_ANEW, value, partition=0) for value in values]
        offsets = [(await delivery).offset for delivery in deliveries]
    found = await _read(nemesis, len(values))
    if offsets != list(range(RECORDS)) or found != list(enumerate(values)):
        nemesis.did(REMAINS, f"{MADE_ANEW}: {RECORDS} records went to {offsets[:3]}..., and {found[:3]}... are there")


async def _read(nemesis: Asking, count: int) -> list[tuple[int, bytes]]:
    """All that the topic has, once there are so many."""
    place = TopicPartition(MADE_ANEW, 0)
    found: list[tuple[int, bytes]] = []
    async with _reader(nemesis) as consumer:
        await consumer.assign([place])
        with trio.fail_after(OPERATION_S):
            while len(found) < count:
                found += [(record.offset, record.value or b"") for record in await consumer.poll(timeout_s=1)]
    return found


def _admin(nemesis: Asking) -> Admin:
    up = [broker.address for broker in nemesis.cluster.brokers if broker.pid is not None]
    return Admin(
        ",".join(up or [nemesis.cluster.bootstrap]),
        request_timeout_ms=int(OPERATION_S * 1000),
        security=nemesis.cluster.security,
    )


def _reader(nemesis: Asking) -> Consumer[bytes | None, bytes | None]:
    return Consumer(nemesis.cluster.bootstrap, start="earliest", security=nemesis.cluster.security)


OPERATIONS: dict[str, Callable[[Asking, float], Awaitable[None]]] = {
    "elect-preferred": elect_preferred,
    "reassign": reassign,
    "min-insync": min_insync,
    "segments": segments,
    "make-anew": make_anew,
}
