"""Transactions of whole brokers in virtual time, while brokers are killed, lose their power, and stand still.

Two programs of our own client: transfers, which write one value to two topics, and a copy, which reads one topic,
writes another and commits its offsets with it. What clients were told is held against what is there at the end: nothing
is torn, nothing that was aborted is visible, nothing that was committed is missing, nothing is there twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from world import World

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek.errors import OdradekError
from odradek_broker.transactions.states import TransactionState

PARTITIONS = 2
TRANSFERS = 15
RECORDS = 30
HOP_S = 0.1
"""Messages are slow, so that faults fall between a decision and its markers."""
PATIENCE_S = 300.0
SETTINGS: dict[str, Any] = {"transaction_state_log_num_partitions": "2", "group_initial_rebalance_delay_ms": "0"}


class ChangeOfMind(Exception):
    """A transfer is given up by its program."""


def play(seed: int, scenario: Callable[[World, Random], Awaitable[None]]) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed, longest_hop_s=HOP_S, **SETTINGS)
            await world.start()
            with trio.fail_after(2 * PATIENCE_S):
                await scenario(world, Random(f"transactions {seed}"))
            assert world.violation is None, world.violation
            nursery.cancel_scope.cancel()
        assert world.violation is None, world.violation

    run_in_virtual_time(seed, run)


async def make_topics(world: World, *names: str) -> None:
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        for name in names:
            await admin.create_topic(name, PARTITIONS, 3)


async def trouble(world: World, random: Random) -> None:
    """One broker after another fails, and comes back."""
    while True:
        await trio.sleep(random.uniform(0.2, 2))
        node = random.choice([broker for broker in world.brokers if broker.is_up])
        kind = random.choice(("kill", "power", "pause", "cut"))
        if kind == "pause":
            node.pause()
            await trio.sleep(random.uniform(0.2, 4))
            node.resume()
        elif kind == "cut":
            other = random.choice([broker for broker in world.brokers if broker is not node])
            world.network.cut(node.name, other.name)
            await trio.sleep(random.uniform(0.2, 4))
            world.network.heal()
        else:
            node.kill(power=kind == "power")
            await trio.sleep(random.uniform(0.2, 2))
        await world.start()


def producer_of(world: World, transactional_id: str) -> Producer:
    return Producer(
        world.bootstrap,
        transactional_id=transactional_id,
        request_timeout_ms=2_000,
        delivery_timeout_ms=20_000,
        surroundings=world.client(),
    )


async def committed_values(world: World, topic: str) -> list[str]:
    """All that is there for who reads committed; fails where a transaction never ends."""
    places = [TopicPartition(topic, index) for index in range(PARTITIONS)]
    found: list[str] = []
    async with Consumer(
        world.bootstrap, start="earliest", isolation_level="read_committed", surroundings=world.client()
    ) as consumer:
        await consumer.assign(places)
        with trio.fail_after(PATIENCE_S):
            ends = await high_watermarks(world, topic)
            while any((consumer.position(place) or 0) < ends[place] for place in places):
                found += [(record.value or b"").decode() for record in await consumer.poll(timeout_s=1)]
    return found


async def high_watermarks(world: World, topic: str) -> dict[TopicPartition, int]:
    places = [TopicPartition(topic, index) for index in range(PARTITIONS)]
    async with Consumer(world.bootstrap, surroundings=world.client()) as consumer:
        await consumer.assign(places)
        return await consumer.end_offsets(*places)


async def end_what_is_open(world: World, *transactional_ids: str) -> None:
    """A new producer of an id aborts what the last one has left."""
    for transactional_id in transactional_ids:
        async with producer_of(world, transactional_id):
            pass


# ---------------------------------------------------------------------------------------------------------- transfers


class Transfers:
    """One program, and what it was told."""

    def __init__(self, world: World, name: str, random: Random) -> None:
        self.name = name
        self.committed: list[str] = []
        self.aborted: list[str] = []
        self.unknown: list[str] = []
        self._world = world
        self._random = random

    async def run(self) -> None:
        number = 0
        while number < TRANSFERS:
            try:
                async with producer_of(self._world, self.name) as producer:
                    while number < TRANSFERS:
                        number += 1
                        await self._transfer(producer, f"{self.name}-{number}")
                        await trio.sleep(self._random.uniform(0, 0.2))
            except OdradekError:
                continue

    async def _transfer(self, producer: Producer, value: str) -> None:
        gives_up = self._random.random() < 0.3
        self.unknown.append(value)
        try:
            async with producer.transaction():
                for topic in ("debit", "credit"):
                    partition = self._random.randrange(PARTITIONS)
                    await producer.send(topic, value.encode(), partition=partition)
                if self._random.random() < 0.5:
                    await producer.flush()
                if gives_up:
                    raise ChangeOfMind
        except ChangeOfMind:
            self._move(value, self.aborted)
        else:
            self._move(value, self.committed)

    def _move(self, value: str, to: list[str]) -> None:
        self.unknown.remove(value)
        to.append(value)


async def watch(world: World, seen: set[str]) -> None:
    """Read what is committed while it is being written."""
    places = [TopicPartition(topic, index) for topic in ("debit", "credit") for index in range(PARTITIONS)]
    while True:
        try:
            async with Consumer(
                world.bootstrap, start="earliest", isolation_level="read_committed", surroundings=world.client()
            ) as consumer:
                await consumer.assign(places)
                while True:
                    seen.update((record.value or b"").decode() for record in await consumer.poll(timeout_s=0.1))
        except OdradekError:
            await trio.sleep(0.1)


@pytest.mark.parametrize("seed", range(4))
def test_transfers_are_whole_or_not_at_all(seed: int) -> None:
    async def scenario(world: World, random: Random) -> None:
        await make_topics(world, "debit", "credit")
        programs = [Transfers(world, name, random) for name in ("anna", "bert")]
        seen: set[str] = set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trouble, world, random)
            nursery.start_soon(watch, world, seen)
            with trio.fail_after(PATIENCE_S):
                async with trio.open_nursery() as at_work:
                    for program in programs:
                        at_work.start_soon(program.run)
            nursery.cancel_scope.cancel()
        world.network.heal()
        for node in world.brokers:
            node.resume()
        await world.start()
        await end_what_is_open(world, "anna", "bert")
        debit, credit = [Counter(await committed_values(world, topic)) for topic in ("debit", "credit")]
        assert debit == credit, f"torn: {debit - credit} {credit - debit}"
        assert set(debit.values()) <= {1}, "twice"
        assert seen <= set(debit), f"read, and then aborted: {seen - set(debit)}"
        for program in programs:
            assert set(program.committed) <= set(debit), "a transfer that was committed is missing"
            assert not set(program.aborted) & set(debit), "a transfer that was aborted is visible"
        assert sum(len(program.committed) for program in programs) > 0

    play(seed, scenario)


# --------------------------------------------------------------------------------------------------------------- copy


async def copy(world: World, name: str, random: Random) -> None:
    """Until it is cancelled; a program that breaks, or that gives up what it has done, is begun anew."""
    while True:
        try:
            async with (
                Consumer(
                    world.bootstrap,
                    "source",
                    group="copiers",
                    commit="manual",
                    start="earliest",
                    session_timeout_ms=6_000,
                    heartbeat_interval_ms=500,
                    surroundings=world.client(),
                ) as consumer,
                producer_of(world, name) as producer,
            ):
                while True:
                    records = await consumer.poll(5, timeout_s=1)
                    if not records:
                        continue
                    async with producer.transaction() as transaction:
                        for record in records:
                            await producer.send("target", record.value, partition=record.partition)
                        await transaction.commit_offsets(consumer)
                        if random.random() < 0.3:
                            raise ChangeOfMind
        except (OdradekError, ChangeOfMind):
            await trio.sleep(0.1)


@pytest.mark.parametrize("seed", range(100, 103))
def test_a_copy_has_each_record_once(seed: int) -> None:
    async def scenario(world: World, random: Random) -> None:
        await make_topics(world, "source", "target")
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            for number in range(RECORDS):
                await producer.send("source", b"%d" % number, partition=number % PARTITIONS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(copy, world, "copier", random)
            with trio.move_on_after(15):
                await trouble(world, random)
            world.network.heal()
            for node in world.brokers:
                node.resume()
            await world.start()
            with trio.fail_after(PATIENCE_S):
                while len(await committed_values(world, "target")) < RECORDS:  # noqa: ASYNC110 (nobody tells)
                    await trio.sleep(1)
            await trio.sleep(20)
            nursery.cancel_scope.cancel()
        copied = await committed_values(world, "target")
        assert sorted(int(value) for value in copied) == list(range(RECORDS))

    play(seed, scenario)


def test_a_coordinator_that_takes_over_finishes_what_was_decided() -> None:
    """The decision is committed, and the coordinator dies before any partition has its marker."""

    async def scenario(world: World, _: Random) -> None:
        await make_topics(world, "debit", "credit")
        async with producer_of(world, "anna") as producer:
            async with producer.transaction():
                await producer.send("debit", b"1", partition=0)
                await producer.send("credit", b"1", partition=1)
            coordinator = next(node for node in world.brokers if _holds(node, "anna"))
            coordinator.kill()
        await world.start()
        await end_what_is_open(world, "anna")
        for topic in ("debit", "credit"):
            assert await committed_values(world, topic) == ["1"]

    play(7, scenario)


def _holds(node: object, transactional_id: str) -> bool:
    broker = getattr(node, "broker", None)
    return broker is not None and any(
        transactional_id in each.coordinator.transactions
        and each.coordinator.transactions[transactional_id].state is not TransactionState.EMPTY
        for each in broker.transactions._partitions.values()
    )
