"""Odradek's own client against Apache Kafka itself, with confluent-kafka as the witness of what is in the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from referee import ApacheKafka, BrokerProcess, clients
from referee.awkward_records import assert_same_records, awkward_records
from referee.clients.interface import Read, Sent
from referee.clients.own import Own

pytestmark = [pytest.mark.slow, pytest.mark.java]

PARTITIONS = 4
OWN = Own()


@pytest.fixture(scope="module")
def kafka(need_java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with ApacheKafka(tmp_path_factory.mktemp("kafka") / "data", heap_mb=512) as running:
        yield running


@pytest.fixture
def topic(kafka: BrokerProcess, request: pytest.FixtureRequest) -> str:
    name = f"{Path(request.node.name).stem}"[:60].replace("[", "-").replace("]", "")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(30)
    while name not in admin.list_topics(timeout=30).topics:
        time.sleep(0.02)
    return name


@pytest.mark.parametrize("codec", OWN.codecs)
def test_what_it_writes_to_kafka_is_what_it_and_others_read(codec: str, kafka: BrokerProcess, topic: str) -> None:
    records = awkward_records(codec)
    began_ms = int(time.time() * 1000)
    assert OWN.produce(kafka.bootstrap, topic, records, codec=codec) == list(range(len(records)))
    between_ms = (began_ms, int(time.time() * 1000))

    for reader in (OWN, clients.client("confluent")):
        read = reader.read(kafka.bootstrap, topic, len(records))
        assert_same_records(read, records, between_ms=between_ms)


@pytest.mark.parametrize("codec", OWN.codecs)
def test_what_others_wrote_to_kafka_is_what_it_reads(codec: str, kafka: BrokerProcess, topic: str) -> None:
    records = awkward_records(codec)
    began_ms = int(time.time() * 1000)
    clients.client("confluent").produce(kafka.bootstrap, topic, records, codec=codec)
    read = OWN.read(kafka.bootstrap, topic, len(records))
    assert_same_records(read, records, between_ms=(began_ms, int(time.time() * 1000)))


def test_its_idempotent_batches_arrive_once_and_in_order(kafka: BrokerProcess, topic: str) -> None:
    records = [Sent(b"%d" % number, b"value %d" % number) for number in range(2000)]
    assert OWN.produce_idempotently(kafka.bootstrap, topic, records) == list(range(2000))
    read = clients.client("confluent").read(kafka.bootstrap, topic, 2000)
    assert [(each.key, each.value) for each in read] == [(each.key, each.value) for each in records]


def test_two_of_its_members_share_a_group_and_resume_from_their_commits(kafka: BrokerProcess, topic: str) -> None:
    _fill(kafka, topic, b"before")
    first, second = (OWN.join(kafka.bootstrap, topic, topic) for _ in range(2))
    read: list[Read] = []
    deadline = time.monotonic() + 40
    shared = False
    while (len(read) < 10 * PARTITIONS or not shared) and time.monotonic() < deadline:
        read += first.poll(0.1) + second.poll(0.1)
        owned = [*first.assignment(), *second.assignment()]
        shared = sorted(owned) == list(range(PARTITIONS)) and len(first.assignment()) == PARTITIONS // 2
    first.commit()
    second.commit()
    first.close()
    second.close()
    assert shared
    assert {each.value for each in read} == {b"before"}
    assert len({(each.partition, each.offset) for each in read}) == 10 * PARTITIONS

    _fill(kafka, topic, b"after")
    third, read = OWN.join(kafka.bootstrap, topic, topic), []
    while len(read) < 10 * PARTITIONS and time.monotonic() < deadline:
        read += third.poll(0.1)
    read += third.poll(0.3)
    third.close()
    assert [each.value for each in read] == [b"after"] * 10 * PARTITIONS


def _fill(kafka: BrokerProcess, topic: str, value: bytes) -> None:
    for partition in range(PARTITIONS):
        OWN.produce(kafka.bootstrap, topic, [Sent(None, value)] * 10, partition=partition)
