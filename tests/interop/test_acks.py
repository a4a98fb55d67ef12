"""What has been acknowledged is there for everybody who asks, at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from referee import BrokerProcess

TRIES = 50


@pytest.mark.parametrize("acks", ["1", "all"])
def test_the_end_of_a_partition_is_behind_what_was_just_acknowledged(
    broker: BrokerProcess, new_topic: Callable[..., str], acks: str
) -> None:
    topic, acknowledged = new_topic(), 0

    def delivered(error: KafkaError | None, message: Message) -> None:
        nonlocal acknowledged
        assert error is None, error
        offset = message.offset()
        assert offset is not None
        acknowledged = offset + 1

    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": acks, "linger.ms": 0})
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none"})
    place = TopicPartition(topic, 0)
    try:
        for number in range(1, TRIES + 1):
            producer.produce(topic, value=b"x", partition=0, on_delivery=delivered)
            assert producer.flush(20) == 0
            assert consumer.get_watermark_offsets(place, timeout=20) == (0, acknowledged) == (0, number)
    finally:
        consumer.close()
