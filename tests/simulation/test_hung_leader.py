"""A leader that hangs without a word, and a producer that waits for it: neither end of a connection breaks."""

from __future__ import annotations

import trio
from test_known_losses import play, read, until, whole_again
from world import World

from odradek import Producer
from odradek.producer.sender import OVERDUE_SECONDS
from odradek_broker.controller.image import TRANSACTION_TOPIC

SESSION_S = 3.0
"""Of a broker here."""


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
            assert trio.current_time() - paused_at < SESSION_S + 8 * OVERDUE_SECONDS
        hung.resume()
        await whole_again(world)

    play(scenario, transaction_state_log_num_partitions="1")
