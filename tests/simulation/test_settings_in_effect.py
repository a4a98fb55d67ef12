"""Settings that only show after a while, or when a node stops: whole brokers in virtual time."""

from __future__ import annotations

import pytest
import trio
from test_known_losses import in_sync, play, until, write
from world import World

from odradek import Admin, Producer


def flushed(world: World, topic: str) -> list[int]:
    return [node.broker.partitions[topic, 0].log.flushed_offset for node in world.brokers if node.broker is not None]


async def make(world: World, topic: str, **configs: str) -> None:
    named: dict[str, str | None] = {name.replace("_", "."): value for name, value in configs.items()}
    async with Admin(world.bootstrap, surroundings=world.client()) as admin:
        await admin.create_topic(topic, replicas=[[0, 1, 2]], configs=named)


async def fill(world: World, topic: str, *values: str) -> None:
    async with Producer(world.bootstrap, surroundings=world.client()) as producer:
        for value in values:
            await producer.send_and_wait(topic, value.encode())


def test_flush_ms_brings_old_records_of_every_replica_to_stable_storage_under_the_interval_policy() -> None:
    async def scenario(world: World) -> None:
        await make(world, "timed", flush_ms="5000")
        await make(world, "never")
        for topic in ("timed", "never"):
            await fill(world, topic, "1", "2")
            await until(lambda topic=topic: flushed(world, topic) == [2, 2, 2], "the first are, with their topic's id")  # type: ignore[misc]
            await fill(world, topic, "3")
        await trio.sleep(3)
        assert flushed(world, "timed") == [2, 2, 2]
        await until(lambda: flushed(world, "timed") == [3, 3, 3], "all replicas are flushed")
        assert flushed(world, "never") == [2, 2, 2]

    play(scenario, watched=False, log_flush_policy="interval")


def test_flush_messages_bounds_what_lies_unsynced_under_the_interval_policy() -> None:
    async def scenario(world: World) -> None:
        await make(world, "counted", flush_messages="3")
        await fill(world, "counted", "1")
        await until(lambda: flushed(world, "counted") == [1, 1, 1], "the first is, with its topic's id")
        await fill(world, "counted", "2", "3")
        await trio.sleep(2)
        assert flushed(world, "counted") == [1, 1, 1]
        await fill(world, "counted", "4")
        await until(lambda: flushed(world, "counted") == [4, 4, 4], "all replicas are flushed")

    play(scenario, watched=False, log_flush_policy="interval")


@pytest.mark.parametrize("enabled", [True, False])
def test_a_broker_hands_over_before_it_stops_unless_controlled_shutdown_is_off(enabled: bool) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        await world.brokers[1].stop()
        controller = world.controller.broker
        assert controller is not None
        assert controller.image.brokers[1].in_controlled_shutdown == enabled
        await until(lambda: in_sync(world) == {0, 2}, "the others go on")
        await write(world, "2")

    play(scenario, controlled_shutdown_enable=str(enabled).lower())
