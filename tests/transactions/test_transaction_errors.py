"""Which error each wrong call gets: one row each, from one state of affairs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from odradek.protocol.errors import ErrorCode
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import NOBODY, ProducerIdAndEpoch
from tests.transactions.transaction_scene import ID, T0, T1, TIMEOUT_MS, Scene

P = ProducerIdAndEpoch
Row = Callable[[Scene, P], int]


def idle(version: int) -> tuple[Scene, P]:
    """A producer at epoch 3 that has begun nothing."""
    scene = Scene(version=version)
    for _ in range(4):
        producer = scene.init()
    return scene, producer


def ongoing(version: int) -> tuple[Scene, P]:
    scene, producer = idle(version)
    assert scene.add(producer, T0, version=version) == ErrorCode.NONE
    return scene, producer


def other_epoch(producer: P, difference: int) -> P:
    return P(producer.producer_id, producer.epoch + difference)


def other_id(producer: P) -> P:
    return P(producer.producer_id + 77, producer.epoch)


WHILE_OPEN: dict[str, tuple[ErrorCode, Row]] = {
    "init: empty id": (ErrorCode.INVALID_REQUEST, lambda s, p: s.try_init(transactional_id="").error_code),
    "init: an id longer than a record takes": (
        ErrorCode.INVALID_REQUEST,
        lambda s, p: s.try_init(transactional_id="x" * 2**15).error_code,
    ),
    "init: timeout 0": (ErrorCode.INVALID_TRANSACTION_TIMEOUT, lambda s, p: s.try_init(timeout_ms=0).error_code),
    "init: timeout below 0": (ErrorCode.INVALID_TRANSACTION_TIMEOUT, lambda s, p: s.try_init(timeout_ms=-1).error_code),
    "init: timeout too large": (
        ErrorCode.INVALID_TRANSACTION_TIMEOUT,
        lambda s, p: s.try_init(timeout_ms=900_001).error_code,
    ),
    "init: old epoch": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.try_init(other_epoch(p, -1)).error_code),
    "init: future epoch": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.try_init(other_epoch(p, 1)).error_code),
    "init: wrong producer id": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.try_init(other_id(p)).error_code),
    "init: right, but the transaction is open": (
        ErrorCode.CONCURRENT_TRANSACTIONS,
        lambda s, p: s.try_init(p).error_code,
    ),
    "add: empty id": (ErrorCode.INVALID_REQUEST, lambda s, p: s.add(p, txn="")),
    "add: unknown id": (ErrorCode.INVALID_PRODUCER_ID_MAPPING, lambda s, p: s.add(p, txn="other")),
    "add: wrong producer id": (ErrorCode.INVALID_PRODUCER_ID_MAPPING, lambda s, p: s.add(other_id(p))),
    "add: old epoch": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.add(other_epoch(p, -1))),
    "add: future epoch": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.add(other_epoch(p, 1))),
    "verify: partition not added": (ErrorCode.TRANSACTION_ABORTABLE, lambda s, p: s.verify(p, T1)[0]),
    "verify: wrong producer id": (ErrorCode.INVALID_PRODUCER_ID_MAPPING, lambda s, p: s.verify(other_id(p))[0]),
    "verify: old epoch": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.verify(other_epoch(p, -1))[0]),
    "end: empty id": (ErrorCode.INVALID_REQUEST, lambda s, p: s.try_end(p, txn="").error_code),
    "end: unknown id": (ErrorCode.INVALID_PRODUCER_ID_MAPPING, lambda s, p: s.try_end(p, txn="other").error_code),
    "end: wrong producer id": (ErrorCode.INVALID_PRODUCER_ID_MAPPING, lambda s, p: s.try_end(other_id(p)).error_code),
    "end: old epoch": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.try_end(other_epoch(p, -1)).error_code),
    "end: future epoch": (ErrorCode.PRODUCER_FENCED, lambda s, p: s.try_end(other_epoch(p, 1)).error_code),
    "end, same epoch: old epoch": (
        ErrorCode.PRODUCER_FENCED,
        lambda s, p: s.try_end(other_epoch(p, -1), version=0).error_code,
    ),
    "end, same epoch: future epoch": (
        ErrorCode.PRODUCER_FENCED,
        lambda s, p: s.try_end(other_epoch(p, 1), version=0).error_code,
    ),
    "end, same epoch: wrong producer id": (
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
        lambda s, p: s.try_end(other_id(p), version=0).error_code,
    ),
}


@pytest.mark.parametrize("name", WHILE_OPEN)
def test_a_wrong_call_gets_kafkas_error_and_changes_nothing(name: str) -> None:
    error, call = WHILE_OPEN[name]
    scene, producer = ongoing(2)
    records = len(scene.log)
    assert call(scene, producer) == error
    if error is not ErrorCode.CONCURRENT_TRANSACTIONS:
        assert len(scene.log) == records
        assert scene.state is TransactionState.ONGOING


@pytest.mark.parametrize(
    ("version", "first", "then", "again", "error"),
    [
        (0, True, True, "same", ErrorCode.NONE),
        (0, True, False, "same", ErrorCode.INVALID_TXN_STATE),
        (0, False, False, "same", ErrorCode.NONE),
        (0, False, True, "same", ErrorCode.INVALID_TXN_STATE),
        (2, True, True, "same", ErrorCode.NONE),
        (2, True, False, "same", ErrorCode.INVALID_TXN_STATE),
        (2, False, False, "same", ErrorCode.NONE),
        (2, False, True, "same", ErrorCode.INVALID_TXN_STATE),
        (2, True, True, "next", ErrorCode.INVALID_TXN_STATE),
        (2, True, False, "next", ErrorCode.NONE),
        (2, False, True, "next", ErrorCode.INVALID_TXN_STATE),
        (2, False, False, "next", ErrorCode.NONE),
    ],
)
def test_ending_twice_or_contrary(version: int, first: bool, then: bool, again: str, error: ErrorCode) -> None:
    """`again`: the epoch with which the second request comes, the first one's or the one that this was answered."""
    scene, producer = ongoing(version)
    after = scene.end(producer, commit=first, version=version)
    epoch = scene.transaction.producer_epoch
    response = scene.try_end(producer if again == "same" else after, commit=then, version=version)
    assert response.error_code == error
    raised = again == "next" and error is ErrorCode.NONE
    assert scene.transaction.producer_epoch == epoch + raised
    if error is ErrorCode.NONE:
        assert P(response.producer_id, response.producer_epoch) == scene.transaction.producer


