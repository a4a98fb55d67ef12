"""A leader that hangs without a word, and a producer that waits for it: neither end of a connection breaks."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from test_known_losses import play, read, until, whole_again
from world import World

from odradek import Consumer, Producer
from odradek.cluster import coordinator
from odradek.producer.sender import OVERDUE_SECONDS
from odradek_broker.controller.image import GROUP_TOPIC, TRANSACTION_TOPIC

SESSION_S = 3.0
"""Of a broker here."""
OFTEN_MS = 500
"""Between heartbeats, so that one is under way before it is known that the coordinator hangs."""


def test_a_producer_goes_on_at_the_next_leader_and_not_when_its_request_times_out() -> None:
    async def scenario(world: World) -> None:
        leader = world.leader("t")
        assert leader is not None
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            await producer.send_and_wait("t", b"1", partition=0)
            leader.pause()
            delivery = await producer.send("t", b"2", partition=0)
            await until(lambda: world.leader("t") not in (leader, None), "another leads")
            elected_at = trio.current_time()
            await delivery
            assert trio.current_time() - elected_at < 3 * OVERDUE_SECONDS
        leader.resume()
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_a_producer_that_was_not_connected_yet_goes_on_at_the_next_leader_too() -> None:
    """Who hangs takes connections, and says nothing by them."""

    async def scenario(world: World) -> None:
        leader = world.leader("t")
        assert leader is not None
        leader.pause()
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            delivery = await producer.send("t", b"1", partition=0)
            await until(lambda: world.leader("t") not in (leader, None), "another leads")
            elected_at = trio.current_time()
            await delivery
            assert trio.current_time() - elected_at < 3 * OVERDUE_SECONDS
        leader.resume()
        await whole_again(world)
        assert await read(world) == ["1"]

    play(scenario)


def test_a_transaction_is_committed_by_the_next_coordinator_and_not_when_its_end_times_out() -> None:
    async def scenario(world: World) -> None:
        async with Producer(world.bootstrap, transactional_id="x", surroundings=world.client()) as producer:
            async with producer.transaction():
                await producer.send("t", b"1", partition=0)
            hung = world.leader(TRANSACTION_TOPIC)
            assert hung is not None
            async with producer.transaction():
                await producer.send("t", b"2", partition=0)
                await producer.flush()
                hung.pause()
                paused_at = trio.current_time()
            assert world.leader(TRANSACTION_TOPIC) not in (hung, None)
            assert trio.current_time() - paused_at < SESSION_S + 8 * coordinator.OVERDUE_SECONDS
        hung.resume()
        await whole_again(world)

    play(scenario, transaction_state_log_num_partitions="1")


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_member_is_heard_by_the_next_coordinator_long_before_its_session_is_over(protocol: Any) -> None:
    async def scenario(world: World) -> None:
        async with Consumer(
            world.bootstrap,
            "t",
            group="g",
            protocol=protocol,
            commit="manual",
            heartbeat_interval_ms=OFTEN_MS,
            surroundings=world.client(),
        ) as consumer:
            await consumer.wait_assigned()
            hung = world.leader(GROUP_TOPIC)
            assert hung is not None
            hung.pause()
            paused_at = trio.current_time()
            await until(lambda: named(consumer) not in (None, world.brokers.index(hung)), "another coordinates")
            assert trio.current_time() - paused_at < SESSION_S + 15
        hung.resume()
        await whole_again(world)

    def named(consumer: Consumer[Any, Any]) -> int | None:
        group = consumer.health().group
        return None if group is None else group.coordinator

    often: dict[str, Any] = {
        "group_consumer_min_heartbeat_interval_ms": str(OFTEN_MS),
        "group_consumer_heartbeat_interval_ms": str(OFTEN_MS),
    }
    play(scenario, **often)
