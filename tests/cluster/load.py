"""Writers that remember what was acknowledged, and what a reader makes of it."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import aiokafka
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python reads its schemas in a deprecated way
    import kafka

IMPATIENT = {
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 100,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 100,
    "log_level": 0,
}
IMPATIENT_PYTHON = {"reconnect_backoff_ms": 20, "reconnect_backoff_max_ms": 100}
COMMITS_OFTEN = {"auto_offset_reset": "earliest", "enable_auto_commit": True, "auto_commit_interval_ms": 500}
ANYWHERE = -1
"""librdkafka knows that a retry was written before, when the broker remembers that no more, but not where."""
PATIENCE_SECONDS = 60
RECORDS_PER_SECOND = 5_000


class Writer:
    """Sends numbers to partition 0 at a steady pace, in a thread of its own; each subclass by a library."""

    records_per_second = RECORDS_PER_SECOND

    def __init__(self, bootstrap: str, topic: str, **config: object) -> None:
        """`config`: settings of the library, under its names."""
        self._bootstrap = bootstrap
        self._topic = topic
        self._config = config
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._times: list[float] = []
        self.sent = 0
        self.acknowledged: dict[bytes, int] = {}
        self.failed: list[str] = []
        self.unanswered = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when everything sent has been answered."""
        self._stopping.set()
        self._thread.join()

    @property
    def longest_gap_s(self) -> float:
        """Between two acknowledgements."""
        return max((later - sooner for sooner, later in zip(self._times, self._times[1:], strict=False)), default=0.0)

    def wait_for_acknowledgements(self, count: int = 100) -> None:
        """Until so many more have come."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + PATIENCE_SECONDS
        while len(self.acknowledged) < wanted:
            assert not self.failed, self.failed[:3]
            assert self._thread.is_alive(), "the writer has ended"
            assert time.monotonic() < deadline, "nothing is acknowledged any more"
            time.sleep(0.005)

    def _run(self) -> None:
        raise NotImplementedError

    def _due(self, began: float) -> Iterator[bytes]:
        """What is to be sent by now; each counts as sent when the next one is asked for."""
        due = int((time.monotonic() - began) * self.records_per_second)
        while self.sent < due and not self._stopping.is_set():
            yield b"%d" % self.sent
            self.sent += 1

    def _acknowledge(self, value: bytes, offset: int) -> None:
        self.acknowledged[value] = offset
        self._times.append(time.monotonic())


class ConfluentWriter(Writer):
    """librdkafka."""

    def _run(self) -> None:
        settings = {"bootstrap.servers": self._bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 1}
        producer = Producer({**settings, **IMPATIENT, **self._config})
        began = time.monotonic()
        while not self._stopping.is_set():
            for value in self._due(began):
                try:
                    producer.produce(self._topic, value, partition=0, on_delivery=self._delivered)
                except BufferError:
                    break
            producer.poll(0.002)
        self.unanswered = producer.flush(PATIENCE_SECONDS)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed.append(str(error))
            return
        value, offset = message.value(), message.offset()
        assert value is not None
        self._acknowledge(value, ANYWHERE if offset is None else offset)


class AioKafkaWriter(Writer):
    """aiokafka. It retries an idempotent write for ever."""

    records_per_second = 1_000

    def _run(self) -> None:
        asyncio.run(self._write())

    async def _write(self) -> None:
        settings = {"bootstrap_servers": self._bootstrap, "acks": "all", "enable_idempotence": True, "linger_ms": 1}
        outstanding: set[asyncio.Future[Any]] = set()
        async with aiokafka.AIOKafkaProducer(**{**settings, **self._config}) as producer:
            began = time.monotonic()
            while not self._stopping.is_set():
                for value in self._due(began):
                    delivery = await producer.send(self._topic, value, partition=0)
                    outstanding.add(delivery)
                    delivery.add_done_callback(outstanding.discard)
                    delivery.add_done_callback(partial(self._delivered, value))
                await asyncio.sleep(0.002)
            if outstanding:
                await asyncio.wait(outstanding, timeout=PATIENCE_SECONDS)
            self.unanswered = len(outstanding)

    def _delivered(self, value: bytes, delivery: asyncio.Future[Any]) -> None:
        error = delivery.exception()
        if error is not None:
            self.failed.append(repr(error))
        else:
            self._acknowledge(value, delivery.result().offset)


class KafkaPythonWriter(Writer):
    """kafka-python, which is idempotent and waits two minutes for a delivery unless told otherwise."""

    records_per_second = 1_000

    def _run(self) -> None:
        settings = {"bootstrap_servers": self._bootstrap, "acks": "all", "enable_idempotence": True, "linger_ms": 1}
        producer = kafka.KafkaProducer(**{**settings, **IMPATIENT_PYTHON, **self._config})
        began = time.monotonic()
        while not self._stopping.is_set():
            for value in self._due(began):
                delivery = producer.send(self._topic, value, partition=0)
                delivery.add_callback(partial(self._delivered, value))
                delivery.add_errback(lambda error: self.failed.append(repr(error)))
            time.sleep(0.002)
        producer.flush(PATIENCE_SECONDS)
        self.unanswered = self.sent - len(self.acknowledged) - len(self.failed)
        producer.close()

    def _delivered(self, value: bytes, metadata: Any) -> None:
        self._acknowledge(value, metadata.offset)


class GroupReader:
    """The one member of a group: reads along in a thread of its own and commits as its library does by itself."""

    def __init__(self, bootstrap: str, topic: str, group: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = group
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failed: list[str] = []
        self.seen: dict[int, bytes] = {}
        """The value at each offset."""
        self.changed: list[int] = []
        """Offsets that were read twice, with two values."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Leave the group, after a last commit."""
        self._stopping.set()
        self._thread.join()

    def wait_for(self, offset: int) -> None:
        """Until it has been read."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while offset not in self.seen:
            assert self._thread.is_alive(), self.failed
            assert time.monotonic() < deadline, f"{len(self.seen)} read, never offset {offset}"
            time.sleep(0.005)

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:
            self.failed.append(repr(error))
            raise

    def _read(self) -> None:
        raise NotImplementedError

    def _saw(self, batches: dict[Any, list[Any]]) -> None:
        for batch in batches.values():
            for record in batch:
                if self.seen.setdefault(record.offset, record.value) != record.value:
                    self.changed.append(record.offset)


class AioKafkaReader(GroupReader):
    def _read(self) -> None:
        asyncio.run(self._read_along())

    async def _read_along(self) -> None:
        settings = {"bootstrap_servers": self._bootstrap, "group_id": self._group, **COMMITS_OFTEN}
        async with aiokafka.AIOKafkaConsumer(self._topic, **settings) as consumer:
            while not self._stopping.is_set():
                self._saw(await consumer.getmany(timeout_ms=200))


class KafkaPythonReader(GroupReader):
    def _read(self) -> None:
        settings = {"bootstrap_servers": self._bootstrap, "group_id": self._group, **COMMITS_OFTEN}
        consumer = kafka.KafkaConsumer(self._topic, **settings, **IMPATIENT_PYTHON)
        while not self._stopping.is_set():
            try:
                self._saw(consumer.poll(timeout_ms=200))
            except kafka.errors.KafkaError as error:
                # poll() raises where it looks for the coordinator and two brokers in turn are down: as of 3.0.12,
                # ensure_coordinator_ready_async catches that for the first of its questions only. A user polls again.
                if not error.retriable:
                    raise
        consumer.close()


@contextmanager
def writing(bootstrap: str, topic: str, by: type[Writer] = ConfluentWriter, **config: Any) -> Iterator[Writer]:
    writer = by(bootstrap, topic, **config)
    writer.start()
    try:
        writer.wait_for_acknowledgements()
        yield writer
    finally:
        writer.stop()


@contextmanager
def reading(bootstrap: str, topic: str, group: str, by: type[GroupReader]) -> Iterator[GroupReader]:
    reader = by(bootstrap, topic, group)
    reader.start()
    try:
        reader.wait_for(0)
        yield reader
    finally:
        reader.stop()


def read_everything(bootstrap: str, topic: str) -> list[tuple[bytes, int]]:
    """Every record of partition 0, with its offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", **IMPATIENT})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE_SECONDS)
    consumer.assign([TopicPartition(topic, 0, 0)])
    read: list[tuple[bytes, int]] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not read or read[-1][1] < end - 1:
        assert time.monotonic() < deadline, f"{len(read)} records of {end}"
        read += [(message.value() or b"", message.offset() or 0) for message in consumer.consume(10_000, 0.5)]
    consumer.close()
    return read


