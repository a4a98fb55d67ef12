"""Idempotent producers of every library: nothing doubled, nothing reordered, sequences on disk without a gap."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from referee import BrokerProcess
from referee.clients.interface import Client, GroupClient, Sent

NewTopic = Callable[..., str]
ClientNamed = Callable[[str], Client]


@pytest.mark.parametrize("name", ["confluent", "aio", "python", "own"])
def test_many_small_batches_in_flight_arrive_once_and_in_order(
    name: str, broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    client, topic = cast(GroupClient, client_named(name)), new_topic()
    records = [Sent(b"%d" % number, b"value %d" % number) for number in range(1000)]

    acknowledged = client.produce_idempotently(broker.bootstrap, topic, records)

    assert acknowledged == list(range(1000))
    read = client_named("confluent").read(broker.bootstrap, topic, 1000)
    assert [(each.offset, each.key, each.value) for each in read] == [
        (offset, record.key, record.value) for offset, record in enumerate(records)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_records_acknowledged_across_a_restart_are_there_once_and_in_order(
    end: str, restartable: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    """The broker ends and starts again while an idempotent producer has batches in flight, then goes on."""
    topic = new_topic()
    producer = _impatient_producer(restartable.bootstrap)
    offsets: dict[int, int] = {}

    def produce(numbers: range) -> None:
        for number in numbers:
            producer.produce(topic, value=b"%d" % number, on_delivery=_remember(offsets, number))
            producer.poll(0)

    produce(range(2000))
    while len(offsets) < 500:
        producer.poll(0.01)
    restart = threading.Thread(target=_restart, args=(restartable, end))
    restart.start()
    produce(range(2000, 4000))
    restart.join()
    produce(range(4000, 5000))
    assert producer.flush(60) == 0

    assert sorted(offsets) == list(range(5000))
    read = client_named("confluent").read(restartable.bootstrap, topic, 5000)
    assert [each.value for each in read] == [b"%d" % number for number in range(5000)]
    assert [each.offset for each in read] == [offsets[number] for number in range(5000)] == list(range(5000))
    assert _end_offset(restartable.bootstrap, topic) == 5000


def _restart(broker: BrokerProcess, end: str) -> None:
    getattr(broker, end)()
    broker.start()


def _end_offset(bootstrap: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
        return end
    finally:
        consumer.close()


def _impatient_producer(bootstrap: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "batch.num.messages": 20,
            "linger.ms": 1,
            "retry.backoff.ms": 20,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            "log_level": 0,
        }
    )


def _remember(offsets: dict[int, int], number: int) -> Callable[[KafkaError | None, Message], None]:
    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        assert number not in offsets, f"{number} was acknowledged twice"
        offset = message.offset()
        assert offset is not None
        offsets[number] = offset

    return delivered
