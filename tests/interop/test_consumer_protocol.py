"""The consumer protocol (KIP-848) with confluent-kafka: members come and go, and those that stay read on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupType, TopicPartition
from confluent_kafka.admin import AdminClient

from referee import BrokerProcess
from referee.clients.confluent import Confluent
from referee.clients.interface import Sent

PARTITIONS = 6
ALL = set(range(PARTITIONS))
PATIENCE_SECONDS = 40

NewTopic = Callable[..., str]


class Reader:
    """A member that keeps what it was told."""

    def __init__(self, broker: BrokerProcess, topic: str, **settings: object) -> None:
        self.values: list[bytes] = []
        self.owned: set[int] = set()
        self.given_up: set[int] = set()
        self._consumer = Consumer(
            {
                "bootstrap.servers": broker.bootstrap,
                "group.id": topic,
                "group.protocol": "consumer",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **settings,
            }
        )
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.owned |= {each.partition for each in partitions}

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.owned -= {each.partition for each in partitions}
        self.given_up |= {each.partition for each in partitions}

    def poll(self) -> None:
        for message in self._consumer.consume(100, 0.05):
            assert message.error() is None, message.error()
            self.values.append(message.value() or b"")

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


@contextlib.contextmanager
def reading(broker: BrokerProcess, topic: str, **settings: object) -> Iterator[Reader]:
    reader = Reader(broker, topic, **settings)
    try:
        yield reader
    finally:
        reader.close()


def poll_until(done: Callable[[], bool], *readers: Reader) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not done() and time.monotonic() < end:
        for reader in readers:
            reader.poll()
    assert done(), [sorted(each.owned) for each in readers]


def fill(broker: BrokerProcess, topic: str, word: str) -> set[bytes]:
    sent = [Sent(None, f"{word} {number}".encode()) for number in range(10)]
    for partition in range(PARTITIONS):
        Confluent().produce(broker.bootstrap, topic, sent, partition=partition)
    return {each.value or b"" for each in sent}


def test_one_member_reads_everything_and_goes_on_where_it_had_committed(
    broker: BrokerProcess, new_topic: NewTopic, admin: AdminClient
) -> None:
    topic = new_topic(PARTITIONS)
    before = fill(broker, topic, "before")
    with reading(broker, topic) as reader:
        poll_until(lambda: len(reader.values) == PARTITIONS * len(before), reader)
        reader.commit()
        described = admin.describe_consumer_groups([topic])[topic].result(10)
        assert (described.state, described.type) == (ConsumerGroupState.STABLE, ConsumerGroupType.CONSUMER)
    after = fill(broker, topic, "after")
    with reading(broker, topic) as reader:
        poll_until(lambda: len(reader.values) >= PARTITIONS * len(after), reader)
        assert set(reader.values) == after


@pytest.mark.slow
def test_partitions_move_to_one_who_joins_and_back_and_the_one_that_stays_keeps_half_all_along(
    broker: BrokerProcess, new_topic: NewTopic
) -> None:
    topic = new_topic(PARTITIONS)
    with reading(broker, topic) as stays:
        poll_until(lambda: stays.owned == ALL, stays)
        with reading(broker, topic) as comes:
            poll_until(lambda: len(stays.owned) == len(comes.owned) == PARTITIONS // 2, stays, comes)
            assert stays.owned | comes.owned == ALL
        assert len(stays.given_up) == PARTITIONS // 2
        poll_until(lambda: stays.owned == ALL, stays)
        assert len(stays.given_up) == PARTITIONS // 2, "nothing that it kept was ever taken away"


@pytest.mark.slow
def test_a_group_goes_over_to_the_consumer_protocol_and_back_while_it_reads(
    broker: BrokerProcess, new_topic: NewTopic, admin: AdminClient
) -> None:
    classic = {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "heartbeat.interval.ms": 200,
        "session.timeout.ms": 10_000,
    }
    topic = new_topic(PARTITIONS)
    with reading(broker, topic, **classic) as old:
        poll_until(lambda: old.owned == ALL, old)
        with reading(broker, topic) as new:
            poll_until(lambda: len(old.owned) == len(new.owned) == PARTITIONS // 2, old, new)
            assert _type_of(topic, admin) is ConsumerGroupType.CONSUMER
            sent = fill(broker, topic, "meanwhile")
            poll_until(lambda: len(old.values) + len(new.values) == PARTITIONS * len(sent), old, new)
        poll_until(lambda: old.owned == ALL, old)
        assert _type_of(topic, admin) is ConsumerGroupType.CLASSIC


def _type_of(group: str, admin: AdminClient) -> ConsumerGroupType:
    found = {each.group_id: each.type for each in admin.list_consumer_groups().result(10).valid}
    kind: ConsumerGroupType = found[group]
    return kind
