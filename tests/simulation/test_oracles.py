"""The judges judged: each is shown what it must see, without a broker."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from invariants import Incarnation, Invariants, has_begun_anew
from ledger import Committed, Content, Contents, Violated
from one_run import plan_of
from replica_view import Batch, Batches, ReplicaView
from scene import GROUP_OFFSETS, Claim, Scene
from verdicts import Verdicts

from odradek import TopicPartition
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.controller.image import BrokerImage, MetadataImage, PartitionImage, TopicImage
from odradek_broker.transactions.records import transaction_record
from odradek_broker.transactions.states import TransactionState
from odradek_broker.transactions.transaction import Transaction

KEY = (b"t" * 16, 0)


def batch(base: int, count: int = 1, *, crc: int = 0, epoch: int = 0, producer: int = -1, sequence: int = -1) -> Batch:
    return Batch(base, base + count, epoch, crc, producer, 0, sequence)


def view(*batches: Batch, durable: int, start: int = 0) -> ReplicaView:
    found = ReplicaView()
    found.durable_offset, found.start_offset = durable, start
    for each in batches:
        found.batches.add(each)
    return found


def test_a_batch_is_found_by_where_it_begins_and_by_any_of_its_offsets() -> None:
    batches = Batches()
    for base in (0, 2, 7):
        batches.add(batch(base, 2))
    assert batches.at(2) == batches.with_offset(3) == batch(2, 2)
    assert batches.at(3) is None
    assert batches.with_offset(5) is None, "compaction has left a gap"
    assert batches.since(1) == [batch(2, 2), batch(7, 2)]
    assert batches.cut_end(8) == [batch(7, 2)]
    batches.cut_beginning(2)
    assert list(batches) == [batch(2, 2)]


def test_a_replica_has_a_batch_that_is_on_stable_storage_or_was_deleted_and_no_other_at_its_place() -> None:
    assert view(batch(0), batch(1), durable=2).has(batch(1), compacted=False)
    assert not view(batch(0), batch(1), durable=1).has(batch(1), compacted=False)
    assert not view(batch(0), batch(1, crc=7), durable=2).has(batch(1), compacted=False)
    assert view(durable=5, start=5).has(batch(1), compacted=False)


def test_what_compaction_has_left_of_a_batch_is_that_batch_and_one_of_another_producer_is_not() -> None:
    assert view(batch(1, crc=7), durable=2).has(batch(1), compacted=True)
    assert view(batch(3), durable=4).has(batch(1), compacted=True)
    assert not view(batch(1, producer=9), durable=2).has(batch(1), compacted=True)


def test_an_offset_that_is_left_out_of_what_is_committed_is_seen() -> None:
    committed = Committed()
    committed.add(batch(0))
    with pytest.raises(Violated, match="S2"):
        committed.add(batch(2))


def test_a_gap_in_the_numbers_of_a_producer_is_seen() -> None:
    committed = Committed()
    committed.add(batch(0, 2, producer=1, sequence=0))
    with pytest.raises(Violated, match="S7"):
        committed.add(batch(2, producer=1, sequence=3))


@pytest.mark.parametrize("unknown_before", [1, 2])
def test_a_leader_whose_log_begins_behind_all_of_a_producer_takes_what_it_sends_and_no_other_does(
    unknown_before: int,
) -> None:
    committed = Committed()
    committed.add(batch(0, 2, producer=1, sequence=0))
    with pytest.raises(Violated, match="S7") if unknown_before < 2 else nullcontext():
        committed.add(batch(2, 2, producer=1, sequence=0), unknown_before=unknown_before)


@pytest.mark.parametrize(
    ("start", "end", "first_base", "is_anew"),
    [
        (5, 5, 5, True),  # emptied, to begin where the leader does
        (8, 8, 8, False),  # all of it was deleted
        (5, 8, 5, False),  # the beginning was deleted
        (0, 6, 0, False),  # cut
    ],
)
def test_a_log_that_was_emptied_to_begin_elsewhere_is_told_from_one_that_was_deleted_or_cut(
    start: int, end: int, first_base: int, is_anew: bool
) -> None:
    log: Any = object()
    before: Any = SimpleNamespace(log=log, fields=(0, 8))
    now: Any = SimpleNamespace(log=log, fields=(start, end))
    assert has_begun_anew(before, now, first_base) is is_anew
    now.log = object()
    assert not has_begun_anew(before, now, first_base), "what a start finds is another matter"


def test_a_record_may_be_there_again_only_where_who_took_it_had_begun_anew_in_between() -> None:
    invariants = Invariants()
    committed = invariants.committed[KEY] = Committed()
    for base in range(4):
        committed.add(batch(base, epoch=base // 2))
    invariants._leaders = {(KEY, 0): 7, (KEY, 1): 8}
    assert not invariants.may_be_there_again(KEY, 0, 2)
    invariants._begins_anew_at[8, KEY] = 2
    assert invariants.may_be_there_again(KEY, 0, 2)
    assert not invariants.may_be_there_again(KEY, 2, 3), "it had that one"
    assert not invariants.may_be_there_again(KEY, 0, 1), "another led"


def test_an_unclean_leader_takes_away_what_it_lacks_and_what_was_acknowledged_before() -> None:
    committed = Committed()
    for base in range(3):
        committed.add(batch(base))
    committed.awaits_cut = True
    committed.cut_to(lambda each: each.base_offset < 1, now_s=5.0)
    assert committed.end_offset == 1
    assert committed.is_given_up(2, acknowledged_s=4.0)
    assert not committed.is_given_up(0, acknowledged_s=4.0), "its leader had that"
    assert not committed.is_given_up(2, acknowledged_s=6.0), "that was acknowledged by the new leader"


def test_a_record_is_known_by_its_content() -> None:
    contents = Contents()
    contents.keep(KEY, batch(0, 2), bytes(build_batch([Record(value=b"one"), Record(key=b"k", value=b"two")])))
    found = contents.at(KEY, batch(0, 2), 1)
    assert found is not None
    assert (found.key, found.value) == (b"k", b"two")
    assert contents.at(KEY, batch(0, 2), 2) is None


def test_a_record_is_known_by_the_topic_that_it_is_in_of_all_that_had_the_name() -> None:
    invariants = Invariants()
    invariants.incarnations["t"] = [Incarnation(b"old", 0.0), Incarnation(b"new", 1.0)]
    for topic_id, value in ((b"old", b"one"), (b"new", b"two")):
        committed = invariants.committed[topic_id, 0] = Committed()
        committed.add(batch(0))
        invariants.contents.keep((topic_id, 0), batch(0), bytes(build_batch([Record(value=value)])))
    assert [invariants.topic_of("t", 0, 0, value) for value in (b"one", b"two", b"three")] == [b"old", b"new", None]


class Told:
    """A world that only hears what is wrong."""

    def __init__(self) -> None:
        self.stories: list[str] = []
        self.invariants = Invariants()
        self.invariants.decided = MetadataImage(
            topics={"t": TopicImage("t", b"id", {0: PartitionImage(replicas=(1,), isr=(1,), leader=1)})}
        )

    def violated(self, error: Exception) -> None:
        self.stories.append(str(error))


PLACE, OTHER_PLACE = TopicPartition("t", 0), TopicPartition("t", 1)


def test_two_members_that_have_the_same_partition_are_seen_if_they_are_of_one_generation() -> None:
    world: Any = Told()
    scene = Scene(world, plan_of(0))
    scene.claimed("g", "one", Claim("1", 4, frozenset({PLACE})))
    scene.claimed("g", "two", Claim("2", 4, frozenset({OTHER_PLACE})))
    scene.claimed("other", "two", Claim("2", 4, frozenset({PLACE})))
    scene.claimed("g", "two", Claim("2", 5, frozenset({PLACE})))
    assert world.stories == [], "the first has not heard of the new generation yet"
    scene.claimed("g", "one", Claim("1", 5, frozenset({PLACE})))
    assert [story[:3] for story in world.stories] == ["S13"]


def test_generations_may_be_counted_again_where_a_coordinator_has_lost_its_records() -> None:
    world: Any = Told()
    scene = Scene(world, plan_of(0))
    of_groups = TopicImage(GROUP_OFFSETS, b"groups", {0: PartitionImage(replicas=(1,), isr=(1,), leader=1)})
    world.invariants.decided = MetadataImage(topics={GROUP_OFFSETS: of_groups})
    world.invariants.committed[b"groups", 0] = lost = Committed()
    lost.awaits_cut = True
    scene.claimed("g", "one", Claim("1", 4, frozenset({PLACE})))
    scene.claimed("g", "two", Claim("2", 4, frozenset({PLACE})))
    assert world.stories == []


@pytest.mark.parametrize("decisions", [1, 2])
def test_a_leader_that_was_not_in_sync_may_have_come_in_by_a_decision_that_was_seen_with_its_election(
    decisions: int,
) -> None:
    invariants = Invariants()
    invariants.decided = MetadataImage(brokers={2: BrokerImage(broker_id=2, epoch=1)})
    committed = invariants.committed[b"id", 0] = Committed()
    committed.add(batch(0))
    old = PartitionImage(replicas=(0, 2), isr=(0,), leader=0, leader_epoch=2, partition_epoch=5)
    new = PartitionImage(replicas=(0, 2), isr=(2,), leader=2, leader_epoch=3, partition_epoch=5 + decisions)
    with pytest.raises(Violated, match="S4") if decisions == 1 else nullcontext():
        invariants._changed("t-0", (b"id", 0), old, new)


@pytest.mark.parametrize("leader", [0, 2])
def test_the_last_known_leader_may_lead_again_where_nobody_else_may_have_anything(leader: int) -> None:
    """It has to have all that is committed all the same, for as far as is known here it has lost nothing."""
    invariants = Invariants()
    invariants.decided = MetadataImage(brokers={leader: BrokerImage(broker_id=leader, epoch=1)})
    committed = invariants.committed[b"id", 0] = Committed()
    committed.add(batch(0))
    old = PartitionImage(replicas=(0, 2), isr=(), leader=-1, leader_epoch=2, partition_epoch=5, last_known_elr=(2,))
    new = PartitionImage(replicas=(0, 2), isr=(leader,), leader=leader, leader_epoch=3, partition_epoch=6)
    with nullcontext() if leader == 2 else pytest.raises(Violated, match="S4"):
        invariants._elected_uncleanly("t-0", committed, old, new)
    assert not committed.awaits_cut


def test_a_commit_that_goes_back_is_seen_unless_an_earlier_one_was_late() -> None:
    world: Any = Told()
    scene = Scene(world, plan_of(0))
    scene.looked_up("g", {PLACE: 7}, {PLACE: 7})
    scene.late_commits["g", PLACE].add(6)
    scene.looked_up("g", {PLACE: 6}, {PLACE: 7})
    assert world.stories == []
    scene.looked_up("g", {PLACE: 5}, {PLACE: 7})
    scene.looked_up("g", {}, {PLACE: 7})
    assert [story[:2] for story in world.stories] == ["S9", "S9"]


@pytest.mark.parametrize(
    ("state", "commits", "is_right"),
    [
        (TransactionState.PREPARE_COMMIT, True, True),
        (TransactionState.PREPARE_ABORT, False, True),
        (TransactionState.PREPARE_COMMIT, False, False),
        (TransactionState.ONGOING, True, False),
    ],
)
def test_a_marker_without_a_decision_that_is_committed_is_seen(
    state: TransactionState, commits: bool, is_right: bool
) -> None:
    transaction = Transaction(producer_id=7, producer_epoch=3, timeout_ms=1, state=state, update_ms=0)
    record = transaction_record("t", transaction, 2)
    verdicts = Verdicts()
    verdicts.decided(Content(0, record.key, record.value))
    marker = Batch(5, 6, 0, 0, 7, 3, -1, is_transactional=True, is_control=True)
    with nullcontext() if is_right else pytest.raises(Violated, match="S8"):
        verdicts.marked("here", marker, commits=commits)
