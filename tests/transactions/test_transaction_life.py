"""A transactional id from its first producer to its expiration."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek_broker.transactions.coordinator import EXPIRED_AT_ONCE, RETRY_MS
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import ProducerIdAndEpoch
from tests.transactions.transaction_scene import ID, T0, T1, TIMEOUT_MS, WALL_MS, Refusal, Scene

P = ProducerIdAndEpoch
HOUR_MS = 3_600_000
WEEK_MS = 7 * 24 * HOUR_MS


def test_each_new_producer_fences_the_one_before() -> None:
    scene = Scene()
    first, second = scene.init(), scene.init()
    assert second == P(first.producer_id, first.epoch + 1)
    assert scene.add(first) == ErrorCode.PRODUCER_FENCED
    assert scene.add(second) == ErrorCode.NONE


def test_a_producer_that_names_its_epoch_goes_on_with_the_next_one() -> None:
    scene = Scene()
    first = scene.init()
    second = scene.init(first)
    assert second == P(first.producer_id, first.epoch + 1)
    assert scene.init(first) == second, "the answer was lost, and nobody else has come"


def test_a_producer_that_retries_after_a_new_one_has_come_was_fenced() -> None:
    scene = Scene()
    first = scene.init()
    scene.init(first)
    scene.init()
    assert scene.try_init(first).error_code == ErrorCode.PRODUCER_FENCED


def test_a_producer_whose_id_the_coordinator_has_forgotten_gets_a_new_one() -> None:
    scene = Scene()
    assert scene.init(P(5, 7)) == P(scene.next_producer_id, 0)


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("commit", [True, False])
def test_a_transaction_ends_when_every_partition_has_its_marker(version: int, commit: bool) -> None:
    scene = Scene(version=version)
    producer = scene.init()
    scene.add(producer, T0, version=version)
    scene.add(producer, T1, version=version)
    scene.try_end(producer, commit=commit, version=version)
    (owed,) = scene.owed()
    bumped = producer.epoch + (version == 2)
    assert (owed.producer.epoch, owed.commit, owed.transaction_version) == (bumped, commit, version)
    scene.carry_out(scene.core.markers_written(ID, owed.producer, [T1], scene.now))
    assert scene.state.is_prepared
    assert list(owed.partitions) == [T0]
    scene.carry_out(scene.core.markers_written(ID, owed.producer, [T0], scene.now))
    assert scene.state is (TransactionState.COMPLETE_COMMIT if commit else TransactionState.COMPLETE_ABORT)
    assert scene.transaction.producer_epoch == bumped
    assert not scene.owed()


def test_no_marker_is_owed_before_the_decision_is_committed() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer)
    scene.commits = False
    scene.try_end(producer)
    assert scene.owed() == []
    scene.core.committed(len(scene.log) - 2)
    assert scene.owed() == []
    scene.core.committed(len(scene.log) - 1)
    assert len(scene.owed()) == 1


def test_what_is_owed_is_named_once() -> None:
    """Whoever was told sees to it: to name all that is under way with each new end would take longer and longer."""
    scene = Scene()
    scene.add(scene.init())
    scene.try_end(scene.transaction.producer)
    assert [owed.transactional_id for owed in scene.core.take_owed()] == [ID]
    assert scene.core.take_owed() == []
    assert scene.core.owes(ID, scene.transaction.producer)


def test_the_next_coordinator_owes_what_the_last_has_not_finished() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer, T0, T1)
    scene.try_end(producer)
    (owed,) = scene.owed()
    scene.carry_out(scene.core.markers_written(ID, owed.producer, [T1], scene.now))
    (again,) = scene.restarted().owed()
    assert (again.producer, again.commit, list(again.partitions)) == (owed.producer, True, [T0, T1])


def test_a_completion_that_the_log_has_refused_is_made_again() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer)
    scene.try_end(producer)
    scene.refuses = True
    with pytest.raises(Refusal):
        scene.write_markers()
    (owed,) = scene.owed()
    assert not owed.partitions
    scene.refuses = False
    scene.write_markers()
    assert scene.state is TransactionState.COMPLETE_COMMIT


def test_a_transaction_without_partitions_ends_at_once() -> None:
    scene = Scene()
    producer = scene.init()
    after = scene.end(producer, commit=False)
    assert scene.state is TransactionState.COMPLETE_ABORT
    assert scene.end(after, commit=False) == P(producer.producer_id, producer.epoch + 2)


def test_adding_what_is_there_already_writes_nothing() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer, T0, T1)
    records = len(scene.log)
    assert scene.add(producer, T1) == ErrorCode.NONE
    assert len(scene.log) == records
    assert scene.verify(producer, T0, T1) == [ErrorCode.NONE] * 2


def test_the_next_transaction_has_the_partitions_of_its_own_and_its_own_beginning() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer, T0)
    producer = scene.end(producer)
    scene.pass_time(5_000)
    scene.add(producer, T1)
    assert list(scene.transaction.partitions) == [T1]
    assert scene.transaction.start_ms == WALL_MS + 5_000
    assert scene.verify(producer, T0) == [ErrorCode.TRANSACTION_ABORTABLE]


# ------------------------------------------------------------------------------------------------------- timeouts


def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() -> None:
    for version in (0, 2):
        scene = Scene(version=version)
        producer = scene.init()
        scene.add(producer, version=version)
        scene.pass_time(TIMEOUT_MS)
        assert scene.state is TransactionState.PREPARE_ABORT
        scene.write_markers()
        assert scene.try_end(producer, version=version).error_code != ErrorCode.NONE
        assert scene.add(producer) == ErrorCode.PRODUCER_FENCED


def test_adding_partitions_does_not_prolong_a_transaction() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer, T0)
    scene.pass_time(TIMEOUT_MS - 1)
    scene.add(producer, T1)
    scene.pass_time(1)
    assert scene.state is TransactionState.PREPARE_ABORT


def test_a_transaction_that_has_ended_in_time_is_left_alone() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer)
    scene.end(producer)
    scene.pass_time(2 * TIMEOUT_MS)
    assert scene.state is TransactionState.COMPLETE_COMMIT


def test_an_abort_that_the_log_has_refused_is_tried_again() -> None:
    scene = Scene()
    scene.add(scene.init())
    scene.refuses = True
    scene.pass_time(TIMEOUT_MS + RETRY_MS)
    assert scene.state is TransactionState.ONGOING
    scene.refuses = False
    scene.pass_time(RETRY_MS)
    assert scene.state is TransactionState.PREPARE_ABORT


def test_the_next_coordinator_counts_the_time_that_has_passed() -> None:
    scene = Scene()
    scene.add(scene.init())
    scene.pass_time(TIMEOUT_MS - 10)
    after = scene.restarted()
    after.pass_time(9)
    assert after.state is TransactionState.ONGOING
    after.pass_time(1)
    assert after.state is TransactionState.PREPARE_ABORT


def test_a_timeout_is_that_of_the_producer_that_has_the_id_now() -> None:
    scene = Scene()
    scene.init(timeout_ms=TIMEOUT_MS)
    scene.add(scene.init(timeout_ms=1_000))
    scene.pass_time(1_000)
    assert scene.state is TransactionState.PREPARE_ABORT


# ----------------------------------------------------------------------------------------------------- expiration


def test_an_id_that_nobody_has_used_for_long_is_forgotten() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer)
    scene.end(producer)
    scene.pass_time(WEEK_MS - HOUR_MS)
    assert ID in scene.core.transactions
    scene.pass_time(HOUR_MS)
    assert scene.core.transactions == {}
    assert scene.log[-1].value is None
    assert scene.restarted().core.transactions == {}
    assert scene.add(producer) == ErrorCode.INVALID_PRODUCER_ID_MAPPING


def test_very_many_ids_expire_at_the_same_time_and_in_several_steps() -> None:
    scene = Scene()
    for number in range(2 * EXPIRED_AT_ONCE + 1):
        scene.try_init(transactional_id=f"id-{number}")
    scene.now_ms = WEEK_MS
    steps = []
    while (timer := scene.core.pop_due(scene.now)) is not None:
        result = scene.core.time_over(timer, scene.now)
        steps.append(len(result.records))
        scene.carry_out(result)
    assert steps == [EXPIRED_AT_ONCE, EXPIRED_AT_ONCE, 1]
    assert scene.core.transactions == {}


def test_an_id_whose_transaction_is_not_over_never_expires() -> None:
    scene = Scene(transaction_max_timeout_ms=2**31 - 1)
    scene.add(scene.init(timeout_ms=2**31 - 1))
    scene.pass_time(2 * WEEK_MS)
    assert scene.state is TransactionState.ONGOING
    scene.try_init()
    scene.pass_time(2 * WEEK_MS)
    assert scene.state is TransactionState.PREPARE_ABORT


# -------------------------------------------------------------------------------------------------- for operators


def test_an_id_is_described() -> None:
    scene = Scene()
    producer = scene.init()
    scene.add(producer, T0, T1)
    found = scene.core.describe(ID)
    assert (found.error_code, found.transaction_state, found.producer_id) == (0, "Ongoing", producer.producer_id)
    assert (found.transaction_timeout_ms, found.transaction_start_time_ms) == (TIMEOUT_MS, WALL_MS)
    assert [(each.topic, list(each.partitions)) for each in found.topics] == [("t", [0, 1])]
    assert scene.core.describe("other").error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
    assert scene.core.describe("").error_code == ErrorCode.INVALID_REQUEST


def test_ids_are_listed_by_state_by_producer_and_by_age() -> None:
    scene = Scene()
    scene.try_init(transactional_id="idle")
    producer = scene.init()
    scene.add(producer)
    scene.pass_time(1_000)

    def listed(**filters: object) -> set[str]:
        found = scene.core.list_transactions(scene.now, **filters)  # type: ignore[arg-type]
        return {each.transactional_id for each in found}

    assert listed() == {ID, "idle"}
    assert listed(states=["Ongoing"]) == {ID}
    assert listed(states=["NoSuchState"]) == set()
    assert listed(producer_ids=[producer.producer_id]) == {ID}
    assert listed(duration_ms=999, states=["Ongoing"]) == {ID}
    assert listed(duration_ms=1_000, states=["Ongoing"]) == set()
