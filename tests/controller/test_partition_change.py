"""Who leads a partition, and who could: step by step through what may happen to its replicas."""

from __future__ import annotations

from typing import Any

from odradek_broker.controller.image import NO_LEADER, PartitionImage
from odradek_broker.controller.partition_change import Election, Rules, Wish, change_partition
from odradek_broker.controller.replay import changed

TWO, UNCLEAN = Rules(min_insync=2), Rules(min_insync=2, unclean=True)
ID = b"i" * 16


def partition(isr: tuple[int, ...] = (1, 2, 3), leader: int = 1, **more: Any) -> PartitionImage:
    return PartitionImage(replicas=(1, 2, 3), isr=isr, leader=leader, **more)


def change(old: PartitionImage, active: set[int], rules: Rules = TWO, **wanted: Any) -> PartitionImage:
    record = change_partition(ID, 0, old, rules, lambda replica: replica in active, Wish(**wanted))
    return old if record is None else changed(old, record)


def lose(old: PartitionImage, broker: int, active: set[int], rules: Rules = TWO) -> PartitionImage:
    """A broker is fenced."""
    return change(old, active - {broker}, rules, isr=[each for each in old.isr if each != broker])


def test_another_replica_in_sync_takes_over_in_a_new_epoch() -> None:
    after = lose(partition(), 1, {1, 2, 3})
    assert (after.leader, after.isr, after.leader_epoch, after.elr) == (2, (2, 3), 1, ())


def test_losing_a_follower_changes_no_leader_and_no_leader_epoch() -> None:
    after = lose(partition(), 3, {1, 2, 3})
    assert (after.leader, after.isr, after.leader_epoch, after.partition_epoch) == (1, (1, 2), 0, 1)


def test_who_leaves_an_isr_below_the_minimum_stays_eligible() -> None:
    """Nothing is committed without it, so it still has everything (KIP-966)."""
    one = lose(lose(partition(), 1, {1, 2, 3}), 2, {2, 3})
    assert (one.leader, one.isr, one.elr) == (3, (3,), (2,))
    none = lose(one, 3, {3})
    assert (none.leader, none.isr, none.elr) == (NO_LEADER, (), (2, 3))
    assert change(none, {1}).leader == NO_LEADER, "broker 1 may lack what was committed"
    back = change(none, {1, 2})
    assert (back.leader, back.isr, back.elr) == (2, (2,), (3,))


def test_eligible_replicas_are_forgotten_once_enough_are_in_sync_again() -> None:
    old = partition(isr=(1,), leader=1, elr=(2,))
    assert change(old, {1, 2, 3}, isr=[1, 3]).elr == ()


def test_a_replica_that_has_lost_its_disk_is_not_eligible() -> None:
    old = partition(isr=(), leader=NO_LEADER, elr=(2, 3))
    after = change(old, {1}, isr=[], unclean_restart=[2])
    assert after.elr == (3,)
    assert change(after, {1, 2}).leader == NO_LEADER


def test_when_nobody_is_known_to_have_everything_the_last_leader_leads_as_soon_as_it_is_there() -> None:
    """As after a power cut of all where nothing was synced: it is the one that most likely has most."""
    one = lose(lose(partition(), 1, {1, 2, 3}), 2, {2, 3})
    none = lose(one, 3, {3})
    assert (none.leader, none.last_known_elr) == (NO_LEADER, (3,))
    for returning in (2, 3):
        none = change(none, {1}, isr=[], unclean_restart=[returning])
    assert (none.leader, none.elr, none.last_known_elr) == (NO_LEADER, (), (3,))
    assert change(none, {1, 2}).leader == NO_LEADER
    back = change(none, {1, 2, 3})
    assert (back.leader, back.isr, back.leader_recovery_state, back.last_known_elr) == (3, (3,), 1, ())


def test_a_last_leader_that_keeps_the_partition_no_more_does_not_lead_it() -> None:
    old = partition(isr=(), leader=NO_LEADER, last_known_elr=(9,))
    assert change(old, {1, 2, 3, 9}).leader == NO_LEADER