def check(writer: Writer, bootstrap: str, topic: str) -> None:
    """Nothing that was acknowledged is lost, doubled or elsewhere, and everything was acknowledged."""
    read = read_everything(bootstrap, topic)
    where = dict(read)
    assert writer.failed == [] and writer.unanswered == 0
    assert len(writer.acknowledged) == writer.sent
    lost = [value for value in writer.acknowledged if value not in where]
    told = {value: offset for value, offset in writer.acknowledged.items() if offset != ANYWHERE}
    moved = [value for value, offset in told.items() if value in where and where[value] != offset]
    doubled = [value for value, count in Counter(value for value, _ in read).items() if count > 1]
    assert (lost, moved, doubled) == ([], [], [])


def check_reader(reader: GroupReader, writer: Writer, bootstrap: str, topic: str, group: str) -> None:
    """When it has left: it has seen all that was acknowledged, where it is, and the group goes on behind it."""
    assert reader.failed == []
    assert reader.changed == []
    missed = [
        value
        for value, offset in writer.acknowledged.items()
        if offset != ANYWHERE and reader.seen.get(offset) != value
    ]
    assert missed == []
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **IMPATIENT})
    partition = TopicPartition(topic, 0)
    _, end = consumer.get_watermark_offsets(partition, timeout=PATIENCE_SECONDS)
    (committed,) = consumer.committed([partition], timeout=PATIENCE_SECONDS)
    consumer.close()
    assert (committed.offset, committed.error) == (end, None)
