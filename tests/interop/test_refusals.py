"""What the broker must refuse, and by which of Kafka's errors each client learns of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic as ConfluentTopic

from odradek.protocol.codec import decode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import encode_request, read_response_header
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.protocol.primitives import read_varint
from odradek.protocol.records.batch import HEADER_BYTES
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec
from odradek.protocol.records.record import Record
from referee import BrokerProcess
from referee.clients.interface import Client, RefusedError, Sent

TEN_MEGABYTES = bytes(10_000_000)

NewTopic = Callable[..., str]
ClientNamed = Callable[[str], Client]


@pytest.mark.parametrize("name", ["aio", "python", "own"])
def test_a_ten_megabyte_record_is_too_large_and_its_neighbours_go_through(
    name: str, broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    client, topic = client_named(name), new_topic()
    with pytest.raises(RefusedError) as refused:
        client.produce(broker.bootstrap, topic, [Sent(b"key", TEN_MEGABYTES)])
    assert refused.value.code == KafkaError.MSG_SIZE_TOO_LARGE

    assert client.produce(broker.bootstrap, topic, [Sent(b"key", b"small")]) == [0]
    assert [each.value for each in client.read(broker.bootstrap, topic, 1)] == [b"small"]


def test_librdkafka_is_told_that_a_record_is_too_large(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic, errors = new_topic(), []
    generous = {"bootstrap.servers": broker.bootstrap, "message.max.bytes": 50_000_000, "log_level": 0}
    producer = Producer(generous)
    producer.produce(topic, TEN_MEGABYTES, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(20) == 0
    assert [error and error.code() for error in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]


def test_max_message_bytes_of_a_topic_lets_the_ten_megabytes_through(
    broker: BrokerProcess, new_topic: NewTopic, client_named: ClientNamed
) -> None:
    topic = new_topic(max_message_bytes="20000000")
    assert client_named("python").produce(broker.bootstrap, topic, [Sent(None, TEN_MEGABYTES)]) == [0]
    assert client_named("confluent").read(broker.bootstrap, topic, 1)[0].value == TEN_MEGABYTES


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_how_long_a_record_of_a_compressed_batch_may_be_is_the_topics_to_say(
    codec: Codec, broker: BrokerProcess, new_topic: NewTopic
) -> None:
    """To the byte, by the length that it announces; together they may come to more."""
    records = [Record(timestamp=1, value=b"x" * 1000) for _ in range(30)]
    length, _ = read_varint(build_batch(records), HEADER_BYTES)
    swelling = build_batch(records, codec=codec)
    for limit, code in ((length, ErrorCode.NONE), (length - 1, ErrorCode.INVALID_RECORD)):
        topic = new_topic(max_decompressed_message_bytes=str(limit))
        assert produced(broker, topic, swelling) == code, limit
    assert produced(broker, topic, build_batch(records)) == ErrorCode.NONE


def produced(broker: BrokerProcess, topic: str, batch: bytes | bytearray) -> int:
    """The code of a Produce of that batch, with acks=1."""
    data = [TopicProduceData(topic, partition_data=[PartitionProduceData(0, batch)])]
    pieces: list[Any] = list(encode_request(ProduceRequest(None, 1, 5000, data), 9, 7, "refusals"))
    host, _, port = broker.bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"".join(pieces))
        with connection.makefile("rb") as incoming:
            frame = incoming.read(struct.unpack(">i", incoming.read(4))[0])
    _, position = read_response_header(frame, ProduceResponse, 9)
    return decode(ProduceResponse, frame, 9, position).responses[0].partition_responses[0].error_code


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../escape", "sp ace", "x" * 250, "ümlaut"])
def test_a_topic_name_that_kafka_would_refuse_is_an_invalid_topic(name: str, admin: AdminClient) -> None:
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([ConfluentTopic(name, 1, 1)])[name].result(20)
    assert refused.value.args[0].code() == KafkaError.TOPIC_EXCEPTION


@pytest.mark.parametrize(
    ("partitions", "replicas", "config", "code"),
    [
        pytest.param(0, 1, {}, KafkaError.INVALID_PARTITIONS, id="no partitions"),
        pytest.param(1, 7, {}, KafkaError.INVALID_REPLICATION_FACTOR, id="more replicas than brokers"),
        pytest.param(1, 1, {"no.such.key": "1"}, KafkaError.INVALID_CONFIG, id="an unknown config"),
        pytest.param(1, 1, {"retention.ms": "soon"}, KafkaError.INVALID_CONFIG, id="a config that is no number"),
    ],
)
def test_a_topic_that_cannot_be_is_refused(
    partitions: int, replicas: int, config: dict[str, str], code: int, admin: AdminClient
) -> None:
    with pytest.raises(KafkaException) as refused:
        topic = ConfluentTopic("impossible", partitions, replicas, config=config)
        admin.create_topics([topic])["impossible"].result(20)
    assert refused.value.args[0].code() == code
    assert "impossible" not in admin.list_topics(timeout=20).topics


def test_a_topic_cannot_be_created_twice(admin: AdminClient, new_topic: NewTopic) -> None:
    topic = new_topic()
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([ConfluentTopic(topic, 1, 1)])[topic].result(20)
    assert refused.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS


def test_an_offset_out_of_range_is_told_to_the_consumer(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic()
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "none", "auto.offset.reset": "error"}
    consumer = Consumer(settings)
    try:
        consumer.assign([TopicPartition(topic, 0, 1000)])
        message = consumer.poll(20)
        assert message is not None
        error = message.error()
        assert error is not None
        assert error.code() == KafkaError._AUTO_OFFSET_RESET
        assert "out of range" in error.str().lower()
    finally:
        consumer.close()


def test_a_partition_that_does_not_exist_is_unknown(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic(2)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none"})
    try:
        with pytest.raises(KafkaException) as refused:
            consumer.get_watermark_offsets(TopicPartition(topic, 7), timeout=20)
        assert refused.value.args[0].code() == KafkaError._UNKNOWN_PARTITION
    finally:
        consumer.close()
