"""Transactions that end badly: whatever was going on then, the next one holds its own records and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from fake_transactions import TransactionalBroker, unwilling

from odradek import Producer
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from odradek.protocol.messages.produce import ProduceRequest


@pytest.fixture
def broker(nursery: trio.Nursery) -> TransactionalBroker:
    return TransactionalBroker(nursery, orders=1, payments=2)


def no_answer(request: Any, answer: Any) -> None:
    return None


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


async def test_after_an_abort_that_ran_out_of_time_another_transaction_can_be_begun(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    """A Produce stays unanswered for longer than close_timeout_ms. What is left of the transaction is not sent again,
    neither before the next one nor in it."""
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t", batch_size=100) as producer:
        broker.script(ProduceRequest, no_answer)
        with pytest.raises(KeyError):
            async with producer.transaction():
                for _ in range(3):
                    await producer.send("orders", b"never" * 15)
                await trio.sleep(1)
                raise KeyError
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
        async with producer.transaction():
            await producer.send("orders", b"and again")
    assert broker.committed_values == [b"afterwards", b"and again"]
    assert broker.count(ProduceRequest) == 3
    assert broker.strays == []


async def test_after_an_abort_that_ran_out_of_time_the_producer_can_be_closed(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    began = trio.current_time()
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t", batch_size=100) as producer:
        broker.script(ProduceRequest, no_answer)
        with pytest.raises(KeyError):
            async with producer.transaction():
                for _ in range(3):
                    await producer.send("orders", b"never" * 15)
                await trio.sleep(1)
                raise KeyError
    assert trio.current_time() - began < 35
    assert broker.count(ProduceRequest) == 1
    assert broker.committed_values == []


async def test_a_transaction_that_ends_before_its_partitions_are_added_fences_nobody(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    """The one before is still being finished, so AddPartitionsToTxn is to be asked again; meanwhile the block raises,
    and the abort raises the epoch."""
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        async with producer.transaction():
            await producer.send("orders", b"before")
        broker.script(AddPartitionsToTxnRequest, unwilling(broker))
        with pytest.raises(KeyError):
            async with producer.transaction():
                await producer.send("orders", b"never")
                await trio.sleep(0.05)
                assert broker.count(AddPartitionsToTxnRequest) == 2
                raise KeyError
        await trio.sleep(1)
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
    assert broker.committed_values == [b"before", b"afterwards"]
    assert broker.strays == []


async def test_partitions_that_the_transaction_before_was_still_adding_are_added_to_the_next(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        broker.script(AddPartitionsToTxnRequest, *[unwilling(broker)] * 3)
        with pytest.raises(KeyError):
            async with producer.transaction():
                await producer.send("orders", b"never")
                await trio.sleep(0.05)
                assert broker.count(AddPartitionsToTxnRequest) == 1
                raise KeyError
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
            await producer.send("payments", b"as well")
    assert sorted(broker.committed_values, key=str) == [b"afterwards", b"as well"]
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
    await trio.sleep(0.1)
    assert [type(error).__name__ for error in errors] == ["ProducerClosed"]
