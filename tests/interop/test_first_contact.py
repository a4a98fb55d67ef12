"""What a client meets first: metadata, a topic that is not there yet, an empty partition."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, KafkaError
from confluent_kafka.admin import AdminClient

from referee import BrokerProcess
from referee.clients.interface import Client, Sent
from referee.clients.kcat import run_kcat

NewTopic = Callable[..., str]
ClientNamed = Callable[[str], Client]


def test_kcat_lists_the_broker_at_the_address_it_used_and_its_topics(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    client_named("kcat")
    topic = new_topic(3)
    listed = json.loads(run_kcat(broker.bootstrap, "-L", "-J"))
    assert [each["name"] for each in listed["brokers"]] == [broker.bootstrap]
    (described,) = [each for each in listed["topics"] if each["topic"] == topic]
    node = listed["brokers"][0]["id"]
    replicas = [{"id": node}]
    assert described["partitions"] == [
        {"partition": index, "leader": node, "replicas": replicas, "isrs": replicas} for index in range(3)
    ]


@pytest.mark.parametrize("name", ["confluent", "aio", "python", "kcat", "own"])
def test_producing_to_a_topic_that_is_not_there_makes_it(
    name: str, admin: AdminClient, broker: BrokerProcess, client_named: ClientNamed
) -> None:
    topic = f"made-by-{name}"
    assert topic not in admin.list_topics(timeout=20).topics
    client_named(name).produce(broker.bootstrap, topic, [Sent(None, b"first")])
    assert len(admin.list_topics(timeout=20).topics[topic].partitions) == 1
    assert [each.value for each in client_named(name).read(broker.bootstrap, topic, 1)] == [b"first"]


def test_a_consumer_that_asks_for_a_topic_does_not_make_it(admin: AdminClient, broker: BrokerProcess) -> None:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none"})
    try:
        error = consumer.list_topics("never-made", timeout=20).topics["never-made"].error
        assert error is not None
        assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    finally:
        consumer.close()
    assert "never-made" not in admin.list_topics(timeout=20).topics


@pytest.mark.slow
def test_records_without_a_partition_are_spread_by_key_as_every_library_does_it(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    """The partitioner is the client's, but it rests on the partition count that the broker tells."""
    topic = new_topic(6)
    lines = b"".join(b"key-%d\tvalue\n" % number for number in range(60))
    client_named("kcat")
    run_kcat(broker.bootstrap, "-P", "-t", topic, "-K", r"\t", "-X", "partitioner=murmur2_random", stdin=lines)
    counts = {each: len(client_named("kcat").read(broker.bootstrap, topic, 60, partition=each)) for each in range(6)}
    assert sum(counts.values()) == 60
    assert min(counts.values()) > 0
