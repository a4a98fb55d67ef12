"""The consumer of the consumer protocol against a broker: what it reads, gives up and commits."""

from __future__ import annotations

import itertools
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek import Admin, Consumer, Producer, TopicPartition
from odradek.activity import Activities
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.epoch_group import EpochGroup
from odradek.consumer.subscription import Subscription
from odradek.protocol.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

PATIENCE_S = 30

_numbers = itertools.count()


async def new_topic(bootstrap: str, partitions: int) -> str:
    name = f"epochs-{next(_numbers)}"
    async with Admin(bootstrap) as admin:
        await admin.create_topic(name, partitions, 1)
    return name


async def fill(bootstrap: str, topic: str, count: int) -> None:
    async with Producer(bootstrap) as producer:
        for number in range(count):
            await producer.send(topic, value=b"%d" % number, partition=number % 4)


async def test_it_reads_and_commits_and_the_next_one_goes_on_there(bootstrap: str) -> None:
    topic = await new_topic(bootstrap, 4)
    await fill(bootstrap, topic, 8)
    with trio.fail_after(PATIENCE_S):
        async with Consumer(bootstrap, topic, group=topic, protocol="consumer") as consumer:
            values = {(await anext(consumer)).value for _ in range(8)}
            assert values == {b"%d" % number for number in range(8)}
            health = consumer.health().group
            assert health is not None and health.state == "stable" and health.generation > 0
        await fill(bootstrap, topic, 4)
        async with Consumer(bootstrap, topic, group=topic, protocol="consumer") as consumer:
            again = sorted([(await anext(consumer)).offset for _ in range(4)])
    assert again == [2, 2, 2, 2], "each partition goes on behind what was committed"


async def test_a_pattern_finds_topics_that_come_later(bootstrap: str) -> None:
    first = await new_topic(bootstrap, 1)
    with trio.fail_after(PATIENCE_S):
        pattern = f"{first}.*"
        async with Consumer(bootstrap, pattern=pattern, group=first, protocol="consumer") as consumer:
            assert await consumer.wait_assigned() == [TopicPartition(first, 0)]


@pytest.mark.slow
async def test_two_share_and_the_one_that_stays_reads_on(bootstrap: str) -> None:
    topic = await new_topic(bootstrap, 4)
    revoked: list[TopicPartition] = []

    async def on_revoke(partitions: list[TopicPartition]) -> None:
        revoked.extend(partitions)

    with trio.fail_after(PATIENCE_S):
        async with Consumer(bootstrap, topic, group=topic, protocol="consumer", on_revoke=on_revoke) as stays:
            await stays.wait_assigned()
            async with Consumer(bootstrap, topic, group=topic, protocol="consumer") as comes:
                while len(comes.assignment) < 2:
                    await stays.poll(timeout_s=0.05)
                    await comes.poll(timeout_s=0.05)
                assert sorted([*stays.assignment, *comes.assignment]) == [TopicPartition(topic, n) for n in range(4)]
                assert len(revoked) == 2
            while len(stays.assignment) < 4:
                await stays.poll(timeout_s=0.1)
            assert len(revoked) == 2, "what it kept it was never asked to give up"


class ClusterWithout:
    """A cluster of brokers that tell of no topic."""

    surroundings = SimpleNamespace(random=Random(1))
    image = SimpleNamespace(topic_name=lambda _topic_id: None)
    backoff_s = 0.1

    def __init__(self) -> None:
        self.activities = Activities()
        self.asked = 0
        self.was_asked_too_often = trio.Event()

    async def refresh(self) -> None:
        self.asked += 1
        if self.asked > 20:
            self.was_asked_too_often.set()
        await trio.lowlevel.checkpoint()


async def test_metadata_is_asked_for_at_intervals_while_an_assigned_topic_has_no_name(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    cluster: Any = ClusterWithout()
    owner: Any = SimpleNamespace()
    config = ConsumerConfig(protocol="consumer")
    group = EpochGroup(cluster, config, "g", Subscription(["t"], None, 1_000), owner)
    told = Assignment([TopicPartitions(b"t" * 16, [0])])
    answer = ConsumerGroupHeartbeatResponse(member_id="m", member_epoch=1, assignment=told)
    group._act_on(group.membership.heard(answer, ("t",), ()), answer)
    nursery.start_soon(group._keep_up)
    with trio.move_on_after(1.05):
        await cluster.was_asked_too_often.wait()
    assert 5 <= cluster.asked <= 11
    nursery.cancel_scope.cancel()
