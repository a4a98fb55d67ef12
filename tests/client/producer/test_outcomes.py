"""What each answer to a batch means."""

from __future__ import annotations

import pytest

from odradek.errors import BrokerError, ConnectionFailed, DeliveryTimedOut
from odradek.producer.outcomes import Outcomes
from odradek.producer.queue import Batch, PartitionQueue
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.produce import PartitionProduceResponse
from odradek.protocol.records.codecs import Codec


def in_flight(count: int) -> list[Batch]:
    queue = PartitionQueue("t", 0, Codec.NONE, None)
    queue.sequences.begin(7, 0)
    queue.sequences.is_proven = True
    batches = []
    for i in range(count):
        batch = queue.begin_batch(float(i))
        batch.append(None, b"v", (), 0)
        queue.close_open()
        queue.sequences.number(queue.drain())
        batches.append(batch)
    return batches


def outcomes(*, idempotent: bool = True, transactional: bool = False) -> Outcomes:
    return Outcomes(120.0, idempotent=idempotent, transactional=transactional)


def answer(code: ErrorCode, offset: int = -1) -> PartitionProduceResponse:
    return PartitionProduceResponse(0, code, offset)


def test_an_acknowledged_batch_is_done() -> None:
    (batch,) = in_flight(1)
    assert outcomes().answered(batch, answer(ErrorCode.NONE, 42), 1.0, 0.1)
    assert (batch.is_done, batch.base_offset, batch.error) == (True, 42, None)


def test_a_duplicate_is_done_though_nobody_knows_where_it_is() -> None:
    (batch,) = in_flight(1)
    assert outcomes().answered(batch, answer(ErrorCode.DUPLICATE_SEQUENCE_NUMBER), 1.0, 0.1)
    assert (batch.base_offset, batch.error) == (-1, None)


@pytest.mark.parametrize("code", [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID])
def test_a_missing_predecessor_means_a_new_epoch_only_for_the_first_batch(code: ErrorCode) -> None:
    first, second = in_flight(2)
    assert not outcomes().answered(second, answer(code), 1.0, 0.1)
    first.queue.settle(first)
    assert first.queue.drain() is second
    assert (second.producer_epoch, second.base_sequence) == (0, 1)
    assert not outcomes().answered(second, answer(code), 1.0, 0.1)
    first.queue.sequences.number(first.queue.drain())
    assert (second.producer_epoch, second.base_sequence) == (1, 0)


def test_within_a_transaction_it_is_given_up() -> None:
    (batch,) = in_flight(1)
    assert outcomes(transactional=True).answered(batch, answer(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER), 1.0, 0.1)
    assert isinstance(batch.error, BrokerError)


def test_a_retriable_error_is_tried_again_after_a_pause() -> None:
    (batch,) = in_flight(1)
    assert not outcomes().answered(batch, answer(ErrorCode.NOT_ENOUGH_REPLICAS), 1.0, 0.1)
    assert batch.queue.ready_at(0.0) == 1.1


def test_an_answer_that_never_came_is_tried_again_under_the_same_number() -> None:
    first, second = in_flight(2)
    for batch in (first, second):
        assert not outcomes().unanswered(batch, ConnectionFailed("gone"), 1.0, 0.1)
    assert (first.queue.drain(), first.base_sequence) == (first, 0)


def test_when_the_time_is_over_the_last_error_is_the_cause() -> None:
    (batch,) = in_flight(1)
    assert outcomes().answered(batch, answer(ErrorCode.NOT_ENOUGH_REPLICAS), 119.95, 0.1)
    assert isinstance(batch.error, DeliveryTimedOut)
    assert "NOT_ENOUGH_REPLICAS" in str(batch.error)


def test_a_refusal_of_what_was_never_sent_before_takes_the_numbers_back() -> None:
    (batch,) = in_flight(1)
    assert outcomes().answered(batch, answer(ErrorCode.INVALID_RECORD), 1.0, 0.1)
    assert isinstance(batch.error, BrokerError)
    assert batch.queue.sequences.next_sequence == 0


def test_a_refusal_of_what_may_have_been_written_before_does_not() -> None:
    """Its first attempt may be in the log. The next batch under the same numbers would be taken for a copy of it."""
    (batch,) = in_flight(1)
    assert not outcomes().unanswered(batch, ConnectionFailed("gone"), 1.0, 0.1)
    batch.queue.drain()
    assert outcomes().answered(batch, answer(ErrorCode.INVALID_RECORD), 2.0, 0.1)
    assert isinstance(batch.error, BrokerError)
    assert batch.queue.sequences.next_sequence == 1


def test_a_failure_that_does_not_say_what_was_written_does_not_either() -> None:
    (batch,) = in_flight(1)
    assert outcomes().answered(batch, answer(ErrorCode.UNKNOWN_SERVER_ERROR), 1.0, 0.1)
    assert batch.queue.sequences.next_sequence == 1
