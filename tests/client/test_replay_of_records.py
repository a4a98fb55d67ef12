"""A range of records is read again, bounded, and nobody's offsets move."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from odradek import (
    Admin,
    Consumer,
    DeadLetterTopic,
    NoDeadLetter,
    Producer,
    Record,
    SendAgain,
    Span,
    TopicPartition,
    dead_letter,
    replay,
)

NewTopic = Callable[..., str]
Raw = Record[bytes | None, bytes | None]


@pytest.fixture
async def topic(bootstrap: str, new_topic: NewTopic) -> str:
    """Two partitions of ten records, of which a group has committed three."""
    name = await trio.to_thread.run_sync(new_topic, 2)
    async with Producer(bootstrap) as producer:
        for partition in (0, 1):
            await producer.send_many(name, [b"%d" % n for n in range(10)], key=b"k", partition=partition)
    async with Admin(bootstrap) as admin:
        await admin.alter_group_offsets(name, {TopicPartition(name, 0): 3})
    return name


class Seen:
    def __init__(self) -> None:
        self.records: list[Raw] = []

    async def __call__(self, record: Raw) -> None:
        self.records.append(record)

    def places(self) -> set[tuple[int, int]]:
        return {(record.partition, record.offset) for record in self.records}


async def all_of(bootstrap: str, topic: str) -> list[Raw]:
    seen = Seen()
    await replay(bootstrap, {TopicPartition(topic, 0): Span(0)}, seen)
    return seen.records


async def test_a_replay_hands_out_its_spans_and_nothing_else(bootstrap: str, topic: str) -> None:
    seen = Seen()
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    with trio.fail_after(20):
        counts = await replay(bootstrap, {first: Span(4, 7), second: Span(8)}, seen)
    assert counts == {first: 3, second: 2}
    assert seen.places() == {(0, 4), (0, 5), (0, 6), (1, 8), (1, 9)}
    async with Admin(bootstrap) as admin:
        offsets = await admin.group_offsets(topic)
    assert {partition: offset.offset for partition, offset in offsets.items()} == {first: 3}


async def test_a_replay_ends_behind_markers_and_what_was_deleted(bootstrap: str, topic: str) -> None:
    first = TopicPartition(topic, 0)
    async with Producer(bootstrap, transactional_id=topic) as producer:
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_many(topic, [b"aborted"] * 3, partition=0)
                await producer.flush()
                raise ZeroDivisionError
    async with Admin(bootstrap) as admin:
        await admin.delete_records({first: 6})
    seen = Seen()
    with trio.fail_after(20):
        await replay(bootstrap, {first: Span(0, 99)}, seen, isolation_level="read_committed")
    assert seen.places() == {(0, offset) for offset in range(6, 10)}


async def test_a_replay_into_its_own_topic_ends(bootstrap: str, topic: str) -> None:
    first = TopicPartition(topic, 0)
    with trio.fail_after(20):
        async with Producer(bootstrap) as producer:
            await replay(bootstrap, {first: Span(0)}, SendAgain(producer, topic))
    async with Admin(bootstrap) as admin:
        ends = await admin.end_offsets([first, TopicPartition(topic, 1)])
    assert sum(ends.values()) == 30


async def test_a_dead_letter_goes_back_to_where_it_is_from_as_it_was(bootstrap: str, new_topic: NewTopic) -> None:
    orders, dead = await trio.to_thread.run_sync(new_topic), await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap) as producer:
        await producer.send_and_wait(orders, b"v", key=b"k", headers={"h": b"1"})
        (record,) = await all_of(bootstrap, orders)
        give_up = DeadLetterTopic(producer, dead, group="till")
        await give_up(record, ValueError("not \ud800 good"), 3)
        (buried,) = await all_of(bootstrap, dead)
        letter = dead_letter(buried)
        assert letter is not None
        assert (letter.partition, letter.offset, letter.attempts) == (TopicPartition(orders, 0), 0, 3)
        assert (letter.group, letter.exception, letter.message) == ("till", "ValueError", "not ? good")
        await replay(bootstrap, {TopicPartition(dead, 0): Span(0)}, SendAgain(producer))
        await producer.flush()
    again = (await all_of(bootstrap, orders))[1]
    assert (again.key, again.value, again.headers) == (record.key, record.value, record.headers)


async def test_who_does_not_say_where_it_is_from_goes_nowhere(bootstrap: str, topic: str) -> None:
    async with Producer(bootstrap) as producer:
        with pytest.raises(NoDeadLetter, match=f"{topic}-0 at offset 2"):
            await replay(bootstrap, {TopicPartition(topic, 0): Span(2)}, SendAgain(producer))


async def test_what_is_given_up_twice_says_only_the_last_time(bootstrap: str, new_topic: NewTopic) -> None:
    dead = await trio.to_thread.run_sync(new_topic)
    async with Producer(bootstrap) as producer:
        give_up = DeadLetterTopic(producer, dead)
        await give_up(Record("a", 0, 1, 0, None, b"v", (("h", b"1"),)), ValueError("first"), 1)
        await give_up((await all_of(bootstrap, dead))[0], ValueError("second"), 2)
    twice = (await all_of(bootstrap, dead))[1]
    letter = dead_letter(twice)
    assert letter is not None
    assert (letter.partition.topic, letter.message) == (dead, "second")
    assert [name for name, _ in twice.headers].count("__dlq.errors.topic") == 1


def test_what_has_such_headers_and_no_numbers_in_them_is_no_dead_letter() -> None:
    headers = (("__dlq.errors.topic", b"t"), ("__dlq.errors.partition", b"x"), ("__dlq.errors.offset", b"1"))
    assert dead_letter(Record("t", 0, 0, 0, None, None, headers)) is None
    assert dead_letter(Record("t", 0, 0, 0, None, None, (("__dlq.errors.topic", None),))) is None


async def test_a_consumer_reads_on_while_a_replay_goes_on(bootstrap: str, topic: str) -> None:
    async with Consumer(bootstrap, topic, group=topic) as consumer:
        with trio.fail_after(20):
            first = await anext(consumer)
            await replay(bootstrap, {TopicPartition(topic, 0): Span(0)}, Seen())
            rest = [await anext(consumer) for _ in range(16)]
    assert sorted((r.partition, r.offset) for r in [first, *rest]) == [
        *((0, offset) for offset in range(3, 10)),
        *((1, offset) for offset in range(10)),
    ]
