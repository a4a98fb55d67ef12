"""The client without async: the same records, errors and ends of scopes, from plain code and from threads."""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Callable

import pytest

import odradek
from odradek import ResourceType, sync
from odradek.errors import BootstrapFailed, CommitFailed, TopicAlreadyExists, UnknownTopicOrPartition
from odradek.protocol.topic_partition import TopicPartition
from odradek.sync.thread import THREAD
from odradek.topic import Topic

NewTopic = Callable[..., str]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "odradek"]


def test_what_is_sent_is_read_and_nothing_outlives_the_scopes(bootstrap: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    with sync.Producer(bootstrap) as producer:
        first = producer.send(topic, b"1", key=b"k", headers={"h": b"x"})
        assert producer.send_and_wait(topic, b"2").offset == 1
        assert (first.result().offset, first.is_done, first.partition) == (0, True, 0)
        producer.send_many(topic, (b"%d" % number for number in range(3, 100)))
        assert producer.partitions(topic) == 1
        assert threads() == ["odradek"]
    assert threads() == []
    with sync.Consumer(bootstrap, topic) as consumer:
        record = next(consumer)
        assert (record.key, record.value, record.headers) == (b"k", b"1", (("h", b"x"),))
        values = [b"1"]
        for record in consumer:
            assert record.value is not None
            values.append(record.value)
            if len(values) == 99:
                break
    assert values == [b"%d" % number for number in range(1, 100)]


def test_all_clients_share_one_thread(bootstrap: str) -> None:
    with sync.Producer(bootstrap), sync.Admin(bootstrap):
        with sync.Consumer(bootstrap):
            assert threads() == ["odradek"]
        assert threads() == ["odradek"]
    assert threads() == []


def test_what_is_called_by_a_client_may_not_wait_for_one(bootstrap: str, new_topic: NewTopic) -> None:
    """It would be in the very thread that it waits for."""
    with sync.Producer(bootstrap) as producer:
        with pytest.raises(RuntimeError, match="would wait for itself"):
            producer.send_many(new_topic(), (b"%d" % producer.partitions("t") for _ in range(3)))
        with pytest.raises(RuntimeError, match="would wait for itself"):
            THREAD.run_sync(sync.Admin(bootstrap).__enter__)


def test_typed_topics_are_typed_here_too(bootstrap: str, new_topic: NewTopic) -> None:
    numbers = Topic(new_topic(), key=str, value=int)
    with sync.Producer(bootstrap) as producer:
        producer.send_and_wait(numbers, 7, key="seven")
    with sync.Consumer(bootstrap, numbers) as consumer:
        record = next(consumer)
    assert (record.key, record.value) == ("seven", 7)


def test_an_error_is_the_same_as_with_await(bootstrap: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    with sync.Admin(bootstrap) as admin:
        with pytest.raises(TopicAlreadyExists):
            admin.create_topic(topic)
        with pytest.raises(UnknownTopicOrPartition):
            admin.describe_topic("no-such-topic")
    with pytest.raises(BootstrapFailed), sync.Producer("127.0.0.1:1", connect_timeout_ms=200):
        pytest.fail("nobody answers there")
    assert threads() == []


def test_a_scope_that_an_exception_leaves_commits_nothing_and_a_normal_end_does(
    bootstrap: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    partition = TopicPartition(topic, 0)
    with sync.Producer(bootstrap) as producer:
        producer.send_many(topic, [b"1", b"2"])
    with pytest.raises(ZeroDivisionError), sync.Consumer(bootstrap, topic, group=topic) as consumer:
        next(consumer)
        raise ZeroDivisionError
    with sync.Consumer(bootstrap, topic, group=topic) as consumer:
        assert consumer.committed(partition) == {}
        assert next(consumer).value == b"1"
    with sync.Consumer(bootstrap, topic, group=topic) as consumer:
        assert consumer.committed(partition) == {partition: 1}
        assert [record.value for record in consumer.poll()] == [b"2"]
        assert consumer.commit() == {partition: 2}
        consumer.seek(partition, 0)
        assert next(consumer).offset == 0
        assert consumer.assignment == [partition]
    with pytest.raises(RuntimeError, match="open"):
        next(consumer)


def test_records_and_offsets_of_one_transaction_are_committed_together(bootstrap: str, new_topic: NewTopic) -> None:
    source, target = new_topic(), new_topic()
    with sync.Producer(bootstrap) as producer:
        producer.send_and_wait(source, b"in")
    with (
        sync.Consumer(bootstrap, source, group=source, commit="manual", isolation_level="read_committed") as consumer,
        sync.Producer(bootstrap, transactional_id=target) as producer,
    ):
        with pytest.raises(ZeroDivisionError), producer.transaction():
            producer.send(target, b"never")
            raise ZeroDivisionError
        records = consumer.poll()
        with producer.transaction() as transaction:
            producer.send(target, b"out")
            transaction.commit_offsets(consumer)
        assert consumer.committed(records[0].topic_partition) == {records[0].topic_partition: 1}
    with sync.Consumer(bootstrap, target, isolation_level="read_committed") as consumer:
        assert next(consumer).value == b"out"


def test_a_call_that_is_interrupted_ends_and_leaves_the_rest_open(bootstrap: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    with sync.Consumer(bootstrap, topic) as consumer:
        consumer.wait_assigned()
        interrupt = threading.Timer(0.2, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            next(consumer)
        interrupt.join()
        with sync.Producer(bootstrap) as producer:
            producer.send_and_wait(topic, b"afterwards")
        assert next(consumer).value == b"afterwards"


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_a_program_that_ends_within_a_scope_leaves_every_other_scope_as_usual(
    bootstrap: str, new_topic: NewTopic, end: type[BaseException]
) -> None:
    topic = new_topic()
    with sync.Producer(bootstrap) as producer:
        with pytest.raises(end), sync.Consumer(bootstrap, topic), sync.Admin(bootstrap):
            raise end
        assert producer.send_and_wait(topic, b"afterwards").offset == 0
    assert threads() == []


def test_threads_may_share_a_producer(bootstrap: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    with sync.Producer(bootstrap) as producer:
        workers = [threading.Thread(target=lambda: [producer.send(topic, b"x") for _ in range(50)]) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        producer.flush()
    with sync.Admin(bootstrap) as admin:
        assert admin.end_offsets([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): 200}


@pytest.mark.parametrize("name", ["Producer", "Consumer", "ShareConsumer", "Shared", "Admin"])
def test_nothing_of_the_client_is_missing_without_async(name: str) -> None:
    def public(kind: type) -> set[str]:
        return {member for member, _ in inspect.getmembers(kind) if not member.startswith("_")}

    by_hand = {"encode", "group_position", "keep_from_committing", "taken_in_hand"}
    """Of use to the command line, to transactions, and to `process`."""
    assert public(getattr(odradek, name)) - by_hand <= public(getattr(sync, name))


def test_a_consumer_that_lost_its_partition_is_told_so(bootstrap: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    with sync.Consumer(bootstrap, topic, group=topic) as consumer:
        consumer.wait_assigned()
        with pytest.raises(CommitFailed):
            consumer.commit({TopicPartition(topic, 7): 1})


def test_records_are_shared_without_async(bootstrap: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    with sync.Admin(bootstrap) as admin, sync.Producer(bootstrap) as producer:
        admin.alter_configs(topic, ResourceType.GROUP, set={"share.auto.offset.reset": "earliest"})
        producer.send_many(topic, [b"good", b"bad", b"hopeless"])
    with sync.ShareConsumer(bootstrap, topic, group=topic, acknowledge="explicit") as consumer:
        first = next(consumer)
        with first as record:
            assert (record.value, first.record.value) == (b"good", b"good")
        shared = next(consumer)
        shared.renew()
        with pytest.raises(ZeroDivisionError), shared:
            raise ZeroDivisionError
        assert shared.verdict is not None and shared.verdict.name == "RELEASE"
        (hopeless,) = consumer.poll(1)
        hopeless.reject()
        consumer.commit()
        assert consumer.assignment == [TopicPartition(topic, 0)]
        assert consumer.health().undecided_count == 0
        again = next(consumer)
        assert (again.record.value, again.delivery_count) == (b"bad", 2)
        again.accept()
    with sync.Admin(bootstrap) as admin:
        assert admin.share_group_offsets(topic)[TopicPartition(topic, 0)].lag == 0
