"""How transactions of every library end: with nothing in them, fenced, too late, and with offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka import TopicPartition as Place

from referee import BrokerProcess
from tests.interop.transacting_clients import LIBRARIES, Transacting

pytestmark = pytest.mark.slow

NewTopic = Callable[..., str]
Open = Callable[..., Transacting]
USUAL_TIMEOUT_MS, SHORT_TIMEOUT_MS = 60_000, 1_000
EACH = pytest.mark.parametrize("name", LIBRARIES)
NAMES = list(LIBRARIES)


@pytest.fixture
def opened(broker: BrokerProcess) -> Iterator[Open]:
    """opened(library, transactional id, timeout ms) -> its producer. What a fenced one says at its end is let be."""
    made: list[Transacting] = []

    def make(name: str, transactional_id: str, timeout_ms: int = USUAL_TIMEOUT_MS) -> Transacting:
        made.append(LIBRARIES[name](broker.bootstrap, transactional_id, timeout_ms))
        return made[-1]

    yield make
    for each in made:
        try:
            each.close()
        except each.refusal as error:
            print(f"{type(each).__name__}: {error}")


def committed(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """So many values of partition 0, once there are; fails where there are more."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "judge", "isolation.level": "read_committed",
                         "enable.partition.eof": True})  # fmt: skip
    consumer.assign([Place(topic, 0, 0)])
    values: list[bytes] = []
    while True:
        message = consumer.poll(30)
        assert message is not None, f"{values} of {count}"
        error = message.error()
        if error is None:
            values.append(message.value() or b"")
        elif error.code() == KafkaError._PARTITION_EOF and len(values) >= count:
            break
    consumer.close()
    assert len(values) == count
    return values


@EACH
def test_a_transaction_with_nothing_in_it_ends_either_way(
    name: str, broker: BrokerProcess, new_topic: NewTopic, opened: Open
) -> None:
    topic = new_topic()
    producer = opened(name, f"id-{topic}")
    for end in (producer.commit, producer.abort, producer.commit):
        producer.begin()
        end()
    producer.begin()
    producer.send(topic, b"something")
    producer.commit()
    assert committed(broker.bootstrap, topic, 1) == [b"something"]


@EACH
def test_a_producer_whose_id_another_library_has_taken_cannot_commit(
    name: str, broker: BrokerProcess, new_topic: NewTopic, opened: Open
) -> None:
    topic, other = new_topic(), NAMES[NAMES.index(name) - 1]
    old = opened(name, f"id-{topic}")
    old.begin()
    old.send(topic, b"never")
    new = opened(other, f"id-{topic}")
    new.begin()
    new.send(topic, b"mine")
    with pytest.raises(old.refusal):
        old.commit()
    new.commit()
    assert committed(broker.bootstrap, topic, 1) == [b"mine"]


@EACH
def test_a_transaction_that_takes_too_long_cannot_be_committed(
    name: str, broker: BrokerProcess, new_topic: NewTopic, opened: Open
) -> None:
    topic = new_topic()
    producer = opened(name, f"id-{topic}", SHORT_TIMEOUT_MS)
    producer.begin()
    producer.send(topic, b"never")
    another = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    another.produce(topic, b"behind it", partition=0)
    assert another.flush(30) == 0
    assert committed(broker.bootstrap, topic, 1) == [b"behind it"], "it can be read once the abort is there"
    with pytest.raises(producer.refusal):
        producer.commit()
    assert committed(broker.bootstrap, topic, 1) == [b"behind it"]


@EACH
def test_offsets_in_a_transaction_are_committed_with_it_or_not_at_all(
    name: str, broker: BrokerProcess, new_topic: NewTopic, opened: Open
) -> None:
    topic = new_topic()
    group = f"of-{topic}"
    producer = opened(name, f"id-{topic}")
    for offset, end in ((5, producer.commit), (9, producer.abort)):
        producer.begin()
        producer.send(topic, b"%d" % offset)
        producer.send_offset(group, topic, offset)
        end()
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    (found,) = consumer.committed([Place(topic, 0)], 30)
    consumer.close()
    assert found.offset == 5
    assert committed(broker.bootstrap, topic, 1) == [b"5"]
