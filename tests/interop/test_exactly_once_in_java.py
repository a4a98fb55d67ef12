"""Java's clients and Kafka Streams, unchanged, keep the promise of exactly once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Place

from referee import BrokerProcess, why_java_is_unavailable
from tests.interop.java_programs import java_program

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]

NewTopic = Callable[..., str]
RECORDS = 200
LINES = 40
WORDS = ["the", "more", "it", "counts", "the", "less", "it", "knows"]


def write(bootstrap: str, topic: str, values: list[bytes], partitions: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for number, value in enumerate(values):
        producer.produce(topic, value, key=value, partition=number % partitions)
    producer.flush(30)


def read_committed(bootstrap: str, topic: str, partitions: int, count: int) -> list[tuple[bytes, bytes]]:
    """Keys and values, in the order of each partition; fails where there are more."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "judge", "isolation.level": "read_committed"})
    consumer.assign([Place(topic, partition, 0) for partition in range(partitions)])
    found = [(message.key() or b"", message.value() or b"") for message in consumer.consume(count, 90)]
    assert consumer.poll(0.5) is None, "there is more"
    consumer.close()
    return found


def test_a_copy_by_javas_clients_has_each_record_once_though_every_third_batch_is_aborted(
    broker: BrokerProcess, new_topic: NewTopic
) -> None:
    source, target = new_topic(partitions=2), new_topic(partitions=2)
    values = [b"%d" % number for number in range(RECORDS)]
    write(broker.bootstrap, source, values, 2)
    with java_program("CopyExactlyOnce", broker.bootstrap, source, target, str(RECORDS)) as running:
        said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said.decode()
    copied = [value for _, value in read_committed(broker.bootstrap, target, 2, RECORDS)]
    assert sorted(copied) == sorted(values)


@pytest.mark.skipif(bool(why_java_is_unavailable("streams")), reason="Kafka Streams is not there")
def test_kafka_streams_counts_each_word_once(broker: BrokerProcess, new_topic: NewTopic, tmp_path: Path) -> None:
    lines, counts = new_topic(partitions=2), new_topic(partitions=2)
    arguments = broker.bootstrap, lines, counts, "1", str(tmp_path)
    with java_program("WordCount", *arguments, libraries="streams") as running:
        try:
            write(broker.bootstrap, lines, [" ".join(WORDS).encode()] * LINES, 2)
            found = read_committed(broker.bootstrap, counts, 2, LINES * len(WORDS))
        finally:
            said, _ = running.communicate(timeout=60)
    check_counts(found, LINES, said.decode())


def check_counts(found: list[tuple[bytes, bytes]], lines: int, said: str) -> None:
    """Each count of each word was told once, in order: none was made twice, and none left out."""
    for word in set(WORDS):
        told = [int(value) for key, value in found if key == word.encode()]
        assert told == list(range(1, lines * WORDS.count(word) + 1)), f"{word}: {told}\n{said}"
