"""One partition as a share group takes it apart: lists of calls, and a random walk beside a model by the record."""

from random import Random

import pytest

from odradek.protocol.errors import ErrorCode
from odradek_broker.sharing.ranges import Range, RecordState
from odradek_broker.sharing.settings import ShareSettings
from odradek_broker.sharing.share_partition import (
    Acknowledgement,
    AcknowledgeType,
    Acquired,
    LogBatch,
    SharePartition,
)

ACCEPT, RELEASE, REJECT = AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE, AcknowledgeType.REJECT
RENEW, GAP = AcknowledgeType.RENEW, AcknowledgeType.GAP
AVAILABLE, ACQUIRED = RecordState.AVAILABLE, RecordState.ACQUIRED
ACKNOWLEDGED, ARCHIVED = RecordState.ACKNOWLEDGED, RecordState.ARCHIVED
SETTINGS = ShareSettings(record_lock_duration_ms=100, delivery_count_limit=2, partition_max_record_locks=20)


def of_ten() -> SharePartition:
    """Offsets 0-9 are with member a."""
    shared = SharePartition(SETTINGS, 0)
    assert shared.acquire("a", [LogBatch(0, 9)], 100, 0) == [Acquired(0, 9, 1)]
    return shared


def said(shared: SharePartition) -> list[tuple[int, int, RecordState, int]]:
    return [each[:4] for each in shared.in_flight]


def test_what_one_member_has_acquired_no_other_gets() -> None:
    shared = of_ten()
    assert shared.next_fetch_offset == 10
    assert shared.acquire("b", [LogBatch(0, 9), LogBatch(10, 11)], 100, 0) == [Acquired(10, 11, 1)]


def test_the_start_moves_behind_what_is_done_with_at_the_front() -> None:
    shared = of_ten()
    assert shared.acknowledge("a", [Acknowledgement(3, 5, ACCEPT)], 0) is ErrorCode.NONE
    assert (shared.start_offset, shared.delivery_complete_count) == (0, 3)
    assert shared.acknowledge("a", [Acknowledgement(0, 2, REJECT)], 0) is ErrorCode.NONE
    assert (shared.start_offset, shared.delivery_complete_count) == (6, 0)


def test_a_released_record_is_delivered_again_until_its_deliveries_are_used_up() -> None:
    shared = of_ten()
    shared.acknowledge("a", [Acknowledgement(4, 4, RELEASE)], 0)
    assert shared.next_fetch_offset == 4
    assert shared.acquire("b", [LogBatch(0, 9)], 100, 0) == [Acquired(4, 4, 2)]
    shared.acknowledge("b", [Acknowledgement(4, 4, RELEASE)], 0)
    assert (4, 4, ARCHIVED, 2) in said(shared)
    assert shared.next_fetch_offset == 10


def test_a_record_is_delivered_alone_for_the_last_time() -> None:
    shared = of_ten()
    shared.acknowledge("a", [Acknowledgement(3, 5, RELEASE)], 0)
    all_there_is = [LogBatch(0, 9), LogBatch(10, 11)]
    for offset in (3, 4, 5):
        assert shared.acquire("b", all_there_is, 100, 0) == [Acquired(offset, offset, 2)]
    assert shared.acquire("b", all_there_is, 100, 0) == [Acquired(10, 11, 1)]


def test_a_record_that_kills_its_members_takes_no_neighbour_with_it() -> None:
    shared, poison, dealt_with = SharePartition(ShareSettings(), 0), 4, set[int]()
    while given := shared.acquire("a", [LogBatch(0, 9)], 100, 0):
        offsets = {offset for first, last, _ in given for offset in range(first, last + 1)}
        if poison in offsets:
            shared.release("a")
        else:
            dealt_with |= offsets
            shared.acknowledge("a", [Acknowledgement(first, last, ACCEPT) for first, last, _ in given], 0)
    assert dealt_with == set(range(10)) - {poison}


