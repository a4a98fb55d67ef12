"""Records that cannot be processed: attempts, delays, giving up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
import trio

from odradek import Consumer, DeadLetterTopic, Producer, Record, Topic, process
from odradek.protocol.messages.leave_group import LeaveGroupRequest
from odradek.protocol.records.record import decode_records
from tests.client.fake_broker import FakeBroker


@pytest.fixture
async def broker(nursery: trio.Nursery) -> FakeBroker:
    broker = FakeBroker(nursery, orders=1, dead=1)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        for value in (b"1", b"2", b"no number", b"4"):
            await producer.send("orders", value, key=b"k", headers={"h": b"v"})
    return broker


class Handler:
    """Fails for the number 2, so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.seen: list[tuple[int, float]] = []

    async def __call__(self, record: Record[Any, int]) -> None:
        self.seen.append((record.value, trio.current_time()))
        if record.value == 2 and self.failures:
            self.failures -= 1
            raise ValueError("not two")


NUMBERS = Topic("orders", value=int)


async def test_a_record_is_tried_again_after_delays_that_double(broker: FakeBroker, autojump_clock: Any) -> None:
    handler = Handler(failures=3)
    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with trio.move_on_after(60), pytest.raises(Exception, match="no int"):
            await process(consumer, handler, attempts=4, delay_ms=1_000, order="partition")
    assert [value for value, _ in handler.seen] == [1, 2, 2, 2, 2]
    times = [time for value, time in handler.seen if value == 2]
    assert [round(later - earlier) for earlier, later in pairwise(times)] == [1, 2, 4]


