"""Transactions of every library: what each commits every other reads, and what it aborts nobody reads as committed."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import trio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as Place

import odradek
from referee import BrokerProcess, run_java_tool
from tests.interop.java_programs import java_program

pytestmark = pytest.mark.slow

NewTopic = Callable[..., str]
Values = dict[int, list[bytes]]
PARTITIONS = 2
ROUNDS = [("commit", b"a"), ("abort", b"b"), ("commit", b"c"), ("abort", b"d")]
COMMITTED, EVERYTHING = [b"a", b"c"], [b"a", b"b", b"c", b"d"]


# ------------------------------------------------------------------------------------------------------------ writers


def write_with_confluent(bootstrap: str, topic: str, codec: str) -> None:
    settings = {"transactional.id": f"confluent-{topic}", "linger.ms": 0, "compression.type": codec}
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    producer.init_transactions(30)
    for end, value in ROUNDS:
        producer.begin_transaction()
        for partition in range(PARTITIONS):
            producer.produce(topic, value, partition=partition)
        producer.flush(30)
        (producer.commit_transaction if end == "commit" else producer.abort_transaction)(30)


def write_with_aio(bootstrap: str, topic: str, codec: str) -> None:
    async def write() -> None:
        compression = None if codec == "none" else codec
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, transactional_id=f"aio-{topic}", compression_type=compression
        )
        await producer.start()
        try:
            for end, value in ROUNDS:
                await producer.begin_transaction()
                for partition in range(PARTITIONS):
                    await producer.send_and_wait(topic, value, partition=partition)
                await (producer.commit_transaction() if end == "commit" else producer.abort_transaction())
        finally:
            await producer.stop()

    asyncio.run(write())


def write_with_python(bootstrap: str, topic: str, codec: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from kafka import KafkaProducer

        producer: Any = KafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=f"python-{topic}",
            compression_type=None if codec == "none" else codec,
        )
    producer.init_transactions()
    for end, value in ROUNDS:
        producer.begin_transaction()
        for partition in range(PARTITIONS):
            producer.send(topic, value, partition=partition).get(30)
        (producer.commit_transaction if end == "commit" else producer.abort_transaction)()
    producer.close()


def write_with_own(bootstrap: str, topic: str, codec: Any) -> None:
    async def write() -> None:
        async with odradek.Producer(bootstrap, transactional_id=f"own-{topic}", compression=codec) as producer:
            for end, value in ROUNDS:
                try:
                    async with producer.transaction():
                        for partition in range(PARTITIONS):
                            await producer.send_and_wait(topic, value, partition=partition)
                        if end == "abort":
                            raise KeyError(end)
                except KeyError:
                    pass

    trio.run(write)


# ------------------------------------------------------------------------------------------------------------ readers


def read_with_confluent(bootstrap: str, topic: str, isolation: str, count: int) -> Values:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "isolation.level": isolation})
    consumer.assign([Place(topic, partition, 0) for partition in range(PARTITIONS)])
    values: Values = {partition: [] for partition in range(PARTITIONS)}
    for message in consumer.consume(count, 30):
        values[message.partition() or 0].append(message.value() or b"")
    assert consumer.poll(0.2) is None, "there is nothing more"
    consumer.close()
    return values


def read_with_aio(bootstrap: str, topic: str, isolation: str, count: int) -> Values:
    async def read() -> Values:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation)
        await consumer.start()
        places = [AioPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        values: Values = {partition: [] for partition in range(PARTITIONS)}
        try:
            while sum(map(len, values.values())) < count:
                for place, records in (await consumer.getmany(timeout_ms=5_000)).items():
                    values[place.partition] += [record.value for record in records]
        finally:
            await consumer.stop()
        return values

    return asyncio.run(asyncio.wait_for(read(), 60))


def read_with_own(bootstrap: str, topic: str, isolation: Any, count: int) -> Values:
    async def read() -> Values:
        values: Values = {partition: [] for partition in range(PARTITIONS)}
        async with odradek.Consumer(bootstrap, topic, isolation_level=isolation) as consumer:
            with trio.fail_after(60):
                while sum(map(len, values.values())) < count:
                    for record in await consumer.poll(timeout_s=5):
                        values[record.partition].append(record.value or b"")
        return values

    return trio.run(read)


def read_with_python(bootstrap: str, topic: str, isolation: str, count: int) -> Values:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import kafka

        consumer: Any = kafka.KafkaConsumer(
            bootstrap_servers=bootstrap, isolation_level=isolation, auto_offset_reset="earliest"
        )
    consumer.assign([kafka.TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    values: Values = {partition: [] for partition in range(PARTITIONS)}
    while sum(map(len, values.values())) < count:
        found = consumer.poll(timeout_ms=30_000)
        assert found, f"{values} of {count}"
        for place, records in found.items():
            values[place.partition] += [record.value for record in records]
    consumer.close()
    return values


CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
WRITERS = {
    "confluent": write_with_confluent,
    "aio": write_with_aio,
    "python": write_with_python,
    "own": write_with_own,
}
"""Each with one codec at least, and each codec with one of them; all with all where there is time for it."""


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        pytest.param(name, codec, marks=() if (place + number) % 4 == 0 else pytest.mark.soak, id=f"{name}-{codec}")
        for number, name in enumerate(WRITERS)
        for place, codec in enumerate(CODECS)
    ],
)
def test_what_one_client_commits_all_others_read(
    name: str, codec: str, broker: BrokerProcess, new_topic: NewTopic
) -> None:
    topic = new_topic(partitions=PARTITIONS)
    WRITERS[name](broker.bootstrap, topic, codec)
    check_that_all_read_it(broker.bootstrap, topic)


def check_that_all_read_it(bootstrap: str, topic: str) -> None:
    for read in (read_with_confluent, read_with_aio, read_with_python, read_with_own):
        committed = read(bootstrap, topic, "read_committed", 4)
        everything = read(bootstrap, topic, "read_uncommitted", 8)
        assert list(committed.values()) == [COMMITTED] * PARTITIONS, read.__name__
        assert list(everything.values()) == [EVERYTHING] * PARTITIONS, read.__name__


def transacting(bootstrap: str, *arguments: str) -> str:
    """What the Java program of that name says."""
    with java_program("Transacting", bootstrap, *arguments) as running:
        said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_what_java_commits_in_any_codec_all_others_read(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topics = {codec: new_topic(partitions=PARTITIONS) for codec in CODECS}
    rounds = ",".join(f"{end}:{value.decode()}" for end, value in ROUNDS)
    targets = [f"{codec}={topic}" for codec, topic in topics.items()]
    transacting(broker.bootstrap, "write", str(PARTITIONS), rounds, *targets)
    for topic in topics.values():
        check_that_all_read_it(broker.bootstrap, topic)


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_java_reads_what_each_client_commits_in_any_codec(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topics = []
    for write in WRITERS.values():
        for codec in CODECS:
            topics.append(new_topic(partitions=PARTITIONS))
            write(broker.bootstrap, topics[-1], codec)
    lines = transacting(broker.bootstrap, "read", str(PARTITIONS), *topics).splitlines()
    for topic in topics:
        for isolation, values in (("read_committed", COMMITTED), ("read_uncommitted", EVERYTHING)):
            for partition in range(PARTITIONS):
                head = f"{topic} {isolation} {partition} "
                found = [line.removeprefix(head).encode() for line in lines if line.startswith(head)]
                assert found == values, head


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_transactions_of_java_end_empty_fenced_late_and_with_offsets(
    broker: BrokerProcess, new_topic: NewTopic
) -> None:
    topic = new_topic(partitions=PARTITIONS)
    said = transacting(broker.bootstrap, "ends", topic, f"of-{topic}").splitlines()
    assert "fenced: ProducerFencedException" in said or "fenced: InvalidProducerEpochException" in said, said
    assert any(line.startswith("late: ") and line != "late: committed" for line in said), said
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"of-{topic}"})
    (found,) = consumer.committed([Place(topic, 0)], 30)
    consumer.close()
    assert found.offset == 5
    read = read_with_confluent(broker.bootstrap, topic, "read_committed", 3)
    assert read[0] == [b"5", b"successor", b"behind"]


def test_offsets_are_committed_with_the_records_or_not_at_all(broker: BrokerProcess, new_topic: NewTopic) -> None:
    source, copy = new_topic(), new_topic()
    write = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    for number in range(10):
        write.produce(source, b"%d" % number)
    write.flush(30)
    group = f"copies-{copy}"
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})  # fmt: skip
    consumer.subscribe([source])
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": group})
    producer.init_transactions(30)
    for end in ("commit", "abort"):
        producer.begin_transaction()
        for message in consumer.consume(5, 30):
            producer.produce(copy, message.value())
        positions = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 30)
        (producer.commit_transaction if end == "commit" else producer.abort_transaction)(30)
    (committed,) = consumer.committed([Place(source, 0)], 30)
    consumer.close()
    assert committed.offset == 5
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "r", "isolation.level": "read_committed"})
    reader.assign([Place(copy, 0, 0)])
    assert [message.value() for message in reader.consume(5, 30)] == [b"%d" % number for number in range(5)]
    assert reader.poll(0.2) is None
    reader.close()


def test_a_producer_whose_id_another_has_taken_is_told_so(broker: BrokerProcess, new_topic: NewTopic) -> None:
    topic = new_topic()
    old, new = (Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": f"id-{topic}"}) for _ in range(2))
    old.init_transactions(30)
    old.begin_transaction()
    old.produce(topic, b"never")
    old.flush(30)
    new.init_transactions(30)
    with pytest.raises(KafkaException) as raised:
        old.commit_transaction(30)
    assert raised.value.args[0].fatal()
    new.begin_transaction()
    new.produce(topic, b"mine")
    new.commit_transaction(30)
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "r", "isolation.level": "read_committed"})
    reader.assign([Place(topic, 0, 0)])
    assert [message.value() for message in reader.consume(1, 30)] == [b"mine"]
    reader.close()


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
def test_kafka_transactions_finds_nothing_that_hangs_and_ends_what_it_is_told_to(
    broker: BrokerProcess, new_topic: NewTopic
) -> None:
    def run(*arguments: str) -> str:
        return run_java_tool("kafka-transactions", "--bootstrap-server", broker.bootstrap, *arguments).stdout.decode()

    topic = new_topic()
    place = ["--topic", topic, "--partition", "0"]
    patient = {"transaction.timeout.ms": 900_000, "linger.ms": 0}  # four JVMs come and go meanwhile
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": f"id-{topic}", **patient})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"never")
    producer.flush(30)
    found = run("find-hanging", *place, "--max-transaction-timeout", "0")
    assert topic not in found, "its coordinator knows of it"
    assert re.search(r"\s0\s*$", run("describe-producers", *place).splitlines()[1]), "it begins at offset 0"
    run("abort", *place, "--start-offset", "0")
    assert re.search(r"None\s*$", run("describe-producers", *place).splitlines()[1])
    producer.abort_transaction(30)


@pytest.mark.java
@pytest.mark.usefixtures("need_java")
@pytest.mark.parametrize("level", [1, 2])
def test_kafkas_producer_and_tools_find_their_way_in_either_version(
    level: int, broker: BrokerProcess, new_topic: NewTopic
) -> None:
    def run(tool: str, *arguments: str) -> str:
        return run_java_tool(tool, "--bootstrap-server", broker.bootstrap, *arguments).stdout.decode()

    topic = new_topic(partitions=PARTITIONS)
    run("kafka-features", "upgrade" if level == 2 else "downgrade", "--feature", f"transaction.version={level}")
    described = run("kafka-features", "describe")
    assert re.search(rf"transaction.version.*FinalizedVersionLevel: {level}", described)
    write = ["--topic", topic, "--num-records", "500", "--record-size", "20", "--throughput", "-1"]
    said = run("kafka-producer-perf-test", *write, "--transaction-duration-ms", "20", "--transactional-id", topic)
    assert "500 records sent" in said
    assert topic in run("kafka-transactions", "list")
    assert "CompleteCommit" in run("kafka-transactions", "describe", "--transactional-id", topic)
    read = read_with_confluent(broker.bootstrap, topic, "read_committed", 500)
    assert sum(map(len, read.values())) == 500