def test_what_comes_before_a_last_delivery_is_not_delivered_with_it() -> None:
    shared = SharePartition(SETTINGS, 0, [Range(2, 2, AVAILABLE, 1)])
    assert shared.acquire("a", [LogBatch(0, 4)], 100, 0) == [Acquired(0, 1, 1)]
    assert shared.acquire("a", [LogBatch(0, 4)], 100, 0) == [Acquired(2, 2, 2)]
    assert shared.acquire("a", [LogBatch(0, 4)], 100, 0) == [Acquired(3, 4, 1)]


def test_a_last_delivery_of_what_compaction_has_taken_away_holds_up_nobody() -> None:
    shared = SharePartition(SETTINGS, 0, [Range(0, 0, AVAILABLE, 1)])
    assert shared.acquire("a", [LogBatch(1, 4)], 100, 0) == []
    assert shared.acquire("a", [LogBatch(1, 4)], 100, 0) == [Acquired(1, 4, 1)]


def test_a_lock_that_runs_out_frees_the_records_and_renewing_prolongs_it() -> None:
    shared = of_ten()
    assert shared.acknowledge("a", [Acknowledgement(0, 3, RENEW)], 60) is ErrorCode.NONE
    assert shared.next_deadline_ms == 100
    assert not shared.expire(99)
    assert shared.expire(100)
    assert said(shared) == [(0, 3, ACQUIRED, 1), (4, 9, AVAILABLE, 1)]
    assert shared.next_deadline_ms == 160
    assert shared.acknowledge("a", [Acknowledgement(4, 4, ACCEPT)], 100) is ErrorCode.INVALID_RECORD_STATE


def test_the_end_of_a_session_frees_what_its_member_has_and_nothing_else() -> None:
    shared = of_ten()
    shared.acquire("b", [LogBatch(10, 11)], 100, 0)
    shared.release("a")
    assert said(shared) == [(0, 9, AVAILABLE, 1), (10, 11, ACQUIRED, 1)]


@pytest.mark.parametrize(
    ("member", "acknowledgements", "error"),
    [
        ("b", [Acknowledgement(0, 9, ACCEPT)], ErrorCode.INVALID_RECORD_STATE),
        ("a", [Acknowledgement(0, 10, ACCEPT)], ErrorCode.INVALID_REQUEST),
        ("a", [Acknowledgement(12, 13, ACCEPT)], ErrorCode.INVALID_REQUEST),
        ("a", [Acknowledgement(0, 4, ACCEPT), Acknowledgement(5, 10, ACCEPT)], ErrorCode.INVALID_REQUEST),
    ],
)
def test_an_acknowledgement_with_a_fault_counts_in_no_part(
    member: str, acknowledgements: list[Acknowledgement], error: ErrorCode
) -> None:
    shared = of_ten()
    assert shared.acknowledge(member, acknowledgements, 0) is error
    assert said(shared) == [(0, 9, ACQUIRED, 1)]
    assert shared.take_changes() is None


def test_two_words_about_one_record_count_neither() -> None:
    shared = of_ten()
    twice = [Acknowledgement(0, 1, ACCEPT), Acknowledgement(1, 2, RELEASE)]
    assert shared.acknowledge("a", twice, 0) is ErrorCode.INVALID_RECORD_STATE
    assert said(shared) == [(0, 9, ACQUIRED, 1)]


def test_what_is_said_of_records_before_the_start_is_not_looked_at() -> None:
    shared = of_ten()
    shared.acknowledge("a", [Acknowledgement(0, 4, ACCEPT)], 0)
    assert shared.acknowledge("a", [Acknowledgement(2, 6, ACCEPT)], 0) is ErrorCode.NONE
    assert shared.start_offset == 7


def test_a_group_without_renewal_refuses_it() -> None:
    shared = SharePartition(ShareSettings(renew_acknowledge_enable=False), 0)
    shared.acquire("a", [LogBatch(0, 9)], 100, 0)
    assert shared.acknowledge("a", [Acknowledgement(0, 9, RENEW)], 0) is ErrorCode.INVALID_REQUEST


