"""The order of a partition's batches, and their sequence numbers, through whatever comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.producer.queue import Batch, PartitionQueue
from odradek.producer.sequences import LAST_EPOCH, SEQUENCE_MODULUS
from odradek.protocol.records.codecs import Codec


def queue(limit: int = 5, *, idempotent: bool = True) -> PartitionQueue:
    made = PartitionQueue("t", 0, Codec.NONE, None, limit)
    if idempotent:
        made.sequences.begin(7, 0)
        made.sequences.is_proven = True
    return made


def fill(made: PartitionQueue, count: int, records: int = 1) -> list[Batch]:
    batches = []
    for i in range(count):
        batches.append(made.begin_batch(float(i)))
        for _ in range(records):
            batches[-1].append(None, b"", (), 0)
        made.close_open()
    return batches


def drain(made: PartitionQueue) -> Batch:
    batch = made.drain()
    if not made.sequences.needs_identity:
        made.sequences.number(batch)
    return batch


def test_batches_leave_in_order_and_five_at_most() -> None:
    made = queue()
    batches = fill(made, 7, records=3)
    assert [drain(made) for _ in range(5)] == batches[:5]
    assert [batch.base_sequence for batch in batches[:5]] == [0, 3, 6, 9, 12]
    assert made.is_blocked
    made.settle(batches[1])
    assert made.is_blocked, "the broker would forget the first before it is acknowledged"
    made.settle(batches[0])
    assert not made.is_blocked


def test_an_open_batch_lingers_unless_somebody_waits() -> None:
    made = queue()
    batch = made.begin_batch(10.0)
    assert made.ready_at(0.5) == 10.5
    made.want(batch)
    assert made.ready_at(0.5) == 0.0


def test_what_comes_back_waits_for_the_rest_and_goes_first() -> None:
    made = queue()
    a, b, c, d = fill(made, 4)
    for _ in range(3):
        drain(made)
    made.retry(b, not_before=1.0)
    assert made.is_blocked
    made.retry(a, not_before=2.0)
    made.settle(c)
    assert not made.is_blocked
    assert made.ready_at(0.0) == 2.0
    assert [drain(made) for _ in range(3)] == [a, b, d]
    assert (a.base_sequence, b.base_sequence, d.base_sequence) == (0, 1, 3)


def test_an_unproven_producer_sends_one_batch_at_a_time() -> None:
    made = queue()
    made.sequences.is_proven = False
    a, _ = fill(made, 2)
    drain(made)
    assert made.is_blocked
    made.settle(a)
    made.sequences.acknowledged(a)
    assert not made.is_blocked


def test_the_numbers_of_the_last_refused_batch_are_used_again() -> None:
    made = queue()
    a, b = fill(made, 2, records=4)
    drain(made)
    made.settle(a)
    assert made.sequences.take_back(a)
    assert drain(made) is b
    assert b.base_sequence == 0


def test_the_numbers_of_an_earlier_refused_batch_are_not() -> None:
    made = queue()
    a, _ = fill(made, 2)
    drain(made), drain(made)
    made.settle(a)
    assert not made.sequences.take_back(a)
    assert made.sequences.next_sequence == 2


def test_a_new_epoch_begins_when_nothing_is_in_flight() -> None:
    made = queue()
    a, b, c = fill(made, 3)
    for _ in range(3):
        drain(made)
    made.renew_epoch()
    made.retry(a, 0.0)
    made.retry(b, 0.0)
    assert a.base_sequence == 0 and a.producer_epoch == 0
    made.retry(c, 0.0)
    assert [drain(made) for _ in range(1)] == [a]
    assert (a.producer_epoch, a.base_sequence) == (1, 0)
    made.sequences.acknowledged(a)
    made.settle(a)
    drain(made), drain(made)
    assert (b.base_sequence, c.base_sequence, c.producer_epoch) == (1, 2, 1)


def test_after_the_last_epoch_a_new_identity_is_needed() -> None:
    made = queue()
    made.sequences.begin(7, LAST_EPOCH)
    made.sequences.renew([])
    assert made.sequences.needs_identity
    assert made.sequences.used_identity == 7


def test_sequences_wrap_around() -> None:
    made = queue()
    made.sequences.next_sequence = SEQUENCE_MODULUS - 2
    a, b = fill(made, 2, records=3)
    drain(made), drain(made)
    assert (a.base_sequence, b.base_sequence) == (SEQUENCE_MODULUS - 2, 1)


def test_expired_batches_leave_the_queue_and_those_in_flight_do_not() -> None:
    made = queue()
    batches = fill(made, 3)
    drain(made)
    assert made.take_expired(now_s=31.0, timeout_s=30.0) == [batches[1]]
    assert made.unsettled() == [batches[0], batches[2]]


class Broker:
    """What a partition's leader does with sequences; it may lose the request, or its answer."""

    def __init__(self) -> None:
        self.log: list[int] = []
        self.known: list[tuple[int, int, int]] = []

    def append(self, batch: Batch) -> str:
        entry = (batch.producer_epoch, batch.base_sequence, batch.count)
        if entry in self.known[-5:]:
            return "ok"
        if self.known:
            epoch, sequence, count = self.known[-1]
            if batch.base_sequence != (0 if batch.producer_epoch > epoch else sequence + count):
                return "out of order"
        self.known.append(entry)
        self.log.append(batch.serial)
        return "ok"


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.sampled_from(["ok", "lost request", "lost answer", "refused"]), max_size=60), st.data())
def test_whatever_is_lost_the_log_has_each_batch_once_and_in_order(faults: list[str], data: st.DataObject) -> None:
    """Batches go out as the queue allows, answers come back in any order of tasks; requests and answers get lost.

    A batch may be refused though an earlier attempt was written: then it is in the log, once and in its place."""
    made, broker = queue(), Broker()
    made.sequences.is_proven = False
    batches = fill(made, 25)
    refused: set[int] = set()
    answers: list[tuple[Batch, str]] = []
    queued = list(faults)
    while made.unsettled() or answers:
        if not made.is_empty and not made.is_blocked and (not answers or data.draw(st.booleans())):
            batch = drain(made)
            fault = queued.pop(0) if queued else "ok"
            if fault == "refused":
                answers.append((batch, "refused"))
            else:
                verdict = "unknown" if fault == "lost request" else broker.append(batch)
                answers.append((batch, "unknown" if fault == "lost answer" else verdict))
            continue
        batch, answer = answers.pop(data.draw(st.integers(0, len(answers) - 1)))
        if answer == "ok":
            made.settle(batch)
            made.sequences.acknowledged(batch)
        elif answer == "refused":
            made.settle(batch)
            if batch.attempts == 1:
                made.sequences.take_back(batch)
            refused.add(batch.serial)
        else:
            if answer == "out of order" and made.is_first(batch):
                made.renew_epoch()
            made.retry(batch, 0.0)
    assert broker.log == [b.serial for b in batches if b.serial not in refused or b.serial in broker.log]
