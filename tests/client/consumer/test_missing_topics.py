"""A consumer of a topic that is not there says so, and finds it when it is."""

from __future__ import annotations

import logging

import pytest
import trio

from odradek import Admin, Consumer, Producer
from odradek.cluster.metadata import ClusterImage, PartitionImage, TopicImage
from odradek.consumer.missing_topics import missing
from odradek.consumer.subscription import Subscription
from odradek.protocol.errors import ErrorCode

ID = bytes(16)


def image(**topics: ErrorCode) -> ClusterImage:
    found = ClusterImage()
    for name, error in topics.items():
        partitions = () if error else (PartitionImage(0, 1, 0),)
        found.topics[name] = TopicImage(name, ID, partitions, error=error)
    return found


def test_only_what_is_not_there_is_missing() -> None:
    seen = image(
        there=ErrorCode.NONE,
        gone=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        bad=ErrorCode.INVALID_TOPIC_EXCEPTION,
        soon=ErrorCode.LEADER_NOT_AVAILABLE,
    )
    found = missing(Subscription(["there", "gone", "bad", "soon", "unheard"]), seen)
    assert list(found) == ["topic bad", "topic gone", "topic unheard"]
    assert found["topic bad"] == ErrorCode.INVALID_TOPIC_EXCEPTION.sentence
    assert missing(Subscription(pattern="th.*"), seen) == {}
    assert list(missing(Subscription(pattern="x.*"), seen)) == ["topics x.*"]


@pytest.mark.parametrize("group", [None, "g-of-a-topic-to-come"])
async def test_a_topic_that_is_made_later_is_read_soon(
    bootstrap: str, caplog: pytest.LogCaptureFixture, group: str | None
) -> None:
    topic = f"to-come-{group}-{trio.current_time()}"
    with trio.fail_after(60), caplog.at_level(logging.WARNING, "odradek"):
        async with Consumer(bootstrap, topic, group=group, start="earliest") as consumer:
            while not any(each.who == f"topic {topic}" for each in consumer.health().waiting):
                assert await consumer.poll(timeout_s=0.01) == []
            assert [topic in message for message in caplog.messages] == [True]
            async with Admin(bootstrap) as admin, Producer(bootstrap) as producer:
                await admin.create_topic(topic, 1)
                await producer.send_and_wait(topic, b"v")
            assert [record.value for record in await consumer.poll()] == [b"v"]
