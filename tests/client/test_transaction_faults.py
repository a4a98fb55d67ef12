"""Transactions that end badly: whatever was going on then, the next one holds its own records and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from fake_transactions import TransactionalBroker

from odradek import Producer
from odradek.protocol.messages.produce import ProduceRequest


@pytest.fixture
def broker(nursery: trio.Nursery) -> TransactionalBroker:
    return TransactionalBroker(nursery, orders=1, payments=2)


async def test_committed_records_are_visible_and_aborted_ones_are_not(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        for number in range(4):
            try:
                async with producer.transaction():
                    await producer.send_and_wait("orders", b"%d" % number)
                    if number % 2:
                        raise KeyError
            except KeyError:
                pass
    assert broker.committed_values == [b"0", b"2"]
    assert broker.strays == []


@pytest.mark.parametrize("ending", ["commit", "abort"])
async def test_a_send_that_waits_for_room_while_its_transaction_ends_is_refused(
    broker: TransactionalBroker, autojump_clock: Any, nursery: trio.Nursery, ending: str
) -> None:
    outcomes: list[str] = []

    async def send() -> None:
        try:
            await producer.send("orders", b"too late")
            outcomes.append("taken")
        except RuntimeError:
            outcomes.append("refused")

    async with Producer(
        "fake",
        surroundings=broker.surroundings,
        transactional_id="t",
        buffer_memory=100,
        batch_size=1000,
        linger_ms=10_000,
    ) as producer:
        try:
            async with producer.transaction():
                await producer.send("orders", b"v" * 200)
                nursery.start_soon(send)
                await trio.sleep(1)
                if ending == "abort":
                    raise KeyError
        except KeyError:
            pass
        async with producer.transaction():
            pass
        await trio.sleep(20)
    assert outcomes == ["refused"]
    assert broker.count(ProduceRequest) == (ending == "commit")


async def test_a_send_that_waits_for_room_does_not_join_the_next_transaction(
    broker: TransactionalBroker, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    outcomes: list[str] = []

    async def send() -> None:
        try:
            await producer.send("nowhere yet", b"of the first")
            outcomes.append("taken")
        except RuntimeError:
            outcomes.append("refused")

    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        async with producer.transaction():
            nursery.start_soon(send)
            await trio.sleep(1)
        async with producer.transaction():
            broker.topics["nowhere yet"] = 1
            broker.logs["nowhere yet", 0] = []
            await trio.sleep(1)
    assert outcomes == ["refused"]
    assert broker.committed_values == []


async def test_a_send_that_waits_for_room_while_the_producer_closes_is_refused(
    broker: TransactionalBroker, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    errors: list[Exception] = []

    async def send() -> None:
        try:
            await producer.send("orders", b"too late")
        except Exception as error:
            errors.append(error)

    with trio.CancelScope() as scope:
        async with Producer(
            "fake", surroundings=broker.surroundings, buffer_memory=100, batch_size=1000, linger_ms=10_000
        ) as producer:
            await producer.send("orders", b"v" * 200)
            nursery.start_soon(send)
            await trio.sleep(1)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    await trio.sleep(0)
    await trio.sleep(0.1)
    assert [type(error).__name__ for error in errors] == ["ProducerClosed"]
