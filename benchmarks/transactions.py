"""Transactional ids: how fast new ones are given out, and how long a start takes that finds very many of them.

    python -m benchmarks.run transactions

A take-over is measured as a restart of the only broker: how much later than with a thousand ids its coordinators tell
of all of them, and how much more memory the process holds then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import trio

from benchmarks.contenders import FSYNC, KAFKA, PAGE_CACHE, Contender
from benchmarks.measurement import Measurement
from benchmarks.scale import Scale
from benchmarks.startup import memory_mib
from odradek import Admin, BrokerError
from odradek.cluster.coordinator import TRANSACTION, Coordinator
from odradek.errors import CoordinatorUnavailable
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from referee import BrokerProcess

FEW, AT_ONCE = 1_000, 100
MANY = 100_000
LATEST_VERSION = 5
TIMEOUT_MS = 60_000


def measure(contenders: list[Contender], scale: Scale) -> Iterator[Measurement]:
    """Starts and stops the brokers itself; they must not be running."""
    even = {PAGE_CACHE: 1.0, FSYNC: 1.0}
    given = Measurement(f"{FEW:,} new transactional ids", "s", False, KAFKA, even)
    taken = Measurement(f"take-over of {MANY:,} transactional ids", "s", False, KAFKA, even)
    held = Measurement(f"memory for {MANY:,} transactional ids", "MiB", False, KAFKA, even)
    for contender in contenders:
        broker = contender.broker
        with broker:
            trio.run(give_out, broker, "warm", FEW)
            broker.stop()
            bare_s = seconds_to_know(broker, FEW)
            before_mib = memory_mib(broker.pid)
            for number in range(scale.rounds):
                given.add(contender.name, trio.run(give_out, broker, f"few-{number}", FEW))
            known = FEW * (1 + scale.rounds)
            trio.run(give_out, broker, "many", MANY - known)
            broker.stop()
            for _ in range(scale.rounds):
                taken.add(contender.name, seconds_to_know(broker, MANY) - bare_s)
                held.add(contender.name, memory_mib(broker.pid) - before_mib)
                broker.stop()
    yield given
    yield taken
    yield held


async def give_out(broker: BrokerProcess, name: str, count: int) -> float:
    """Seconds for so many ids, AT_ONCE at a time."""
    left = iter(range(count))

    async def some(admin: Admin) -> None:
        for number in left:
            transactional_id = f"{name}-{number}"
            await Coordinator(admin._cluster, TRANSACTION, transactional_id).ask_until_final(
                InitProducerIdRequest(transactional_id, TIMEOUT_MS, -1, -1),
                InitProducerIdResponse,
                lambda answer: answer.error_code,
                at_most=LATEST_VERSION,
            )

    async with Admin(broker.bootstrap) as admin:
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(some, admin)
        return time.perf_counter() - began


def seconds_to_know(broker: BrokerProcess, count: int) -> float:
    """From its start until its coordinators tell of so many ids. It runs afterwards."""
    began = time.perf_counter()
    broker.start()
    trio.run(wait_known, broker, count)
    return time.perf_counter() - began


async def wait_known(broker: BrokerProcess, count: int) -> None:
    async with Admin(broker.bootstrap, request_timeout_ms=120_000) as admin:
        while True:
            try:
                if len(await admin.list_transactions()) >= count:
                    return
            except CoordinatorUnavailable:
                pass
            except BrokerError as error:
                if not error.retriable:
                    raise
            await trio.sleep(0.02)
