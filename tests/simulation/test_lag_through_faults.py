"""Lag is true whoever leads: after elections, power cuts and with records deleted, it is what a reader then gets."""

from __future__ import annotations

import pytest
import trio
from test_known_losses import in_sync, play, until
from world import World

from odradek import Admin, Consumer, Producer, Span, TopicPartition

PLACE = TopicPartition("t", 0)


class Undone(Exception):
    """A transaction is to be aborted."""


async def transactions(world: World, verdicts: str) -> None:
    """One of three records each: + commits, - aborts."""
    async with Producer(world.bootstrap, transactional_id="writer", surroundings=world.client()) as producer:
        for number, verdict in enumerate(verdicts):
            try:
                async with producer.transaction():
                    for part in "abc":
                        await producer.send("t", f"{number}{part}{verdict}".encode(), partition=0)
                    await producer.flush()
                    if verdict == "-":
                        raise Undone
            except Undone:
                pass


async def check(world: World) -> None:
    """At every offset that there is, against what a reader of committed records gets of the whole."""
    found: list[int] = []
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        end = (await admin.end_offsets([PLACE]))[PLACE]
        async with Consumer(
            world.bootstrap, isolation_level="read_committed", start="earliest", surroundings=world.client()
        ) as consumer:
            await consumer.assign([PLACE])
            with trio.fail_after(120):
                while (consumer.position(PLACE) or 0) < end:
                    records = await consumer.poll(timeout_s=1)
                    assert not any((record.value or b"").endswith(b"-") for record in records)
                    found += [record.offset for record in records]
        for begin in range(end + 1):
            lag = (await admin.count_records({PLACE: Span(begin)}, read_committed=True))[PLACE]
            assert (begin, lag.records, lag.end) == (begin, sum(offset >= begin for offset in found), end)


@pytest.mark.slow
def test_lag_is_what_a_reader_gets_whoever_leads() -> None:
    async def scenario(world: World) -> None:
        await transactions(world, "+-+")
        await check(world)
        before = world.leader("t")
        assert before is not None
        before.kill(power=True)
        await until(lambda: world.leader("t") not in (None, before), "another leads")
        await transactions(world, "-+")
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.delete_records({PLACE: 2})
        await check(world)
        await before.start()
        await until(lambda: in_sync(world) == {0, 1, 2}, "all are in sync")
        async with Admin(world.bootstrap, surroundings=world.client()) as admin:
            await admin.elect_leaders([PLACE])
        assert world.leader("t") is world.brokers[0]
        await check(world)

    play(scenario)
