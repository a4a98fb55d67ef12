"""Records that cannot be processed: attempts, delays, giving up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import trio
from fake_broker import FakeBroker

from odradek import Consumer, DeadLetterTopic, Producer, Record, Topic, process
from odradek.protocol.records.record import decode_records


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
            await process(consumer, handler, attempts=4, delay_ms=1_000)
    assert [value for value, _ in handler.seen] == [1, 2, 2, 2, 2]
    times = [time for value, time in handler.seen if value == 2]
    assert [round(later - earlier) for earlier, later in pairwise(times)] == [1, 2, 4]


async def test_what_fails_for_good_is_given_up_with_its_reason_and_the_rest_goes_on(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    handler = Handler(failures=100)
    async with Producer("fake", surroundings=broker.surroundings) as producer:
        give_up = DeadLetterTopic(producer, "dead")
        async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
            with trio.move_on_after(60):
                await process(consumer, handler, attempts=2, delay_ms=10, give_up=give_up)
    assert [value for value, _ in handler.seen] == [1, 2, 2, 4]
    dead = [record for batch in broker.logs["dead", 0] for record in decode_records(batch)]
    assert [(record.key, record.value) for record in dead] == [(b"k", b"2"), (b"k", b"no number")]
    assert dict(dead[0].headers) == {
        "h": b"v",
        "odradek.origin": b"orders-0:1",
        "odradek.error": b"ValueError: not two",
        "odradek.attempts": b"2",
    }
    assert dict(dead[1].headers)["odradek.attempts"] == b"0"
    assert broker.committed["orders", 0] == 4


async def test_without_a_place_for_failures_the_last_one_is_raised_and_nothing_is_committed(
    broker: FakeBroker, autojump_clock: Any
) -> None:
    with pytest.raises(ValueError, match="not two"):
        async with Consumer("fake", NUMBERS, group="g", surroundings=broker.surroundings) as consumer:
            await process(consumer, Handler(failures=100), attempts=3, delay_ms=10)
    assert broker.committed == {}
