"""Kafka's other tools for share groups, and for groups of every kind: they work, and print the truth."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from referee import BrokerProcess, run_java_tool
from tests.interop.test_share_groups import produce, share_from_start

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]

NewTopic = Callable[..., str]


def test_kafkas_verifiable_share_consumer_accepts_all_it_is_given(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=2)
    share_from_start(broker, topic, topic, 2)
    produce(broker, topic, *(f"v{number}" for number in range(50)))
    arguments = ["--bootstrap-server", broker.bootstrap, "--topic", topic, "--group-id", topic]
    done = run_java_tool("kafka-verifiable-share-consumer", *arguments, "--max-messages", "50")
    events = [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith("{")]
    consumed = sum(each["count"] for each in events if each["name"] == "records_consumed")
    told = [each for each in events if each["name"] == "offsets_acknowledged"]
    assert (consumed, sum(each["count"] for each in told)) == (50, 50)
    assert all(each["success"] for each in told)


def test_kafka_groups_lists_groups_of_every_kind(broker: BrokerProcess, new_topic: NewTopic, segments: Path) -> None:
    topic = new_topic()
    share_from_start(broker, f"{topic}-share", topic)
    produce(broker, topic, "one")
    for protocol in ("classic", "consumer"):
        settings = {"group.id": f"{topic}-{protocol}", "group.protocol": protocol, "auto.offset.reset": "earliest"}
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, **settings})
        consumer.subscribe([topic])
        try:
            message = consumer.poll(30)
            assert message is not None and message.error() is None
            consumer.commit(asynchronous=False)
        finally:
            consumer.close()
    listed = run_java_tool("kafka-groups", "--bootstrap-server", broker.bootstrap, "--list").stdout.decode()
    kinds = {line.split()[0]: line.split()[1:] for line in listed.splitlines() if line.startswith(topic)}
    assert {name.removeprefix(f"{topic}-"): row[0] for name, row in kinds.items()} == {
        "share": "Share",
        "classic": "Classic",
        "consumer": "Consumer",
    }
    assert {row[-1] for row in kinds.values()} <= {"consumer", "share"}, kinds
    files = ",".join(str(path) for path in segments.glob("__consumer_offsets-*/*.log") if path.stat().st_size)
    decoded = run_java_tool("kafka-dump-log", "--offsets-decoder", "--files", files).stdout.decode()
    for name in kinds:
        assert re.search(rf'"group(Id)?":"{name}"', decoded), name
