"""Transactions that end badly: whatever was going on then, the next one holds its own records and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from msgspec.structs import replace

from odradek import (
    EndedBy,
    Producer,
    ProducerFenced,
    TransactionAbortable,
    TransactionAborted,
    TransactionOutcomeUnknown,
)
from odradek.producer.transaction_scope import Outcome
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from odradek.protocol.messages.end_txn import EndTxnRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.produce import ProduceRequest
from tests.client.fake_broker import lose
from tests.client.producer.fake_transactions import TransactionalBroker, unwilling


@pytest.fixture(params=[False, True], ids=["older", "newer"])
def broker(request: pytest.FixtureRequest, nursery: trio.Nursery) -> TransactionalBroker:
    return TransactionalBroker(nursery, newer=request.param, orders=1, payments=2)


@pytest.fixture
def older(nursery: trio.Nursery) -> TransactionalBroker:
    """Where partitions are added by a request of their own."""
    return TransactionalBroker(nursery, orders=1, payments=2)


@pytest.fixture
def newer(nursery: trio.Nursery) -> TransactionalBroker:
    return TransactionalBroker(nursery, newer=True, orders=1, payments=2)


def no_answer(request: Any, answer: Any) -> None:
    return None


def answering(code: ErrorCode) -> Any:
    """A step of the script: every partition of a Produce has this error, or the whole of an EndTxn."""

    def step(request: Any, answer: Any) -> Any:
        if isinstance(request, EndTxnRequest):
            return replace(answer, error_code=code)
        refused = [
            replace(t, partition_responses=[replace(p, error_code=code, base_offset=-1) for p in t.partition_responses])
            for t in answer.responses
        ]
        return replace(answer, responses=refused)

    return step


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
    older: TransactionalBroker, autojump_clock: Any
) -> None:
    """The one before is still being finished, so AddPartitionsToTxn is to be asked again; meanwhile the block raises,
    and the abort raises the epoch."""
    async with Producer("fake", surroundings=older.surroundings, transactional_id="t") as producer:
        async with producer.transaction():
            await producer.send("orders", b"before")
        older.script(AddPartitionsToTxnRequest, unwilling(older))
        with pytest.raises(KeyError):
            async with producer.transaction():
                await producer.send("orders", b"never")
                await trio.sleep(0.05)
                assert older.count(AddPartitionsToTxnRequest) == 2
                raise KeyError
        await trio.sleep(1)
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
    assert older.committed_values == [b"before", b"afterwards"]
    assert older.strays == []


async def test_partitions_that_the_transaction_before_was_still_adding_are_added_to_the_next(
    older: TransactionalBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=older.surroundings, transactional_id="t") as producer:
        older.script(AddPartitionsToTxnRequest, *[unwilling(older)] * 3)
        with pytest.raises(KeyError):
            async with producer.transaction():
                await producer.send("orders", b"never")
                await trio.sleep(0.05)
                assert older.count(AddPartitionsToTxnRequest) == 1
                raise KeyError
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
            await producer.send("payments", b"as well")
    assert sorted(older.committed_values, key=str) == [b"afterwards", b"as well"]
    assert older.strays == []


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


# ------------------------------------------------------------------------------------------------ the newer way


async def test_in_the_newer_way_produce_adds_and_every_end_raises_the_epoch(
    newer: TransactionalBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=newer.surroundings, transactional_id="t") as producer:
        for number in range(3):
            async with producer.transaction():
                await producer.send_and_wait("orders", b"%d" % number)
    assert newer.committed_values == [b"0", b"1", b"2"]
    assert newer.count(AddPartitionsToTxnRequest) == 0
    assert newer.count(InitProducerIdRequest) == 1
    assert newer._epoch == 3
    assert {name: version >= least for name, version in newer.asked_in for least in [{"EndTxn": 5}.get(name, 12)]} == {
        "Produce": True,
        "EndTxn": True,
    }


async def test_in_the_older_way_nothing_is_asked_that_would_add_by_itself(
    older: TransactionalBroker, autojump_clock: Any
) -> None:
    async with (
        Producer("fake", surroundings=older.surroundings, transactional_id="t") as producer,
        producer.transaction(),
    ):
        await producer.send("orders", b"v")
    assert older.asked_in == [("Produce", 11), ("EndTxn", 4)]


async def test_a_producer_that_is_given_the_newer_way_goes_it_from_the_next_transaction_on(
    older: TransactionalBroker, autojump_clock: Any
) -> None:
    """Under an epoch of its own: what is late of the older way is known by that."""
    async with Producer("fake", surroundings=older.surroundings, transactional_id="t") as producer:
        async with producer.transaction():
            await producer.send_and_wait("orders", b"older")
            older.newer = True
            older.script(EndTxnRequest, lose)  # the next connection hears of it
        async with producer.transaction():
            await producer.send("orders", b"newer")
    assert older.committed_values == [b"older", b"newer"]
    assert older.count(InitProducerIdRequest) == 2
    assert [version for name, version in older.asked_in if name == "EndTxn"] == [4, 4, 5]


# ---------------------------------------------------------------------------------------- who has ended it, and how


async def test_a_transaction_that_can_only_be_aborted_is_and_the_producer_goes_on(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        broker.script(ProduceRequest, answering(ErrorCode.TRANSACTION_ABORTABLE))
        with pytest.raises(TransactionAbortable):
            async with producer.transaction() as transaction:
                await producer.send("orders", b"never")
        assert transaction.outcome is Outcome.ABORTED
        async with producer.transaction() as transaction:
            await producer.send("orders", b"afterwards")
        assert transaction.outcome is Outcome.COMMITTED
    assert broker.committed_values == [b"afterwards"]
    assert broker.count(InitProducerIdRequest) == (1 if broker.newer else 2), "EndTxn has raised the epoch"


@pytest.mark.parametrize("awaits", [False, True])
async def test_in_the_newer_way_a_producer_goes_on_after_a_timeout_and_is_told_of_it(
    newer: TransactionalBroker, autojump_clock: Any, awaits: bool
) -> None:
    options: dict[str, Any] = {"transactional_id": "t", "transaction_timeout_ms": 2_000}
    async with Producer("fake", surroundings=newer.surroundings, **options) as producer:
        with pytest.raises(TransactionAborted, match="2000 ms") as caught:
            async with producer.transaction() as transaction:
                await producer.send_and_wait("orders", b"never")
                await trio.sleep(3)
                newer.time_out()
                delivery = await producer.send("orders", b"too late")
                if awaits:
                    await delivery
        assert (caught.value.by, transaction.outcome) == (EndedBy.TIMEOUT, Outcome.ABORTED)
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
    assert newer.committed_values == [b"afterwards"]


async def test_a_commit_that_comes_after_the_timeout_is_none(newer: TransactionalBroker, autojump_clock: Any) -> None:
    options: dict[str, Any] = {"transactional_id": "t", "transaction_timeout_ms": 2_000}
    async with Producer("fake", surroundings=newer.surroundings, **options) as producer:
        with pytest.raises(TransactionAborted) as caught:
            async with producer.transaction() as transaction:
                await producer.send_and_wait("orders", b"never")
                await trio.sleep(3)
                newer.time_out()
        assert (caught.value.by, transaction.outcome) == (EndedBy.TIMEOUT, Outcome.ABORTED)
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
    assert newer.committed_values == [b"afterwards"]


async def test_in_the_older_way_a_producer_whose_transaction_has_timed_out_is_fenced_and_told_by_what(
    older: TransactionalBroker, autojump_clock: Any
) -> None:
    options: dict[str, Any] = {"transactional_id": "t", "transaction_timeout_ms": 2_000}
    async with Producer("fake", surroundings=older.surroundings, **options) as producer:
        with pytest.raises(ProducerFenced, match="2000 ms") as caught:
            async with producer.transaction():
                await producer.send_and_wait("orders", b"never")
                await trio.sleep(3)
                older.time_out()
        assert caught.value.by is EndedBy.TIMEOUT
        with pytest.raises(ProducerFenced):
            async with producer.transaction():
                pass


async def test_a_producer_that_another_has_fenced_is_told_so(broker: TransactionalBroker, autojump_clock: Any) -> None:
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        with pytest.raises(ProducerFenced, match="another producer with this id") as caught:
            async with producer.transaction() as transaction:
                await producer.send_and_wait("orders", b"never")
                broker.let_another_in()
                await producer.send("payments", b"neither")
        assert (caught.value.by, transaction.outcome) == (EndedBy.NEWER_PRODUCER, Outcome.ABORTED)
        with pytest.raises(ProducerFenced):
            async with producer.transaction():
                pass
    assert broker.committed_values == []


async def test_a_transaction_that_was_ended_past_its_coordinator_is_aborted_and_the_producer_goes_on(
    newer: TransactionalBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=newer.surroundings, transactional_id="t") as producer:
        with pytest.raises(TransactionAborted) as caught:
            async with producer.transaction():
                newer.script(ProduceRequest, answering(ErrorCode.INVALID_PRODUCER_EPOCH))
                newer.state = "Ongoing"
                await producer.send("orders", b"never")
        assert caught.value.by is EndedBy.ADMINISTRATOR
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
    assert newer.committed_values == [b"afterwards"]


@pytest.mark.parametrize("answers", [False, True])
async def test_whether_a_commit_was_made_is_not_known_only_where_it_was_asked_for_and_not_answered(
    broker: TransactionalBroker, autojump_clock: Any, answers: bool
) -> None:
    def lose_and_let_another_in(request: Any, answer: Any) -> None:
        broker.let_another_in()
        raise ConnectionResetError

    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        kind: type[Exception] = ProducerFenced if answers else TransactionOutcomeUnknown
        with pytest.raises(kind):
            async with producer.transaction() as transaction:
                await producer.send_and_wait("orders", b"v")
                if answers:
                    broker.let_another_in()
                else:
                    broker.script(EndTxnRequest, lose_and_let_another_in)
        assert transaction.outcome is (Outcome.ABORTED if answers else Outcome.UNKNOWN)
    assert broker.committed_values == ([] if answers else [b"v"])


async def test_a_commit_that_took_longer_than_closing_may_have_been_made_though_the_producer_is_fenced_then(
    broker: TransactionalBroker, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = broker._EndTxn

    async def answer_late(request: EndTxnRequest, version: int) -> Any:
        answer = await end(request, version)
        if broker.count(EndTxnRequest) == 1:
            broker.let_another_in()
            await trio.sleep(2)
        return answer

    monkeypatch.setattr(broker, "_EndTxn", answer_late)
    options: dict[str, Any] = {"transactional_id": "t", "close_timeout_ms": 1_000}
    async with Producer("fake", surroundings=broker.surroundings, **options) as producer:
        with pytest.raises(TransactionOutcomeUnknown):
            async with producer.transaction() as transaction:
                await producer.send_and_wait("orders", b"v")
        assert transaction.outcome is Outcome.UNKNOWN
    assert broker.committed_values == [b"v"]


async def test_a_commit_whose_answer_was_lost_is_asked_for_again_and_counts_once(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    async with Producer("fake", surroundings=broker.surroundings, transactional_id="t") as producer:
        for number in range(2):
            async with producer.transaction() as transaction:
                await producer.send_and_wait("orders", b"%d" % number)
                broker.script(EndTxnRequest, lose)
            assert transaction.outcome is Outcome.COMMITTED
    assert broker.committed_values == [b"0", b"1"]
    assert broker.count(EndTxnRequest) == 4


async def test_an_end_that_nobody_has_waited_for_is_settled_before_anything_else(
    broker: TransactionalBroker, autojump_clock: Any
) -> None:
    options: dict[str, Any] = {"transactional_id": "t", "close_timeout_ms": 1_000}
    async with Producer("fake", surroundings=broker.surroundings, **options) as producer:
        broker.script(EndTxnRequest, no_answer)
        with trio.move_on_after(0.5) as scope:
            async with producer.transaction() as transaction:
                await producer.send_and_wait("orders", b"v")
        assert scope.cancelled_caught
        assert transaction.outcome is Outcome.UNKNOWN
        asked = broker.count(InitProducerIdRequest)
        await producer.settle()
        assert broker.count(InitProducerIdRequest) > asked
        async with producer.transaction():
            await producer.send("orders", b"afterwards")
    assert broker.committed_values == [b"v", b"afterwards"]
