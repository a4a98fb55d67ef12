"""Offsets looked up by time, and the offsets at both ends, asked by every library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiokafka
import confluent_kafka
import kafka
import pytest
from confluent_kafka.admin import AdminClient, OffsetSpec

from referee import BrokerProcess
from referee.awkward_records import YEAR_2001_MS
from referee.clients.interface import Client, Sent

TIMES_MS = [YEAR_2001_MS + offset * 1000 for offset in range(30)]

NewTopic = Callable[..., str]

# (the time asked for, the first offset at or after it)
QUESTIONS: list[tuple[int, int | None]] = [
    (YEAR_2001_MS - 1, 0),
    (YEAR_2001_MS, 0),
    (TIMES_MS[14] + 1, 15),  # in the middle of a compressed batch
    (TIMES_MS[20], 20),  # the first of a batch
    (TIMES_MS[29], 29),
    (TIMES_MS[29] + 1, None),
]


@pytest.fixture
def timed_topic(broker: BrokerProcess, new_topic: NewTopic, client_named: Callable[[str], Client]) -> str:
    """Thirty records a second apart, in three batches, one of them compressed."""
    topic = new_topic()
    records = [Sent(None, b"%d" % offset, timestamp_ms=time_ms) for offset, time_ms in enumerate(TIMES_MS)]
    for codec, batch in (("none", records[:10]), ("zstd", records[10:20]), ("none", records[20:])):
        client_named("confluent").produce(broker.bootstrap, topic, batch, codec=codec)
    return topic


def test_confluent_finds_the_first_offset_at_or_after_a_time(broker: BrokerProcess, timed_topic: str) -> None:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none"})
    try:
        for time_ms, offset in QUESTIONS:
            asked = confluent_kafka.TopicPartition(timed_topic, 0, time_ms)
            (answer,) = consumer.offsets_for_times([asked], timeout=20)
            assert answer.offset == (confluent_kafka.OFFSET_END if offset is None else offset), time_ms
        assert consumer.get_watermark_offsets(confluent_kafka.TopicPartition(timed_topic, 0)) == (0, 30)
    finally:
        consumer.close()


def test_kafka_python_finds_the_first_offset_at_or_after_a_time(broker: BrokerProcess, timed_topic: str) -> None:
    partition = kafka.TopicPartition(timed_topic, 0)
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.bootstrap)
    try:
        for time_ms, offset in QUESTIONS:
            answer = consumer.offsets_for_times({partition: time_ms})[partition]
            found = None if answer is None else (answer.offset, answer.timestamp)
            assert found == (None if offset is None else (offset, TIMES_MS[offset])), time_ms
        assert consumer.beginning_offsets([partition]) == {partition: 0}
        assert consumer.end_offsets([partition]) == {partition: 30}
    finally:
        consumer.close()


def test_aiokafka_finds_the_first_offset_at_or_after_a_time(broker: BrokerProcess, timed_topic: str) -> None:
    async def ask() -> None:
        partition = aiokafka.TopicPartition(timed_topic, 0)
        async with aiokafka.AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
            for time_ms, offset in QUESTIONS:
                answer = (await consumer.offsets_for_times({partition: time_ms}))[partition]
                found = None if answer is None else (answer.offset, answer.timestamp)
                assert found == (None if offset is None else (offset, TIMES_MS[offset])), time_ms
            assert await consumer.beginning_offsets([partition]) == {partition: 0}
            assert await consumer.end_offsets([partition]) == {partition: 30}

    asyncio.run(ask())


def test_the_admin_client_lists_earliest_latest_by_time_and_the_largest_timestamp(
    admin: AdminClient,
    broker: BrokerProcess,
    timed_topic: str,
    client_named: Callable[[str], Client],
) -> None:
    out_of_order = Sent(None, b"early", timestamp_ms=YEAR_2001_MS - 5_000)
    client_named("confluent").produce(broker.bootstrap, timed_topic, [out_of_order])

    spec: Any = OffsetSpec  # half of its constructors carry no types

    def listed(at: OffsetSpec) -> tuple[int, int]:
        partition = confluent_kafka.TopicPartition(timed_topic, 0)
        answer = admin.list_offsets({partition: at})[partition].result(20)
        return answer.offset, answer.timestamp

    assert listed(spec.earliest()) == (0, -1)
    assert listed(spec.latest()) == (31, -1)
    assert listed(spec.for_timestamp(TIMES_MS[17])) == (17, TIMES_MS[17])
    assert listed(spec.max_timestamp()) == (29, TIMES_MS[29])
