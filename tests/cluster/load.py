"""Writers that remember what was acknowledged, and what a reader makes of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

IMPATIENT = {
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 100,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 100,
    "log_level": 0,
}
PATIENCE_SECONDS = 60
RECORDS_PER_SECOND = 5_000


class Writer:
    """Sends numbers to partition 0 at a steady pace, in a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, **config: object) -> None:
        settings = {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 1}
        self._producer = Producer({**settings, **IMPATIENT, **config})
        self._topic = topic
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
            assert time.monotonic() < deadline, "nothing is acknowledged any more"
            time.sleep(0.005)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stopping.is_set():
            due = int((time.monotonic() - began) * RECORDS_PER_SECOND)
            while self.sent < due:
                try:
                    self._producer.produce(self._topic, b"%d" % self.sent, partition=0, on_delivery=self._delivered)
                except BufferError:
                    break
                self.sent += 1
            self._producer.poll(0.002)
        self.unanswered = self._producer.flush(PATIENCE_SECONDS)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed.append(str(error))
            return
        value, offset = message.value(), message.offset()
        assert value is not None and offset is not None
        self.acknowledged[value] = offset
        self._times.append(time.monotonic())


@contextmanager
def writing(bootstrap: str, topic: str, **config: object) -> Iterator[Writer]:
    writer = Writer(bootstrap, topic, **config)
    writer.start()
    try:
        writer.wait_for_acknowledgements()
        yield writer
    finally:
        writer.stop()


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
    moved = [value for value, offset in writer.acknowledged.items() if value in where and where[value] != offset]
    doubled = [value for value, count in Counter(value for value, _ in read).items() if count > 1]
    assert (lost, moved, doubled) == ([], [], [])
