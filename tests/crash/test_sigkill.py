"""A broker that is killed in the middle of its work has every record that it acknowledged, once, where it said."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from referee import Odradek

pytestmark = pytest.mark.slow

ROUNDS = 3
SOAK_ROUNDS = 40
PATIENCE_SECONDS = 30
IMPATIENT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Odradek]:
    judged = Odradek(tmp_path / "data")
    judged.start()
    try:
        yield judged
    finally:
        judged.stop()


class Writer:
    """Sends numbers, and remembers which were acknowledged at which offset."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 2}
        self._producer = Producer(settings | IMPATIENT)
        self._topic = topic
        self.sent = 0
        self.acknowledged: dict[bytes, int] = {}

    def write_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self._producer.produce(self._topic, b"%d" % self.sent, on_delivery=self._delivered)
                self.sent += 1
            except BufferError:
                pass
            self._producer.poll(0)

    def flush(self) -> int:
        return self._producer.flush(PATIENCE_SECONDS)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        value, offset = message.value(), message.offset()
        assert value is not None
        assert offset is not None
        self.acknowledged[value] = offset


def read_all(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, int]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    read: list[tuple[bytes, int]] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while len(read) < count and time.monotonic() < end:
        for message in consumer.consume(10_000, 1):
            end = time.monotonic() + PATIENCE_SECONDS
            read.append((message.value() or b"", message.offset() or 0))
    consumer.close()
    return read


def kill_under_load(broker: Odradek, rounds: int) -> None:
    dice = random.Random(7)
    writer = Writer(broker.bootstrap, "kills")
    for _ in range(rounds):
        writer.write_for(0.5 + dice.random())
        broker.kill()
        broker.start()
    assert writer.flush() == 0
    assert len(writer.acknowledged) == writer.sent
    read = read_all(broker.bootstrap, "kills", writer.sent)
    assert len(read) == writer.sent
    assert dict(read) == writer.acknowledged


def test_no_acknowledged_record_is_lost_doubled_or_moved_by_kills_under_load(broker: Odradek) -> None:
    kill_under_load(broker, ROUNDS)


@pytest.mark.soak
def test_forty_kills_under_load_lose_nothing_either(broker: Odradek) -> None:
    kill_under_load(broker, SOAK_ROUNDS)


def test_a_torn_last_batch_and_lost_indexes_cost_nothing_that_was_acknowledged(broker: Odradek) -> None:
    writer = Writer(broker.bootstrap, "torn")
    writer.write_for(0.3)
    assert writer.flush() == 0
    broker.kill()
    directory = broker.data_dir / "torn-0"
    (segment,) = directory.glob("*.log")
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[:100])
    for index in [*directory.glob("*.index"), *directory.glob("*.timeindex")]:
        index.unlink()
    broker.start()
    assert dict(read_all(broker.bootstrap, "torn", writer.sent)) == writer.acknowledged
    assert segment.read_bytes() == whole
    assert any("cut" in line for line in broker.lines)


def test_a_second_process_on_one_data_directory_is_refused_in_one_line(broker: Odradek) -> None:
    command = [sys.executable, "-m", "odradek_cli", "up", "--port", "0", "--data-dir", str(broker.data_dir)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert second.stdout == ""
    assert len(second.stderr.splitlines()) == 1