@pytest.mark.parametrize(
    ("version", "commit", "error"),
    [
        (0, True, ErrorCode.INVALID_TXN_STATE),
        (0, False, ErrorCode.INVALID_TXN_STATE),
        (2, True, ErrorCode.INVALID_TXN_STATE),
        (2, False, ErrorCode.NONE),
    ],
)
def test_ending_what_was_never_begun(version: int, commit: bool, error: ErrorCode) -> None:
    scene, producer = idle(version)
    assert scene.try_end(producer, commit=commit, version=version).error_code == error
    if error is ErrorCode.NONE:
        assert scene.state is TransactionState.COMPLETE_ABORT
        assert scene.transaction.producer == other_epoch(producer, 1)
        assert not scene.owed()
    assert scene.try_end(other_epoch(producer, -1), commit=commit, version=version).error_code != ErrorCode.NONE


@pytest.mark.parametrize("commit", [True, False])
def test_while_markers_are_written_everybody_is_told_to_wait(commit: bool) -> None:
    scene, producer = ongoing(2)
    scene.try_end(producer, commit=commit)
    after = other_epoch(producer, 1)
    wait = ErrorCode.CONCURRENT_TRANSACTIONS
    assert scene.try_init().error_code == wait
    assert scene.try_init(after).error_code == wait
    assert scene.add(after) == wait
    assert scene.verify(after) == [wait]
    assert scene.try_end(after).error_code == wait
    assert scene.try_end(producer, commit=commit).error_code == wait


def test_a_producer_that_was_fenced_does_not_abort_its_successors_transaction() -> None:
    scene = Scene()
    old = scene.init()
    new = scene.init()
    scene.add(new)
    assert scene.try_init(old).error_code == ErrorCode.PRODUCER_FENCED
    assert scene.state is TransactionState.ONGOING


def test_an_unknown_id_without_a_new_producer_id_is_told_to_try_again() -> None:
    scene = Scene()
    response = scene.carry_out(scene.core.init_producer_id(ID, TIMEOUT_MS, NOBODY, None, scene.now))
    assert response.error_code == ErrorCode.CONCURRENT_TRANSACTIONS
    assert scene.log == []
