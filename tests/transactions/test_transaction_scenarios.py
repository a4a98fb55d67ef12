"""What has gone wrong with transactions elsewhere, each as a list of calls."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import LAST_EPOCH, ProducerIdAndEpoch
from tests.transactions.transaction_scene import ID, T0, T1, TIMEOUT_MS, Refusal, Scene

P = ProducerIdAndEpoch


def test_a_late_end_does_not_hit_the_next_transaction_where_ends_raise_the_epoch() -> None:
    scene = Scene()
    first = scene.init()
    scene.add(first)
    second = scene.end(first)
    scene.add(second, T1)
    assert scene.try_end(first, commit=False).error_code == ErrorCode.PRODUCER_FENCED
    assert scene.try_end(first, commit=True).error_code == ErrorCode.PRODUCER_FENCED
    assert scene.state is TransactionState.ONGOING


def test_initializing_over_an_open_transaction_raises_the_epoch_once_and_once_more_for_the_new_producer() -> None:
    for version in (0, 2):
        scene = Scene(version=version)
        producer = scene.init()
        scene.add(producer, version=version)
        assert scene.try_init().error_code == ErrorCode.CONCURRENT_TRANSACTIONS
        assert scene.transaction.producer == P(producer.producer_id, 1)
        scene.write_markers()
        assert scene.transaction.producer == P(producer.producer_id, 1)
        assert scene.init() == P(producer.producer_id, 2)


def test_an_abort_that_the_log_has_refused_does_not_raise_the_epoch_a_second_time() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer)
    scene.refuses = True
    for _ in range(3):
        with pytest.raises(Refusal):
            scene.try_init()
    assert scene.transaction.producer == producer
    assert scene.state is TransactionState.ONGOING
    scene.refuses = False
    assert scene.init() == P(producer.producer_id, producer.epoch + 2)


def test_an_end_at_the_last_epoch_answers_the_new_producer_id_with_which_the_producer_goes_on() -> None:
    for commit in (True, False):
        scene = Scene()
        last = scene.exhaust(scene.init())
        scene.add(last)
        response = scene.try_end(last, commit=commit)
        goes_on = P(response.producer_id, response.producer_epoch)
        assert goes_on == P(scene.next_producer_id, 0)
        assert goes_on.producer_id != last.producer_id
        assert [owed.producer for owed in scene.owed()] == [P(last.producer_id, LAST_EPOCH + 1)]
        # While markers are on their way it is told to wait, and not that it is somebody else.
        assert scene.add(goes_on) == ErrorCode.CONCURRENT_TRANSACTIONS
        assert scene.try_end(goes_on).error_code == ErrorCode.CONCURRENT_TRANSACTIONS
        scene.write_markers()
        assert scene.add(goes_on) == ErrorCode.NONE
        assert scene.end(goes_on) == P(goes_on.producer_id, 1)


def test_a_retried_end_at_the_last_epoch_answers_the_same_new_producer_id() -> None:
    scene = Scene()
    last = scene.exhaust(scene.init())
    scene.add(last)
    goes_on = scene.end(last)
    assert scene.end(last) == goes_on
    assert scene.restarted().end(last) == goes_on
    assert scene.try_end(last, commit=False).error_code == ErrorCode.INVALID_TXN_STATE


def test_initializing_at_the_last_epoch_gives_a_new_producer_id() -> None:
    scene = Scene()
    last = scene.exhaust(scene.init())
    assert scene.init() == P(scene.next_producer_id, 0)
    assert scene.try_end(last).error_code == ErrorCode.INVALID_PRODUCER_ID_MAPPING


def test_a_retried_initialization_at_the_last_epoch_answers_the_same_new_producer_id() -> None:
    scene = Scene()
    last = scene.exhaust(scene.init())
    given = scene.init(last)
    assert given == P(scene.next_producer_id, 0)
    assert scene.init(last) == given


def test_an_epoch_that_the_log_has_refused_was_given_to_nobody() -> None:
    """Who has not heard the answer before it still gets what it was given then."""
    scene = Scene()
    first = scene.init()
    given = scene.init(first)
    scene.refuses = True
    with pytest.raises(Refusal):
        scene.try_init(given)
    scene.refuses = False
    assert scene.init(first) == given


def test_an_epoch_that_the_log_has_refused_to_one_is_not_known_as_its_own_when_another_gets_it() -> None:
    scene = Scene()
    first = scene.init()
    scene.refuses = True
    with pytest.raises(Refusal):
        scene.try_init(first)
    scene.refuses = False
    scene.init()
    assert scene.try_init(first).error_code == ErrorCode.PRODUCER_FENCED


def test_who_was_fenced_at_the_last_epoch_does_not_get_the_new_producer_id_of_its_successor() -> None:
    scene = Scene()
    last = scene.exhaust(scene.init())
    scene.init()
    assert scene.try_init(last).error_code == ErrorCode.PRODUCER_FENCED


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_transaction_does_not_stay_open_when_its_epoch_is_exhausted(version: int) -> None:
    scene = Scene(version=version)
    last = scene.exhaust(scene.init())
    scene.add(last)
    scene.pass_time(TIMEOUT_MS)
    scene.write_markers()
    assert scene.state is TransactionState.COMPLETE_ABORT
    assert scene.add(last) != ErrorCode.NONE
    assert scene.init().epoch == 0
    assert scene.add(scene.init()) == ErrorCode.NONE


@pytest.mark.parametrize("version", [0, 2])
def test_a_producer_fenced_at_its_last_epoch_by_a_timeout_can_go_on_with_a_new_producer_id(version: int) -> None:
    scene = Scene(version=version)
    last = scene.exhaust(scene.init())
    scene.add(last)
    scene.pass_time(TIMEOUT_MS)
    scene.write_markers()
    response = scene.try_init(last)
    if version == 2:
        assert P(response.producer_id, response.producer_epoch) == P(scene.next_producer_id, 0)
    else:
        assert response.error_code == ErrorCode.PRODUCER_FENCED


def test_an_abort_over_the_head_of_the_last_epoch_gives_its_epoch_to_nobody() -> None:
    scene = Scene()
    last = scene.exhaust(scene.init())
    scene.add(last)
    scene.pass_time(TIMEOUT_MS)
    scene.write_markers()
    assert scene.transaction.producer_epoch == LAST_EPOCH + 1
    assert scene.try_end(last, commit=False).error_code == ErrorCode.PRODUCER_FENCED


def test_a_marker_that_is_written_twice_completes_the_transaction_once() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer)
    scene.try_end(producer)
    (owed,) = scene.owed()
    scene.write_markers()
    records = len(scene.log)
    scene.carry_out(scene.core.markers_written(ID, owed.producer, [T0], scene.now))
    assert len(scene.log) == records
    assert scene.state is TransactionState.COMPLETE_COMMIT


def test_markers_of_the_last_transaction_are_not_taken_for_those_of_the_next() -> None:
    scene = Scene()
    first = scene.init()
    scene.add(first)
    scene.try_end(first)
    (old,) = scene.owed()
    scene.write_markers()
    second = scene.transaction.producer
    scene.add(second)
    scene.try_end(second)
    scene.carry_out(scene.core.markers_written(ID, old.producer, [T0], scene.now))
    assert scene.state is TransactionState.PREPARE_COMMIT


def test_a_transaction_of_a_hundred_milliseconds_is_aborted_when_these_are_over() -> None:
    scene = Scene()
    scene.add(scene.init(timeout_ms=100))
    assert scene.core.next_deadline_ms == 100
    scene.pass_time(99)
    assert scene.state is TransactionState.ONGOING
    scene.pass_time(1)
    assert scene.state is TransactionState.PREPARE_ABORT


def test_the_longest_timeout_there_is_can_be_allowed_and_used() -> None:
    scene = Scene(transaction_max_timeout_ms=2**31 - 1)
    producer = scene.init(timeout_ms=2**31 - 1)
    scene.add(producer)
    scene.pass_time(2**31 - 2)
    assert scene.state is TransactionState.ONGOING
    scene.pass_time(1)
    assert scene.state is TransactionState.PREPARE_ABORT
