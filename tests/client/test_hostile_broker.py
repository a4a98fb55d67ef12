"""Whatever a broker answers, a client ends in an error of odradek.errors or in what was asked for; never in a storm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from odradek import Admin, Consumer, Producer, ShareConsumer, TopicPartition
from odradek.admin.configs import ResourceType
from odradek.errors import OdradekError
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.share_acknowledge import ShareAcknowledgeRequest
from odradek.protocol.messages.share_fetch import ShareFetchRequest
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from odradek.protocol.registry import request_class
from tests.client.hostile_broker import HostileBroker

ORDERS = TopicPartition("orders", 0)
HEARTBEAT = ConsumerGroupHeartbeatRequest.API_KEY
OF_SHARE_CONSUMERS = (ShareGroupHeartbeatRequest.API_KEY, ShareFetchRequest.API_KEY, ShareAcknowledgeRequest.API_KEY)
REQUEST_MS, CONNECT_MS = 1000, 3000
PATIENCE_S = 180.0
"""Of virtual time: more than all timeouts of a story together."""

Story = Callable[[HostileBroker], Awaitable[None]]


async def read(broker: HostileBroker) -> None:
    async with Consumer(
        "fake",
        "orders",
        isolation_level="read_committed",
        request_timeout_ms=REQUEST_MS,
        connect_timeout_ms=CONNECT_MS,
        surroundings=broker.surroundings,
    ) as consumer:
        for _ in range(5):
            await consumer.poll(timeout_s=2)


async def read_by_pattern(broker: HostileBroker) -> None:
    async with Consumer(
        "fake",
        pattern=".*",
        start="latest",
        request_timeout_ms=REQUEST_MS,
        connect_timeout_ms=CONNECT_MS,
        surroundings=broker.surroundings,
    ) as consumer:
        for _ in range(3):
            await consumer.poll(timeout_s=2)


async def read_in_a_group(broker: HostileBroker) -> None:
    async with Consumer(
        "fake",
        "orders",
        group="g",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_000,
        auto_commit_interval_ms=1_000,
        max_poll_interval_ms=10_000,
        request_timeout_ms=REQUEST_MS,
        connect_timeout_ms=CONNECT_MS,
        surroundings=broker.surroundings,
    ) as consumer:
        for _ in range(8):
            await consumer.poll(timeout_s=2)
        with trio.move_on_after(5):
            await consumer.commit()


async def read_by_the_newer_protocol(broker: HostileBroker) -> None:
    broker.versions[HEARTBEAT] = (0, 1)
    if broker.plan_seed % 2:
        broker.kind = HEARTBEAT
    async with Consumer(
        "fake",
        "orders",
        group="g",
        protocol="consumer",
        auto_commit_interval_ms=1_000,
        max_poll_interval_ms=10_000,
        request_timeout_ms=REQUEST_MS,
        connect_timeout_ms=CONNECT_MS,
        surroundings=broker.surroundings,
    ) as consumer:
        for _ in range(8):
            await consumer.poll(timeout_s=2)
        with trio.move_on_after(5):
            await consumer.commit()


async def share(broker: HostileBroker) -> None:
    broker.versions |= {kind: (1, request_class(kind).VERSIONS[-1]) for kind in OF_SHARE_CONSUMERS}
    if broker.plan_seed % 2:
        broker.kind = OF_SHARE_CONSUMERS[broker.plan_seed // 2 % 3]
    async with ShareConsumer(
        "fake",
        "orders",
        group="g",
        request_timeout_ms=REQUEST_MS,
        connect_timeout_ms=CONNECT_MS,
        surroundings=broker.surroundings,
    ) as consumer:
        for _ in range(8):
            for shared in await consumer.poll(3, timeout_s=1):
                shared.accept()
        with trio.move_on_after(5):
            await consumer.commit()


async def write(broker: HostileBroker) -> None:
    async with Producer(
        "fake",
        delivery_timeout_ms=5_000,
        max_block_ms=3_000,
        request_timeout_ms=REQUEST_MS,
        connect_timeout_ms=CONNECT_MS,
        surroundings=broker.surroundings,
    ) as producer:
        for _ in range(5):
            await producer.send_and_wait("orders", b"x")


async def administrate(broker: HostileBroker) -> None:
    async with Admin(
        "fake", request_timeout_ms=REQUEST_MS, connect_timeout_ms=CONNECT_MS, surroundings=broker.surroundings
    ) as admin:
        for question in (
            lambda: admin.end_offsets([ORDERS]),
            lambda: admin.group_offsets("g", [ORDERS]),
            lambda: admin.group_offsets("g"),
            lambda: admin.group_lag("g"),
            lambda: admin.alter_group_offsets("g", {ORDERS: 3}),
            lambda: admin.delete_group_offsets("g", [ORDERS]),
            lambda: admin.describe_group("g"),
            lambda: admin.delete_group("g"),
            admin.list_groups,
            admin.list_topics,
            lambda: admin.describe_topic("orders"),
            lambda: admin.create_topic("orders"),
            lambda: admin.create_partitions("orders", 1),
            lambda: admin.delete_records({ORDERS: 1}),
            admin.describe_cluster,
            lambda: admin.describe_configs("orders"),
            lambda: admin.describe_configs("1", ResourceType.BROKER),
            lambda: admin.alter_configs("orders", delete=["retention.ms"]),
            admin.elect_leaders,
            lambda: admin.reassign({ORDERS: [1]}),
            admin.reassignments,
        ):
            try:
                await question()
            except OdradekError:
                pass  # and on to the next


STORIES: tuple[Story, ...] = (
    read,
    read_by_pattern,
    read_in_a_group,
    read_by_the_newer_protocol,
    share,
    write,
    administrate,
)


def play(story: Story, seed: int) -> None:
    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            broker = HostileBroker(nursery, seed, orders=1)
            async with Producer("fake", surroundings=broker.surroundings, batch_size=60) as producer:
                for i in range(10):
                    await producer.send("orders", b"%d" % i, timestamp_ms=1000 + i)
            broker.is_hostile = True
            with trio.fail_after(PATIENCE_S):
                try:
                    await story(broker)
                except* OdradekError:
                    pass
                except* Exception as errors:
                    errors.add_note(f"seed {seed}: {story.__name__}, {broker}")
                    raise
            nursery.cancel_scope.cancel()

    trio.run(scenario, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_no_lie_of_a_broker_has_more_effect_than_an_error_by_name(story: Story) -> None:
    for seed in range(12):
        play(story, seed)


@pytest.mark.soak
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_no_lie_of_thousands_has_more_effect_than_an_error_by_name(story: Story) -> None:
    for seed in range(2_000):
        play(story, seed)
