"""A machine of the simulation: its process can be stopped and continued, as real ones are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from deterministic_trio import run_in_virtual_time
from faults import heal
from test_known_losses import in_sync, partition, play, read, until, whole_again, write
from world import SESSION_S, World

LONG_S = 60.0


def test_a_paused_leader_is_replaced_and_follows_when_it_goes_on() -> None:
    async def scenario(world: World) -> None:
        a, b, c = world.brokers
        await write(world, "1")
        a.pause()
        await until(lambda: world.leader("t") in (b, c), "another leads")
        assert await write(world, "2") == [1]
        before = partition(a).log.log_end_offset
        await trio.sleep(LONG_S)
        assert (before, partition(a).log.log_end_offset) == (1, 1), "nothing of it has run"
        a.resume()
        await whole_again(world)
        assert await read(world) == ["1", "2"]

    play(scenario)


def test_a_short_pause_costs_nobody_anything_but_time() -> None:
    async def scenario(world: World) -> None:
        leader = world.leader("t")
        assert leader is not None
        for _ in range(10):
            leader.pause()
            await trio.sleep(SESSION_S / 4)
            leader.resume()
            await trio.sleep(SESSION_S / 4)
        assert world.leader("t") is leader
        assert await write(world, "1") == [0]

    play(scenario)


def test_what_is_sent_to_a_paused_broker_is_read_when_it_goes_on() -> None:
    async def scenario(world: World) -> None:
        a = world.brokers[0]
        a.pause()
        connection = await world.network.port("client").connect("broker-0", 9092)
        await connection.send([b"\0\0\0\x16\0\x12\0\0\0\0\0\x07\0\x0cnobody-knows"])
        room = memoryview(bytearray(4096))
        with trio.move_on_after(SESSION_S / 2) as scope:
            await connection.receive_into(room)
        assert scope.cancelled_caught
        a.resume()
        assert await connection.receive_into(room) > 8
        assert bytes(room[4:8]) == b"\0\0\0\x07", "the answer to what was asked"

    play(scenario)


def test_a_paused_process_can_be_killed_and_started_again() -> None:
    def story(*, power: bool, silently: bool) -> Callable[[World], Awaitable[None]]:
        async def scenario(world: World) -> None:
            a, b, c = world.brokers
            await write(world, "1")
            a.pause()
            await trio.sleep(1)
            a.kill(power=power, silently=silently)
            assert not a.is_up
            await until(lambda: world.leader("t") in (b, c), "another leads")
            await whole_again(world)
            assert await read(world) == ["1"]

        return scenario

    play(story(power=False, silently=False))
    play(story(power=True, silently=False))
    play(story(power=True, silently=True))


def test_a_stop_of_a_paused_process_is_heard_when_it_goes_on() -> None:
    async def scenario(world: World) -> None:
        a = world.brokers[0]
        a.pause()
        stopped = trio.Event()

        async def stop() -> None:
            await a.stop()
            stopped.set()

        world.nursery.start_soon(stop)
        await trio.sleep(1)
        assert a.is_up and not stopped.is_set()
        a.resume()
        await stopped.wait()
        assert not a.is_up

    play(scenario)


@pytest.mark.slow
def test_a_paused_controller_decides_nothing_and_all_goes_on_after_it() -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        world.controller.pause()
        await trio.sleep(LONG_S)
        world.controller.resume()
        await whole_again(world)
        assert await write(world, "2") == [1]
        assert len(in_sync(world)) == 3

    play(scenario)


def test_healing_a_world_continues_whatever_is_paused() -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, seed=1)
            await world.start()
            for node in world.nodes:
                node.pause()
            await trio.sleep(LONG_S)
            await heal(world)
            await until(lambda: world.controller.broker is not None and world.is_all_in_sync, "it goes on")
            assert world.violation is None, world.violation
            nursery.cancel_scope.cancel()

    run_in_virtual_time(1, run)


def test_healing_a_world_starts_again_who_is_about_to_end() -> None:
    """A restart was called off half-way: the node is up yet, and nobody else would start it."""

    async def scenario(world: World) -> None:
        node = world.brokers[0]
        world.nursery.start_soon(node.stop)
        await until(lambda: node._server is not None and node._server.is_stopping, "it is about to end")
        before = node.broker
        assert node.is_up
        await heal(world)
        assert node.is_up and node.broker is not before

    play(scenario)


def test_a_world_whose_nodes_are_all_paused_comes_to_its_end() -> None:
    async def scenario(world: World) -> None:
        for node in world.nodes:
            node.pause()

    play(scenario)
