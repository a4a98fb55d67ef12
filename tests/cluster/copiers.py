"""Programs that copy `source` to `target` in transactions until they are killed, written as each library wants it.

    python -m tests.cluster.copiers confluent|odradek BOOTSTRAP TRANSACTIONAL_ID

Several may share the work: they are one group. After an error both clients are made anew, and go on from what is
committed. The one by confluent-kafka ends if it stands still: librdkafka 2.16 may wait for a group's coordinator for
ever (docs/compatibility.md). Whoever has started it starts another.
"""

from __future__ import annotations

import signal
import sys

import trio
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import KafkaException, Message, TopicPartition
from confluent_kafka import Producer as ConfluentProducer

from odradek import Consumer, OdradekError, Producer, exactly_once
from tests.cluster.load import IMPATIENT

SESSION_MS, HEARTBEAT_MS, TRANSACTION_MS = 6_000, 500, 10_000
AT_ONCE = 100
API_S = 15
STANDS_STILL_S = 2 * API_S


class Revoked(Exception):
    """What was just read may be another's by now."""


def copy_by_confluent(bootstrap: str, transactional_id: str) -> None:
    settings = {"bootstrap.servers": bootstrap, **IMPATIENT, "metadata.recovery.strategy": "none"}
    reads = {"group.id": "copiers", "auto.offset.reset": "earliest", "enable.auto.commit": False,
             "isolation.level": "read_committed", "session.timeout.ms": SESSION_MS,
             "heartbeat.interval.ms": HEARTBEAT_MS}  # fmt: skip
    writes = {"transactional.id": transactional_id, "transaction.timeout.ms": TRANSACTION_MS}
    while True:
        signal.alarm(STANDS_STILL_S)
        consumer = ConfluentConsumer({**settings, **reads})
        try:
            producer = ConfluentProducer({**settings, **writes})
            producer.init_transactions(API_S)
            _copy_for_a_life(consumer, producer)
        except (KafkaException, Revoked) as error:
            print(f"begins anew: {error!r}", flush=True)
        finally:
            consumer.close()


def _copy_for_a_life(consumer: ConfluentConsumer, producer: ConfluentProducer) -> None:
    revoked: list[TopicPartition] = []
    consumer.subscribe(["source"], on_revoke=lambda _, given_up: revoked.extend(given_up))
    while True:
        messages = [message for message in consumer.consume(AT_ONCE, 0.2) if not message.error()]
        if revoked:
            raise Revoked
        signal.alarm(STANDS_STILL_S)
        if messages:
            producer.begin_transaction()
            try:
                _copy(messages, consumer, producer)
            except KafkaException as error:
                if error.args[0].txn_requires_abort():
                    producer.abort_transaction(API_S)
                raise


def _copy(messages: list[Message], consumer: ConfluentConsumer, producer: ConfluentProducer) -> None:
    upto: dict[int, int] = {}
    for message in messages:
        partition, offset = message.partition(), message.offset()
        assert partition is not None and offset is not None
        producer.produce("target", message.value(), partition=partition)
        upto[partition] = offset + 1
    offsets = [TopicPartition("source", partition, offset) for partition, offset in upto.items()]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), API_S)
    while True:
        try:
            producer.commit_transaction(API_S)
            return
        except KafkaException as error:
            if not error.args[0].retriable():
                raise


async def copy_by_odradek(bootstrap: str, transactional_id: str) -> None:
    while True:
        try:
            async with (
                Consumer(bootstrap, "source", group="copiers", commit="manual", start="earliest",
                         isolation_level="read_committed", session_timeout_ms=SESSION_MS,
                         heartbeat_interval_ms=HEARTBEAT_MS) as consumer,
                Producer(bootstrap, transactional_id=transactional_id,
                         transaction_timeout_ms=TRANSACTION_MS) as producer,
                exactly_once(consumer, producer, max_records=AT_ONCE) as batches,
            ):  # fmt: skip
                async for batch in batches:
                    for record in batch:
                        await producer.send("target", record.value, partition=record.partition)
        except OdradekError as error:
            print(f"begins anew: {error!r}", flush=True)


if __name__ == "__main__":
    _, library, to, name = sys.argv
    if library == "confluent":
        copy_by_confluent(to, name)
    else:
        trio.run(copy_by_odradek, to, name)
