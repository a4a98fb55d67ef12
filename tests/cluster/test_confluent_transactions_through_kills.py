"""A copy by confluent-kafka, exactly once, while each broker of three is killed in turn.

It is written as its makers write theirs: on an error that can be aborted it aborts and reads again from what is
committed; on a fatal one it begins anew. Without re-bootstrap, for after one librdkafka 2.16 may wait for a group's
coordinator for ever, with Apache Kafka as with us (docs/compatibility.md).
"""

from __future__ import annotations

import threading
import time

import pytest
import trio
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from load import IMPATIENT

from odradek import Admin
from odradek.testing import Cluster

pytestmark = pytest.mark.slow

PATIENCE_S = 120.0
AHEAD = 500
SETTINGS = {
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
}


class Copier:
    """Copies `source` to `target` in a thread, a transaction for what each poll brings."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.is_stopping = threading.Event()
        self.transactions = self.copied = self.aborted = self.begun_anew = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.is_stopping.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    async def has_copied(self, transactions: int) -> None:
        """So many more than now."""
        upto = self.transactions + transactions
        with trio.fail_after(PATIENCE_S):
            while self.transactions < upto:  # noqa: ASYNC110 (a thread tells nobody)
                await trio.sleep(0.01)

    def _run(self) -> None:
        while not self.is_stopping.is_set():
            try:
                self._copy_for_a_life()
            except KafkaException:
                self.begun_anew += 1

    def _copy_for_a_life(self) -> None:
        settings = {"bootstrap.servers": self._bootstrap, **IMPATIENT, "metadata.recovery.strategy": "none"}
        consumer = Consumer({**settings, "group.id": "copiers", "auto.offset.reset": "earliest",
                             "enable.auto.commit": False, "isolation.level": "read_committed",
                             "session.timeout.ms": 6_000})  # fmt: skip
        try:
            consumer.subscribe(["source"])
            producer = Producer({**settings, "transactional.id": "copier", "transaction.timeout.ms": 20_000})
            producer.init_transactions(30)
            while not self.is_stopping.is_set():
                messages = [message for message in consumer.consume(50, 0.2) if not message.error()]
                if messages:
                    self._copy(messages, consumer, producer)
        finally:
            consumer.close()

    def _copy(self, messages: list[Message], consumer: Consumer, producer: Producer) -> None:
        producer.begin_transaction()
        try:
            for message in messages:
                producer.produce("target", message.value(), partition=message.partition())
            positions = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 30)
            self._commit(producer)
            self.transactions += 1
            self.copied += len(messages)
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            producer.abort_transaction(30)
            self.aborted += 1
            raise  # the consumer is ahead of what is committed: begin anew

    def _commit(self, producer: Producer) -> None:
        while True:
            try:
                producer.commit_transaction(30)
                return
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise


def read_target(bootstrap: str) -> list[int]:
    """All that is committed, by partition and in order."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "r", "isolation.level": "read_committed"})
    values: list[int] = []
    try:
        for partition in range(2):
            place = TopicPartition("target", partition, 0)
            reader.assign([place])
            _, end = reader.get_watermark_offsets(place, 30)
            deadline = time.monotonic() + PATIENCE_S
            while reader.position([place])[0].offset < end and time.monotonic() < deadline:
                values += [int(message.value() or b"") for message in reader.consume(2_000, 0.2)]
                if reader.position([place])[0].offset < 0 and end == 0:
                    break
    finally:
        reader.close()
    return values


class Source:
    """Writes numbers to `source`, never many more than are copied, so that the copier has always something to do."""

    def __init__(self, bootstrap: str, copier: Copier) -> None:
        self.written = 0
        self._copier = copier
        self._producer = Producer({"bootstrap.servers": bootstrap, **IMPATIENT, "enable.idempotence": True})

    async def run(self) -> None:
        while True:
            if self.written < self._copier.copied + AHEAD:
                self._producer.produce("source", b"%d" % self.written, partition=self.written % 2)
                self.written += 1
            else:
                self._producer.poll(0)
                await trio.sleep(0.02)

    async def finish(self) -> None:
        assert await trio.to_thread.run_sync(self._producer.flush, PATIENCE_S) == 0


async def test_a_copy_by_confluent_has_each_record_once_though_each_broker_is_killed_in_turn() -> None:
    async with Cluster(brokers=3, settings=SETTINGS) as cluster:
        async with Admin(cluster.bootstrap) as admin:
            for topic in ("source", "target"):
                await admin.create_topic(topic, 2, 3)
        copier = Copier(cluster.bootstrap)
        source = Source(cluster.bootstrap, copier)
        copier.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run)
            for broker in cluster.brokers:
                await copier.has_copied(5)
                broker.kill()
                await trio.sleep(0.5)
                await broker.start()
            await copier.has_copied(5)
            nursery.cancel_scope.cancel()
        await source.finish()
        with trio.fail_after(PATIENCE_S):
            while len(await trio.to_thread.run_sync(read_target, cluster.bootstrap)) < source.written:  # noqa: ASYNC110
                await trio.sleep(0.5)
        await trio.to_thread.run_sync(copier.stop)
        copied = await trio.to_thread.run_sync(read_target, cluster.bootstrap)
    assert sorted(copied) == list(range(source.written))