def test_an_unclean_election_is_made_only_where_the_topic_allows_it() -> None:
    old = partition(isr=(3,), leader=3)
    assert change(old, {1, 2}, TWO, isr=[]).leader == NO_LEADER
    after = change(old, {1, 2}, UNCLEAN, isr=[])
    assert (after.leader, after.isr, after.leader_recovery_state) == (1, (1,), 1)
    by_hand = change(partition(isr=(), leader=NO_LEADER, elr=(3,)), {2}, election=Election.UNCLEAN)
    assert (by_hand.leader, by_hand.isr) == (2, (2,))


def test_a_leader_in_place_stays_unless_the_preferred_one_is_asked_for() -> None:
    old = partition(leader=2)
    assert change(old, {1, 2, 3}).leader == 2
    assert change(old, {1, 2, 3}, election=Election.PREFERRED).leader == 1
    assert change(old, {2, 3}, election=Election.PREFERRED).leader == 2


def test_a_partition_moves_only_when_all_that_are_added_are_in_sync() -> None:
    old = partition(isr=(1, 2, 3))
    moving = change(old, {1, 2, 3, 4}, replicas=[4, 2, 3, 1], adding=[4], removing=[1])
    assert moving.replicas == (4, 2, 3, 1) and moving.leader == 1
    done = change(moving, {1, 2, 3, 4}, isr=[1, 2, 3, 4])
    assert (done.replicas, done.isr, done.leader) == ((4, 2, 3), (2, 3, 4), 4)
    assert not done.is_reassigning


def test_taking_a_replica_off_begins_a_new_leader_epoch_so_that_it_is_fenced() -> None:
    old = partition(leader=2)
    after = change(old, {1, 2, 3}, replicas=[2, 3, 1], removing=[1], isr=[1, 2, 3])
    assert (after.replicas, after.leader, after.leader_epoch) == ((2, 3), 2, 1)


def test_nothing_to_change_is_no_record() -> None:
    assert change_partition(ID, 0, partition(), TWO, lambda _: True) is None


def test_a_leader_out_of_an_unclean_election_has_recovered_when_it_says_so_and_not_before() -> None:
    old = partition(isr=(1,), leader=1, leader_recovery_state=1)
    after = change(old, {1, 2, 3}, isr=[1, 2])
    assert (after.isr, after.leader_recovery_state) == ((1, 2), 1)
    assert change(old, {1}, recovered=True).leader_recovery_state == 0
    assert change(partition(), {1, 2, 3}, recovered=True) == partition(), "it had not to recover"


def test_the_old_replicas_stay_until_one_that_remains_is_in_sync() -> None:
    moving = partition(isr=(1,), leader=1, removing_replicas=(1,), elr=(2, 3))
    assert change(moving, {1, 2, 3}).replicas == (1, 2, 3)
    done = change(moving, {1, 2, 3}, isr=[1, 2])
    assert (done.replicas, done.isr, done.leader) == ((2, 3), (2,), 2)


def test_a_partition_may_move_to_new_replicas_alone() -> None:
    moving = PartitionImage(replicas=(4, 5, 1), isr=(1,), leader=1, adding_replicas=(4, 5), removing_replicas=(1,))
    assert change(moving, {1, 4, 5}, isr=[1, 4]).replicas == (4, 5, 1)
    done = change(moving, {4, 5}, isr=[4, 5])
    assert (done.replicas, done.isr, done.leader, done.is_reassigning) == ((4, 5), (4, 5), 4, False)


def test_a_reassignment_of_which_nobody_would_stay_is_not_completed() -> None:
    moving = partition(removing_replicas=(1, 2, 3))
    assert change(moving, {1, 2, 3}) == moving


def test_who_leads_out_of_those_eligible_lacks_nothing_however_it_was_elected() -> None:
    nobody = partition(isr=(), leader=NO_LEADER, elr=(1, 2))
    for after in (
        change(nobody, {1}),
        change(nobody, {1}, election=Election.PREFERRED),
        change(partition(isr=(1,), leader=1, elr=(2,)), {1}, isr=[]),
    ):
        assert (after.leader, after.isr, after.elr, after.leader_recovery_state) == (1, (1,), (2,), 0)
