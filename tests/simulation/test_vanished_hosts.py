"""A machine that is gone without a word, with the settings of every day; and those that only seem to be gone."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from test_known_losses import play, read, until, whole_again, write
from world import World

from odradek import Producer

DEFAULTS: dict[str, Any] = {"broker_session_timeout_ms": "9000", "broker_heartbeat_interval_ms": "2000"}
FIRST_SESSION_S = 10.0
"""Before it is over a controller cannot know of leases that the one before it has given."""
SOON_S = 1.5


def test_a_producer_goes_on_at_another_leader_within_one_and_a_half_seconds() -> None:
    async def scenario(world: World) -> None:
        await trio.sleep(FIRST_SESSION_S)
        leader = world.leader("t")
        assert leader is not None
        async with Producer(world.bootstrap, surroundings=world.client()) as producer:
            await producer.send_and_wait("t", b"1", partition=0)
            leader.kill(silently=True)
            gone_at = trio.current_time()
            await producer.send_and_wait("t", b"2", partition=0)
            assert trio.current_time() - gone_at < SOON_S
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario, **DEFAULTS)


def test_a_leader_that_only_the_controller_has_lost_is_replaced_as_soon() -> None:
    """It lives, and clients reach it: the invariants see to it that it answers none of them any more."""

    async def scenario(world: World) -> None:
        await trio.sleep(FIRST_SESSION_S)
        leader = world.leader("t")
        assert leader is not None
        world.network.cut(leader.name, world.controller.name)
        cut_at = trio.current_time()
        await until(lambda: world.leader("t") not in (leader, None), "another leads")
        assert trio.current_time() - cut_at < SOON_S
        assert await write(world, "1") == [0]
        await whole_again(world)

    play(scenario, **DEFAULTS)


@pytest.mark.parametrize("who", ["leader", "controller", "follower"])
def test_a_process_that_stands_still_for_two_seconds_costs_no_election(who: str) -> None:
    async def scenario(world: World) -> None:
        await trio.sleep(FIRST_SESSION_S)
        leader = world.leader("t")
        followers = [broker for broker in world.brokers if broker is not leader]
        node = {"leader": leader, "controller": world.controller, "follower": followers[0]}[who]
        assert leader is not None and node is not None
        node.pause()
        await trio.sleep(2.0)
        node.resume()
        await trio.sleep(3.0)
        decided = world.decided("t")
        assert decided is not None and decided.leader_epoch == 0
        assert await write(world, "1") == [0]

    play(scenario, **DEFAULTS)


def test_a_controller_that_is_cut_off_from_everybody_fences_nobody_before_their_session_is_over() -> None:
    async def scenario(world: World) -> None:
        await trio.sleep(FIRST_SESSION_S)
        for broker in world.brokers:
            world.network.cut(broker.name, world.controller.name)
        await trio.sleep(4.0)
        world.network.heal()
        await trio.sleep(3.0)
        decided = world.decided("t")
        assert decided is not None and decided.leader_epoch == 0
        assert await write(world, "1") == [0]

    play(scenario, **DEFAULTS)
