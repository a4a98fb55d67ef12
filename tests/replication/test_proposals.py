"""At the edges of what a leader proposes, and what it remembers of its followers."""

from __future__ import annotations

from odradek_broker.controller.image import PartitionImage
from odradek_broker.replication.leader import Leadership

LAG_MS = 1000


def leading(isr: tuple[int, ...] = (1, 2)) -> Leadership:
    partition = PartitionImage(replicas=(1, 2), isr=isr, leader=1, leader_epoch=5, partition_epoch=7)
    return Leadership(1, partition, 0, now_ms=0)


def test_a_proposal_says_of_which_epochs_it_is() -> None:
    leader = leading(isr=(1,))
    leader.fetched(2, 72, 100, 100, 0)
    proposal = leader.maybe_expand_isr(100, lambda *_: True)
    assert proposal is not None
    assert (proposal.leader_epoch, proposal.partition_epoch) == (5, 7)
    assert leader.leader_epoch == 5


def test_a_follower_leaves_only_after_more_than_the_lag_time() -> None:
    leader = leading()
    leader.fetched(2, 72, 100, 100, now_ms=0)
    assert leader.maybe_shrink_isr(200, now_ms=LAG_MS, max_lag_ms=LAG_MS) is None
    assert leader.maybe_shrink_isr(200, now_ms=LAG_MS + 1, max_lag_ms=LAG_MS) is not None


def test_a_follower_that_asks_for_what_comes_at_the_end_has_caught_up() -> None:
    leader = leading()
    leader.fetched(2, 72, 100, 100, now_ms=500)
    assert leader.maybe_shrink_isr(200, now_ms=500 + LAG_MS, max_lag_ms=LAG_MS) is None


def test_fetches_from_behind_are_no_catching_up() -> None:
    leader = leading()
    for now_ms in (500, 600, 700):
        leader.fetched(2, 72, 10, 100, now_ms)
    assert leader.maybe_shrink_isr(200, now_ms=LAG_MS + 1, max_lag_ms=LAG_MS) is not None


def test_a_replica_that_is_added_has_the_lag_time_from_then_on() -> None:
    leader = leading()
    grown = PartitionImage(replicas=(1, 2, 3), isr=(1, 2, 3), leader=1, leader_epoch=5, partition_epoch=8)
    leader.decided(grown, now_ms=5000)
    leader.fetched(2, 72, 100, 100, now_ms=5000)
    assert leader.maybe_shrink_isr(100, now_ms=5000 + LAG_MS, max_lag_ms=LAG_MS) is None
    proposal = leader.maybe_shrink_isr(100, now_ms=5001 + LAG_MS, max_lag_ms=LAG_MS)
    assert proposal is not None and [broker for broker, _ in proposal.isr] == [1, 2]


def test_there_is_news_for_a_follower_until_it_has_been_told() -> None:
    leader = leading()
    assert leader.has_news_for(2, 0)
    leader.told(2, 40, 0)
    assert leader.has_news_for(2, 41)
    assert not leader.has_news_for(2, 40)
    leader.told(9, 100, 0)
    assert not leader.has_news_for(9, 1000), "a stranger is told nothing"


def test_nobody_comes_into_sync_who_does_not_know_yet_where_the_log_begins() -> None:
    """It may be elected at once, and what was deleted for good would be there again."""
    leader = leading(isr=(1,))
    leader.fetched(2, 72, 100, 100, 0, 6)
    assert leader.maybe_expand_isr(100, lambda *_: True, 7) is None
    leader.fetched(2, 72, 100, 100, 0, 7)
    assert leader.maybe_expand_isr(100, lambda *_: True, 7) is not None


def test_what_is_deleted_is_gone_for_good_only_when_all_know_who_may_lead_next() -> None:
    partition = PartitionImage(replicas=(1, 2, 3, 4), isr=(1, 2), elr=(3,), leader=1, leader_epoch=5)
    leader = Leadership(1, partition, 0, now_ms=0)
    leader.fetched(2, 72, 100, 100, 0, 9)
    assert leader.low_watermark(8) == -1, "3 is eligible, and has not been heard of in this epoch"
    assert leader.is_to_hear_of_start(3, 9)
    leader.fetched(3, 73, 100, 100, 0, 7)
    assert leader.low_watermark(8) == 7
    leader.fetched(3, 73, 100, 100, 0, 9)
    assert leader.low_watermark(8) == 8, "4 may not lead, so nothing depends on it"


def test_a_follower_in_sync_hears_once_where_the_log_begins_now() -> None:
    leader = Leadership(1, PartitionImage(replicas=(1, 2, 3), isr=(1, 2), leader=1), start_offset=0, now_ms=0)
    assert [leader.is_to_hear_of_start(replica, 4) for replica in (1, 2, 3, 9)] == [False, True, False, False]
    leader.told(2, 10, 3)
    assert leader.is_to_hear_of_start(2, 4)
    leader.told(2, 10, 4)
    assert not leader.is_to_hear_of_start(2, 4)
    assert leader.is_to_hear_of_start(2, 5)
    leader.fetched(2, 0, 10, 10, 0, 5)
    assert not leader.is_to_hear_of_start(2, 5)
