"""A copy by `exactly_once` has each record once, whatever ends its batches."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from odradek import Consumer, Producer, TopicPartition, exactly_once
from odradek.consumer.membership import Membership
from odradek.protocol.messages.leave_group import LeaveGroupResponse


@pytest.fixture
def names() -> tuple[str, str]:
    """Of a source and a target, which are made by whoever writes to them first."""
    return f"source-{time.time_ns()}", f"target-{time.time_ns()}"


def reader(bootstrap: str, topic: str, **options: Any) -> Consumer[Any, Any]:
    return Consumer(
        bootstrap, topic, **{"group": topic, "commit": "manual", "isolation_level": "read_committed"} | options
    )


async def fill(bootstrap: str, topic: str, count: int) -> None:
    async with Producer(bootstrap) as producer:
        await producer.send_many(topic, (b"%d" % number for number in range(count)))


async def visible(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """The first `count` records that a reader of what is committed gets, and nothing may come behind them."""
    async with Consumer(bootstrap, topic, isolation_level="read_committed") as consumer:
        values = [(await anext(consumer)).value for _ in range(count)]
        end = await consumer.end_offsets(TopicPartition(topic, 0))
        assert consumer.position(TopicPartition(topic, 0)) <= end[TopicPartition(topic, 0)]  # type: ignore[operator]
        assert await consumer.poll(timeout_s=0.2) == []
    return values


async def test_a_batch_that_fails_is_read_again_by_the_same_consumer(bootstrap: str, names: tuple[str, str]) -> None:
    source, target = names
    await fill(bootstrap, source, 10)
    failures = [3, 7]
    async with reader(bootstrap, source) as consumer, Producer(bootstrap, transactional_id=target) as producer:
        done = 0
        while done < 10:
            try:
                async with exactly_once(consumer, producer, max_records=4) as batches:
                    async for batch in batches:
                        for record in batch:
                            await producer.send(target, record.value)
                            if failures and record.offset == failures[0]:
                                raise ZeroDivisionError
                        done = batch[-1].offset + 1
                        if done == 10:
                            break
            except ZeroDivisionError:
                failures.pop(0)
        assert await consumer.committed(TopicPartition(source, 0)) == {TopicPartition(source, 0): 10}
    assert not failures
    assert await visible(bootstrap, target, 10) == [b"%d" % number for number in range(10)]


async def test_a_batch_whose_transaction_cannot_be_begun_is_read_again(
    bootstrap: str, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where whoever waits for it is cancelled in that moment."""
    source, target = names
    await fill(bootstrap, source, 2)
    async with reader(bootstrap, source) as consumer, Producer(bootstrap, transactional_id=target) as producer:

        @asynccontextmanager
        async def fails() -> AsyncIterator[None]:
            raise ZeroDivisionError
            yield

        with monkeypatch.context() as patched:
            patched.setattr(producer, "transaction", fails)
            with pytest.raises(ZeroDivisionError):
                async with exactly_once(consumer, producer) as batches:
                    await anext(batches)
        with trio.fail_after(20):
            async with exactly_once(consumer, producer) as batches:
                for record in await anext(batches):
                    await producer.send(target, record.value)
    assert await visible(bootstrap, target, 2) == [b"0", b"1"]


async def test_who_comes_after_a_copier_that_has_died_goes_on_where_it_had_committed(
    bootstrap: str, names: tuple[str, str]
) -> None:
    source, target = names
    await fill(bootstrap, source, 6)
    seen: list[int] = []
    for dies_at in (1, 3, None):
        try:
            async with (
                reader(bootstrap, source) as consumer,
                Producer(bootstrap, transactional_id=target) as producer,
                exactly_once(consumer, producer, max_records=2) as batches,
            ):
                async for batch in batches:
                    seen.append(batch[0].offset)
                    for record in batch:
                        await producer.send(target, record.value)
                        if record.offset == dies_at:
                            raise ZeroDivisionError
                    if batch[-1].offset == 5:
                        break
        except ZeroDivisionError:
            pass
    assert seen == [0, 0, 2, 2, 4]
    assert await visible(bootstrap, target, 6) == [b"%d" % number for number in range(6)]


async def test_a_batch_whose_partitions_went_to_another_member_is_aborted_and_the_loop_goes_on(
    bootstrap: str, names: tuple[str, str]
) -> None:
    source, target = names
    await fill(bootstrap, source, 2)
    async with (
        Producer(bootstrap, transactional_id=target) as producer,
        reader(bootstrap, source, max_poll_interval_ms=300, session_timeout_ms=6000) as consumer,
        exactly_once(consumer, producer, max_records=1) as batches,
    ):
        batch = await anext(batches)
        assert [record.offset for record in batch] == [0]
        await producer.send(target, b"stale")
        async with reader(bootstrap, source) as successor:
            await successor.wait_assigned()
            await batches.commit()
            assert [record.offset for record in await successor.poll()] == [0, 1]
    async with Producer(bootstrap) as plain:
        await plain.send_and_wait(target, b"the only one")
    assert await visible(bootstrap, target, 1) == [b"the only one"]


