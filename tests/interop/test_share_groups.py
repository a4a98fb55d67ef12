"""Share groups (KIP-932) with confluent-kafka's share consumer and Kafka's tools: who gets what, how often."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import AcknowledgeType, Message, Producer, ShareConsumer

from odradek.protocol.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic,
)
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from referee import BrokerProcess
from referee.java_tools import run_java_tool
from tests.interop.frames import Peer

PATIENCE_SECONDS = 30
NewTopic = Callable[..., str]


def produce(broker: BrokerProcess, topic: str, *values: str) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(PATIENCE_SECONDS) == 0


def share_from_start(broker: BrokerProcess, group: str, topic: str, partitions: int = 1) -> None:
    """Let a group begin a topic at its first record."""
    from_zero = [AlterShareGroupOffsetsRequestPartition(index, 0) for index in range(partitions)]
    request = AlterShareGroupOffsetsRequest(group, [AlterShareGroupOffsetsRequestTopic(topic, from_zero)])
    deadline = time.monotonic() + PATIENCE_SECONDS
    peer = Peer(broker.bootstrap)
    peer.ask(FindCoordinatorRequest(coordinator_keys=[group]), 4)
    while any(codes := peer.codes(request, 0)):
        assert time.monotonic() < deadline, codes
        time.sleep(0.1)


@contextmanager
def member(broker: BrokerProcess, topic: str, *, explicit: bool = False) -> Iterator[ShareConsumer]:
    mode = "explicit" if explicit else "implicit"
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": topic, "share.acknowledgement.mode": mode}
    with ShareConsumer(settings) as consumer:
        consumer.subscribe([topic])
        yield consumer


def some(consumer: ShareConsumer, count: int = 1, patience_seconds: float = PATIENCE_SECONDS) -> list[Message]:
    """What the next polls bring, until there is so much of it."""
    messages: list[Message] = []
    deadline = time.monotonic() + patience_seconds
    while len(messages) < count and time.monotonic() < deadline:
        for message in consumer.poll(0.5):
            assert message.error() is None, message.error()
            messages.append(message)
    return messages


def values(messages: list[Message]) -> list[str]:
    return [(message.value() or b"").decode() for message in messages]


def test_each_record_goes_to_one_member_and_is_done_with(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=3)
    share_from_start(broker, topic, topic, 3)
    expected = [f"v{number}" for number in range(300)]
    read: list[str] = []
    with member(broker, topic) as one, member(broker, topic) as two:
        produce(broker, topic, *expected)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(read) < len(expected) and time.monotonic() < deadline:
            read += values(some(one, patience_seconds=0.2)) + values(some(two, patience_seconds=0.2))
        one.commit_sync()
        two.commit_sync()
    assert Counter(read) == Counter(expected)
    with member(broker, topic) as late:
        produce(broker, topic, "after")
        assert values(some(late)) == ["after"]


def test_a_released_record_comes_again_and_a_rejected_one_does_not(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic()
    share_from_start(broker, topic, topic)
    produce(broker, topic, "accepted", "released", "rejected")
    kinds = {
        "accepted": AcknowledgeType.ACCEPT,
        "released": AcknowledgeType.RELEASE,
        "rejected": AcknowledgeType.REJECT,
    }
    with member(broker, topic, explicit=True) as consumer:
        for message in some(consumer, 3):
            consumer.acknowledge(message, kinds[(message.value() or b"").decode()])
        again = some(consumer)
        assert values(again) == ["released"]
        consumer.acknowledge(again[0], AcknowledgeType.ACCEPT)
        assert all(error is None for error in consumer.commit_sync().values())


def test_a_record_is_delivered_no_more_often_than_the_limit(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic()
    share_from_start(broker, topic, topic)
    produce(broker, topic, "poison")
    seen: list[str] = []
    with member(broker, topic, explicit=True) as consumer:
        while len(seen) < 5:
            for message in some(consumer):
                seen += values([message])
                consumer.acknowledge(message, AcknowledgeType.RELEASE)
        consumer.commit_sync()
        produce(broker, topic, "next")
        (last,) = some(consumer)
        consumer.acknowledge(last, AcknowledgeType.ACCEPT)
        assert (seen, values([last])) == (["poison"] * 5, ["next"])


def test_a_member_that_leaves_gives_back_what_it_has_not_dealt_with(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic()
    share_from_start(broker, topic, topic)
    produce(broker, topic, "left behind")
    with member(broker, topic, explicit=True) as consumer:
        assert values(some(consumer)) == ["left behind"]
    with member(broker, topic) as successor:
        assert values(some(successor)) == ["left behind"]


@pytest.mark.java
def test_kafkas_tools_read_describe_reset_and_decode_a_share_group(
    broker: BrokerProcess, new_topic: NewTopic, segments: Path, need_java: None
) -> None:
    topic = new_topic()
    share_from_start(broker, topic, topic)
    produce(broker, topic, *"abcde")
    where = ["--bootstrap-server", broker.bootstrap]
    limits = ["--max-messages", "5", "--timeout-ms", "30000"]
    read = run_java_tool("kafka-console-share-consumer", *where, "--topic", topic, "--group", topic, *limits)
    assert read.stdout.decode().split() == list("abcde")
    group = ["--group", topic]
    listed = run_java_tool("kafka-share-groups", *where, "--list").stdout.decode()
    assert topic in listed.split()
    described = run_java_tool("kafka-share-groups", *where, "--describe", *group).stdout.decode()
    assert _row(described, topic)[-1] == "0", "the lag"
    reset = ["--reset-offsets", "--topic", topic, "--to-earliest", "--execute"]
    assert _row(run_java_tool("kafka-share-groups", *where, *group, *reset).stdout.decode(), topic)[-1] == "0"
    again = run_java_tool("kafka-console-share-consumer", *where, "--topic", topic, "--group", topic, *limits)
    assert again.stdout.decode().split() == list("abcde")
    deleted = run_java_tool("kafka-share-groups", *where, "--delete", *group).stdout.decode()
    assert "successful" in deleted
    files = ",".join(str(path) for path in segments.glob("__share_group_state-*/*.log") if path.stat().st_size)
    decoded = run_java_tool("kafka-dump-log", "--share-group-state-decoder", "--files", files).stdout.decode()
    assert f'"groupId":"{topic}"' in decoded


def _row(table: str, first: str) -> list[str]:
    return next(line.split() for line in table.splitlines() if line.split()[:1] == [first])