def test_batches_are_given_whole_unless_the_limit_is_strict() -> None:
    shared = SharePartition(SETTINGS, 0)
    assert shared.acquire("a", [LogBatch(0, 4), LogBatch(5, 9)], 3, 0) == [Acquired(0, 4, 1)]
    assert shared.acquire("b", [LogBatch(5, 9)], 3, 0, strict=True) == [Acquired(5, 7, 1)]
    assert shared.next_fetch_offset == 8


def test_no_more_is_in_flight_than_locks_allow_until_some_is_done_with() -> None:
    shared = SharePartition(SETTINGS, 0)
    shared.acquire("a", [LogBatch(0, 19), LogBatch(20, 29)], 100, 0)
    assert (shared.end_offset, shared.may_acquire) == (20, False)
    assert shared.acquire("a", [LogBatch(25, 29)], 100, 0) == []
    assert shared.end_offset == 20
    shared.acknowledge("a", [Acknowledgement(0, 0, ACCEPT)], 0)
    assert shared.may_acquire
    assert shared.acquire("a", [LogBatch(20, 29)], 100, 0, strict=True) == [Acquired(20, 20, 1)]


def test_offsets_that_compaction_has_taken_away_are_done_with() -> None:
    shared = SharePartition(SETTINGS, 0)
    assert shared.acquire("a", [LogBatch(3, 4), LogBatch(8, 9)], 100, 0) == [Acquired(3, 4, 1), Acquired(8, 9, 1)]
    assert (shared.start_offset, shared.delivery_complete_count) == (3, 3)


def test_aborted_records_are_given_to_nobody() -> None:
    shared = SharePartition(SETTINGS, 0)
    given = shared.acquire("a", [LogBatch(0, 4, is_visible=False), LogBatch(5, 9)], 100, 0)
    assert given == [Acquired(5, 9, 1)]
    assert shared.start_offset == 5


def test_what_retention_deletes_is_forgotten_be_it_acquired() -> None:
    shared = of_ten()
    shared.log_starts_at(6)
    assert said(shared) == [(6, 9, ACQUIRED, 1)]
    shared.log_starts_at(50)
    assert (shared.start_offset, shared.end_offset, said(shared)) == (50, 50, [])


def test_changes_are_told_once_and_only_those_that_still_count() -> None:
    shared = of_ten()
    shared.acknowledge("a", [Acknowledgement(0, 2, ACCEPT), Acknowledgement(5, 5, RELEASE)], 0)
    changes = shared.take_changes()
    assert changes is not None
    assert changes[1:] == (3, 0, [Range(5, 5, AVAILABLE, 1)], [])
    assert changes.number == shared.change_number
    assert shared.take_changes() is None


def test_a_successor_goes_on_from_what_is_stored_with_the_rest_available() -> None:
    stored = [Range(4, 5, ACKNOWLEDGED, 1), Range(8, 8, AVAILABLE, 1)]
    shared = SharePartition(ShareSettings(), 2, stored)
    assert said(shared) == [(2, 3, AVAILABLE, 0), (4, 5, ACKNOWLEDGED, 1), (6, 7, AVAILABLE, 0), (8, 8, AVAILABLE, 1)]
    assert (shared.next_fetch_offset, shared.end_offset) == (2, 9)
    assert shared.acquire("a", [LogBatch(0, 9)], 100, 0) == [
        *(Acquired(2, 3, 1), Acquired(6, 7, 1), Acquired(8, 8, 2), Acquired(9, 9, 1))
    ]


