"""How soon a consumer reads: whole brokers in virtual time, where whatever waits for a clock costs its whole pause."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from world import World

from odradek import Admin, Consumer, Producer
from odradek.consumer.config import GroupProtocol

HOP_S = 0.000_5
"""At most, between any two."""
AT_ONCE_S = 0.1
SETTINGS: dict[str, Any] = {"offsets_topic_num_partitions": "2", "group_initial_rebalance_delay_ms": "0"}
PROTOCOLS: tuple[GroupProtocol, ...] = ("consumer", "classic")


async def prepare(world: World) -> None:
    """A topic of ten records, and the topic of the groups."""
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        await admin.create_topic("t", 2, 3)
    async with Producer(world.bootstrap, surroundings=world.client()) as producer:
        await producer.send_many("t", [b"x"] * 10)
    async with Consumer(world.bootstrap, "t", group="first", surroundings=world.client()) as consumer:
        await anext(consumer)


async def seconds_to_first_record(world: World, group: str, protocol: GroupProtocol) -> float:
    began = trio.current_time()
    async with Consumer(
        world.bootstrap, "t", group=group, protocol=protocol, commit="manual", surroundings=world.client()
    ) as consumer:
        await anext(consumer)
        return trio.current_time() - began


@pytest.mark.slow
def test_the_first_record_comes_at_once_by_either_protocol_also_to_who_comes_again() -> None:
    took: dict[tuple[str, int], float] = {}

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, 1, longest_hop_s=HOP_S, **SETTINGS)
            await world.start()
            with trio.fail_after(60):
                await prepare(world)
                for protocol in PROTOCOLS:
                    for time in range(3):
                        took[protocol, time] = await seconds_to_first_record(world, f"of-{protocol}", protocol)
            nursery.cancel_scope.cancel()

    run_in_virtual_time(1, run)
    assert {which: seconds for which, seconds in took.items() if seconds > AT_ONCE_S} == {}