async def test_what_fails_for_good_is_given_up_with_its_reason_and_the_rest_goes_on(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    handler = Handler(failures=100)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        give_up = DeadLetterTopic(producer, "dead", group="g")
        async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
            with trio.move_on_after(60):
                await process(consumer, handler, attempts=2, delay_ms=10, give_up=give_up, order="partition")
    assert [value for value, _ in handler.seen] == [1, 2, 2, 4]
    dead = [record for batch in broker.logs["dead", 0] for record in decode_records(batch)]
    assert [(record.key, record.value) for record in dead] == [(b"k", b"2"), (b"k", b"no number")]
    assert dict(dead[0].headers) == {
        "h": b"v",
        "__dlq.errors.topic": b"orders",
        "__dlq.errors.partition": b"0",
        "__dlq.errors.offset": b"1",
        "__dlq.errors.delivery.count": b"2",
        "odradek.exception": b"ValueError",
        "__dlq.errors.message": b"not two",
        "__dlq.errors.group": b"g",
    }
    assert dict(dead[1].headers)["__dlq.errors.delivery.count"] == b"0"
    assert broker.committed["orders", 0] == 4


async def test_without_a_place_for_failures_the_last_one_is_raised_and_nothing_is_committed(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    with pytest.raises(ValueError, match="not two"):
        async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
            await process(consumer, Handler(failures=100), attempts=3, delay_ms=10, order="partition")
    assert broker.committed == {}


async def test_neighbours_go_on_while_one_record_waits(broker: FakeBroker, autojump_clock: Any) -> None:
    handler = Handler(failures=1)
    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with trio.move_on_after(60):
            await process(consumer, handler, delay_ms=1_000, give_up=forget)
    assert [value for value, _ in handler.seen] == [1, 2, 4, 2]
    assert broker.committed["orders", 0] == 4


async def test_the_order_of_a_key_is_kept_where_that_is_asked_for(broker: FakeBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        await producer.send("orders", b"5", key=b"another")
    handler = Handler(failures=1)
    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with trio.move_on_after(60):
            await process(consumer, handler, delay_ms=1_000, give_up=forget, order="key")
    assert [value for value, _ in handler.seen] == [1, 2, 5, 2, 4]


async def test_nothing_from_a_record_that_waits_on_is_committed(broker: FakeBroker, autojump_clock: Any) -> None:
    handler = Handler(failures=100)
    options: dict[str, Any] = {"group": "g", "auto_commit_interval_ms": 100, "surroundings": broker.surroundings}
    async with Consumer("fake", NUMBERS, **options) as consumer:
        with trio.move_on_after(30):
            await process(consumer, handler, attempts=9, delay_ms=20_000, give_up=forget)
        assert consumer.position(consumer.assignment[0]) == 4
        assert broker.committed["orders", 0] == 1
        handler.failures = 0
        with trio.move_on_after(60):
            await process(consumer, handler, give_up=forget)
        assert broker.committed["orders", 0] == 4
    assert [value for value, _ in handler.seen] == [1, 2, 4, 2, 2]


async def test_a_record_in_whose_midst_the_scope_is_left_comes_again(broker: FakeBroker, autojump_clock: Any) -> None:
    async def stuck(record: Record[Any, int]) -> None:
        if record.value == 2:
            await trio.sleep_forever()

    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with trio.move_on_after(1):
            await process(consumer, stuck)
    assert broker.committed["orders", 0] == 1


async def test_no_more_is_read_than_there_is_room_for(broker: FakeBroker, autojump_clock: Any) -> None:
    handler = Handler(failures=1)
    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with trio.move_on_after(60):
            await process(consumer, handler, delay_ms=1_000, give_up=forget, max_waiting=1)
        assert consumer.paused == []
    assert [value for value, _ in handler.seen] == [1, 2, 2, 4]


async def test_who_tries_slowly_what_waits_stays_in_the_group_and_reads_on(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    seen: list[int] = []

    async def slow(record: Record[Any, int]) -> None:
        seen.append(record.value)
        await trio.sleep(8)
        raise ValueError("never")

    options: dict[str, Any] = {"group": "g", "max_poll_interval_ms": 10_000, "surroundings": broker.surroundings}
    async with Consumer("fake", NUMBERS, **options) as consumer:
        with trio.move_on_after(100):
            await process(consumer, slow, attempts=4, delay_ms=1, give_up=forget)
        assert broker.count(LeaveGroupRequest) == 0
    assert sorted(seen) == [1] * 4 + [2] * 4 + [4] * 4
    assert seen.index(4) < 6, "what waits does not keep others from their first attempt"


async def test_a_seek_forgets_what_waits(broker: FakeBroker, autojump_clock: Any) -> None:
    handler = Handler(failures=100)
    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with trio.move_on_after(1):
            await process(consumer, handler, delay_ms=10_000, give_up=forget)
        consumer.seek(consumer.assignment[0], 3)
        handler.failures = 0
        with trio.move_on_after(60):
            await process(consumer, handler, give_up=forget)
    assert [value for value, _ in handler.seen] == [1, 2, 4, 4]
    assert broker.committed["orders", 0] == 4


async def forget(record: Record[Any, Any], failure: Exception, attempts: int) -> None:
    """Nobody misses it."""


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"max_waiting": 0}, {"order": "sometimes"}])
async def test_what_makes_no_sense_is_refused(broker: FakeBroker, wrong: Any) -> None:
    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with pytest.raises(ValueError, match=r"attempt|order"):
            await process(consumer, Handler(0), **wrong)


class Customer(msgspec.Struct):
    number: int


async def test_a_key_without_a_hash_has_a_line_too(broker: FakeBroker, autojump_clock: Any) -> None:
    typed = Topic("dead", key=Customer, value=int)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        for value, customer in ((1, 1), (2, 2), (3, 2), (4, 1)):
            await producer.send(typed, value, key=Customer(customer))
    handler = Handler(failures=1)
    async with Consumer("fake", typed, group="g", surroundings=broker.surroundings) as consumer:
        with trio.move_on_after(60):
            await process(consumer, handler, delay_ms=10, order="key")
    assert [value for value, _ in handler.seen] == [1, 2, 4, 2, 3]


async def test_what_cannot_be_read_and_could_not_be_given_up_is_given_up_by_who_goes_on(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    given_up: list[bytes | None] = []

    async def fails_at_first(record: Record[bytes | None, bytes | None], failure: Exception, attempts: int) -> None:
        given_up.append(record.value)
        if len(given_up) == 1:
            raise ZeroDivisionError

    async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
        with pytest.raises(ZeroDivisionError):
            await process(consumer, Handler(0), give_up=fails_at_first)
        with trio.move_on_after(60):
            await process(consumer, Handler(0), give_up=fails_at_first)
    assert given_up == [b"no number", b"no number"]
    assert broker.committed["orders", 0] == 4


@pytest.mark.parametrize("stuck_at", [1, 2])
async def test_who_is_stuck_in_any_attempt_leaves_the_group(
    broker: FakeBroker, autojump_clock: Any, stuck_at: int
) -> None:
    attempts: list[int] = []

    async def stuck(record: Record[Any, int]) -> None:
        if record.value == 1:
            attempts.append(1)
            if len(attempts) == stuck_at:
                await trio.sleep_forever()
            raise ValueError("not one")

    options: dict[str, Any] = {"group": "g", "max_poll_interval_ms": 10_000, "surroundings": broker.surroundings}
    async with Consumer("fake", NUMBERS, **options) as consumer:
        with trio.move_on_after(100):
            await process(consumer, stuck, attempts=4, delay_ms=100, give_up=forget)
        assert broker.count(LeaveGroupRequest) == 1