async def test_a_batch_whose_partition_was_taken_away_and_given_back_is_not_committed_without_its_offsets(
    bootstrap: str, names: tuple[str, str]
) -> None:
    """The group has forgotten the member, as when its session is over, and lets it in again while it has a batch."""
    source, target = names
    await fill(bootstrap, source, 2)
    async with (
        Producer(bootstrap, transactional_id=target) as producer,
        reader(bootstrap, source, heartbeat_interval_ms=50) as consumer,
        exactly_once(consumer, producer) as batches,
    ):
        async for batch in batches:
            for record in batch:
                await producer.send(target, record.value)
            if consumer._group is not None and consumer._group.rounds == 1:
                await _be_forgotten(consumer)
            elif batch[-1].offset == 1:
                break
    assert await visible(bootstrap, target, 2) == [b"0", b"1"]


async def test_a_batch_whose_commit_is_cancelled_on_its_way_is_not_read_again_once_it_is_committed(
    bootstrap: str, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = names
    place = TopicPartition(source, 0)
    await fill(bootstrap, source, 2)
    async with Producer(bootstrap, transactional_id=target) as producer, reader(bootstrap, source) as consumer:
        cancelled = _cancel_at_end(producer, monkeypatch, answers=True)
        with cancelled:
            async with exactly_once(consumer, producer) as batches:
                for record in await anext(batches):
                    await producer.send(target, record.value)
        monkeypatch.undo()
        assert cancelled.cancel_called
        assert {place: consumer.position(place)} == await consumer.committed(place)


@pytest.mark.parametrize("is_done", [False, True])
async def test_a_batch_of_which_nobody_says_whether_it_was_committed_is_read_again_only_if_it_was_not(
    bootstrap: str, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    source, target = names
    await fill(bootstrap, source, 3)
    options: dict[str, Any] = {"transactional_id": target, "close_timeout_ms": 500}
    async with Producer(bootstrap, **options) as producer, reader(bootstrap, source) as consumer:
        cancelled = _cancel_at_end(producer, monkeypatch, answers=False, is_done=is_done)
        with cancelled:
            async with exactly_once(consumer, producer, max_records=2) as batches:
                for record in await anext(batches):
                    await producer.send(target, record.value)
        monkeypatch.undo()
        assert cancelled.cancelled_caught
        with trio.fail_after(20):
            async with exactly_once(consumer, producer) as batches:
                async for batch in batches:
                    for record in batch:
                        await producer.send(target, record.value)
                    if batch[-1].offset == 2:
                        break
    assert await visible(bootstrap, target, 3) == [b"0", b"1", b"2"]


def _cancel_at_end(
    producer: Producer, monkeypatch: pytest.MonkeyPatch, *, answers: bool, is_done: bool = True
) -> trio.CancelScope:
    """Of the next transaction. `is_done`: EndTxn is carried out; `answers`: its answer comes as well."""
    transactions, scope = producer._sender.transactions, trio.CancelScope()
    assert transactions is not None
    end = transactions._asker.ask

    async def end_and_be_cancelled(*arguments: Any, **more: Any) -> Any:
        scope.cancel()
        answer = await end(*arguments, **more) if is_done else None
        if not answers:
            await trio.sleep_forever()
        return answer

    monkeypatch.setattr(transactions._asker, "ask", end_and_be_cancelled)
    return scope


async def _be_forgotten(consumer: Consumer[Any, Any]) -> None:
    group = consumer._group
    assert group is not None
    membership = group.membership
    assert isinstance(membership, Membership)
    request = membership.leave_request()
    assert request is not None
    await group.coordinator.ask(request, LeaveGroupResponse, purpose="", timeout_s=5)
    with trio.fail_after(10):
        while group.rounds == 1 or not consumer.assignment:
            await group.settled.wait()


@pytest.mark.parametrize(
    ("consumer_options", "producer_options", "missing"),
    [
        ({"group": None, "commit": "manual"}, {}, "group"),
        ({"commit": "auto"}, {}, "manual"),
        ({"isolation_level": "read_uncommitted"}, {}, "read_committed"),
        ({}, {"transactional_id": None}, "transactional_id"),
    ],
)
async def test_what_could_not_be_exactly_once_is_refused(
    consumer_options: dict[str, Any], producer_options: dict[str, Any], missing: str
) -> None:
    consumer = reader("localhost:1", "t", **consumer_options)
    producer = Producer("localhost:1", **{"transactional_id": "x"} | producer_options)
    with pytest.raises(ValueError, match=missing):
        async with exactly_once(consumer, producer):
            pytest.fail("it was not refused")