class Model:
    """The same by brute force: every offset by itself."""

    def __init__(self) -> None:
        self.start = self.end = 0
        self.records: dict[int, Range] = {}

    def set(self, offset: int, state: RecordState, count: int, member: str = "", deadline: int = 0) -> None:
        self.records[offset] = Range(offset, offset, state, count, member, deadline)

    def settle(self, offset: int, state: RecordState) -> None:
        count = self.records[offset].delivery_count
        spent = state is AVAILABLE and count >= SETTINGS.delivery_count_limit
        self.set(offset, ARCHIVED if spent else state, count)

    def move(self) -> None:
        while self.start < self.end and self.records[self.start].state.is_terminal:
            del self.records[self.start]
            self.start += 1

    def acquire(self, member: str, first: int, last: int, now: int) -> list[int]:
        """Of whole batches, while locks allow."""
        has_last = any(self.is_free(each) and self.is_last(each) for each in self.records)
        if last >= self.end and self.end - self.start < SETTINGS.partition_max_record_locks and not has_last:
            for offset in range(self.end, last + 1):
                self.set(offset, AVAILABLE, 0)
            self.end = last + 1
        given: list[int] = []
        for offset in range(first, last + 1):
            if offset in self.records and self.is_free(offset):
                if not (self.is_last(offset) and given):
                    given.append(offset)
                if self.is_last(offset):
                    break
        for offset in given:
            self.set(offset, ACQUIRED, self.records[offset].delivery_count + 1, member, now + 100)
        return given

    def is_last(self, offset: int) -> bool:
        return self.records[offset].delivery_count == SETTINGS.delivery_count_limit - 1

    def is_free(self, offset: int) -> bool:
        return self.records[offset].state is AVAILABLE


@pytest.mark.parametrize("seed", range(30))
def test_a_random_walk_says_of_every_record_what_a_model_by_the_record_says(seed: int) -> None:
    random, shared, model, now = Random(seed), SharePartition(SETTINGS, 0), Model(), 0
    stored: dict[int, tuple[RecordState, int]] = {}
    states = {GAP: ARCHIVED, ACCEPT: ACKNOWLEDGED, RELEASE: AVAILABLE, REJECT: ARCHIVED}
    for _ in range(300):
        now += random.randrange(20)
        member, what = random.choice("abc"), random.randrange(6)
        if what < 2:
            first = shared.next_fetch_offset
            last = first + random.randrange(8)
            given = shared.acquire(member, [LogBatch(first, last)], 100, now)
            assert [o for a in given for o in range(a[0], a[1] + 1)] == model.acquire(member, first, last, now)
        elif what < 4 and model.end > model.start:
            first = random.randrange(max(model.start - 2, 0), model.end)
            last, kind = min(first + random.randrange(6), model.end - 1), random.choice(list(AcknowledgeType))
            about = [model.records[each] for each in range(max(first, model.start), last + 1)]
            is_held = all(each.state is ACQUIRED and each.member_id == member for each in about)
            error = shared.acknowledge(member, [Acknowledgement(first, last, kind)], now)
            assert error is (ErrorCode.NONE if is_held else ErrorCode.INVALID_RECORD_STATE)
            for each in about if is_held else ():
                if kind is RENEW:
                    model.set(each.first_offset, ACQUIRED, each.delivery_count, member, now + 100)
                else:
                    model.settle(each.first_offset, states[kind])
        elif what == 4:
            late = [o for o, each in model.records.items() if each.state is ACQUIRED and each.deadline_ms <= now]
            assert shared.expire(now) == bool(late)
            for offset in late:
                model.settle(offset, AVAILABLE)
        elif random.random() < 0.2:
            shared.release(member)
            for offset, each in list(model.records.items()):
                if each.member_id == member and each.state is ACQUIRED:
                    model.settle(offset, AVAILABLE)
        model.move()
        by_record = {o: r._replace(first_offset=o, last_offset=o) for r in shared.in_flight for o in _offsets(r)}
        assert by_record == model.records
        assert (shared.start_offset, shared.end_offset) == (model.start, model.end)
        if changes := shared.take_changes():
            stored |= {o: (r.state, r.delivery_count) for r in changes.batches for o in _offsets(r)}
            successor = SharePartition(SETTINGS, changes.start_offset, [Range(o, o, *s) for o, s in stored.items()])
            assert successor.start_offset == shared.start_offset
            done = {o for o, each in model.records.items() if each.state.is_terminal}
            assert {o for r in successor.in_flight for o in _offsets(r) if r.state.is_terminal} == done


def _offsets(of: Range) -> range:
    return range(of.first_offset, of.last_offset + 1)
