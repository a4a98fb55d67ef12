"""What a leader may commit, and what it proposes about who is in sync."""

from __future__ import annotations

from typing import Any

from odradek_broker.controller.image import PartitionImage
from odradek_broker.replication.leader import UNKNOWN, Leadership

LAG_MS = 1000


def image(isr: tuple[int, ...] = (1, 2, 3), **more: Any) -> PartitionImage:
    return PartitionImage(replicas=(1, 2, 3), isr=isr, leader=1, leader_epoch=5, **more)


def leading(isr: tuple[int, ...] = (1, 2, 3), start: int = 0) -> Leadership:
    return Leadership(1, image(isr), start, now_ms=0)


def fetch(leader: Leadership, replica: int, offset: int, end: int = 100, now_ms: int = 10) -> None:
    assert leader.fetched(replica, broker_epoch=70 + replica, offset=offset, end_offset=end, now_ms=now_ms)


def everybody(_: int, epoch: int) -> bool:
    return True


def test_nothing_is_committed_before_every_replica_in_sync_has_been_heard_of() -> None:
    leader = leading()
    fetch(leader, 2, 50)
    assert leader.committed(100, 2) == UNKNOWN
    fetch(leader, 3, 40)
    assert leader.committed(100, 2) == 40


def test_what_is_committed_is_with_all_in_sync_and_with_the_leader() -> None:
    leader = leading()
    fetch(leader, 2, 90)
    fetch(leader, 3, 80)
    assert leader.committed(100, 1) == 80
    assert leader.committed(30, 1) == 30, "the leader itself has flushed only so far"


def test_a_replica_out_of_sync_holds_nobody_up() -> None:
    leader = leading(isr=(1, 2))
    fetch(leader, 2, 90)
    fetch(leader, 3, 5)
    assert leader.committed(100, 2) == 90


def test_below_min_insync_replicas_nothing_is_committed() -> None:
    leader = leading(isr=(1,))
    assert leader.committed(100, 2) == UNKNOWN
    assert not leader.has_enough(2)
    assert leader.committed(100, 1) == 100
    alone = Leadership(1, PartitionImage(replicas=(1,), isr=(1,), leader=1), 0, 0)
    assert alone.committed(100, 2) == 100, "no more is wanted than there are replicas"


def test_who_has_caught_up_is_proposed_with_its_epoch() -> None:
    leader = leading(isr=(1, 2))
    fetch(leader, 2, 100)
    fetch(leader, 3, 89)
    assert leader.maybe_expand_isr(90, everybody) is None
    fetch(leader, 3, 90)
    assert leader.maybe_expand_isr(90, lambda broker, _: broker != 3) is None, "it is fenced"
    assert leader.maybe_expand_isr(90, lambda _, epoch: epoch != 73) is None, "it has begun another life since"
    proposal = leader.maybe_expand_isr(90, everybody)
    assert proposal is not None
    assert proposal.isr == ((1, -1), (2, 72), (3, 73))
    assert leader.maybe_expand_isr(90, everybody) is None, "one at a time"


def test_nobody_is_in_sync_who_has_not_come_to_the_leaders_epoch() -> None:
    leader = leading(isr=(1,), start=60)
    fetch(leader, 2, 59)
    assert leader.maybe_expand_isr(50, everybody) is None
    fetch(leader, 2, 60)
    assert leader.maybe_expand_isr(50, everybody) is not None


def test_whoever_is_proposed_holds_the_watermark_until_it_is_decided() -> None:
    """The controller may have taken it already: then it may be elected, and must have all that was committed."""
    leader = leading(isr=(1, 2))
    fetch(leader, 2, 100)
    fetch(leader, 3, 90)
    proposal = leader.maybe_expand_isr(90, everybody)
    assert proposal is not None
    assert leader.committed(100, 1) == 90
    instead = leader.refused(proposal)
    assert instead is not None and leader.is_open(instead)
    assert [broker for broker, _ in instead.isr] == [1, 2], "what holds already"
    assert leader.committed(100, 1) == 90, "it may be on its way a second time"
    assert leader.refused(instead) is not None
    assert leader.committed(100, 1) == 90
    leader.decided(image((1, 2), partition_epoch=1), 1)
    assert not leader.is_proposing and leader.committed(100, 1) == 100


def test_a_late_answer_to_an_earlier_proposal_says_nothing_of_the_open_one() -> None:
    """The partition has changed in between, and the same follower has been proposed again."""
    leader = leading(isr=(1, 2))
    fetch(leader, 2, 100)
    fetch(leader, 3, 90)
    earlier = leader.maybe_expand_isr(90, everybody)
    assert earlier is not None
    leader.decided(image((1, 2), partition_epoch=1), 1)
    assert not leader.is_open(earlier)
    again = leader.maybe_expand_isr(90, everybody)
    assert again is not None and leader.is_open(again)
    assert leader.refused(earlier) is None
    assert leader.is_proposing and leader.committed(100, 1) == 90
    leader.decided(image((1, 2, 3), partition_epoch=2), 2)
    assert not leader.is_proposing and leader.committed(100, 1) == 90


def test_an_image_that_the_proposal_was_made_of_does_not_end_it() -> None:
    leader = leading(isr=(1, 2))
    fetch(leader, 3, 90)
    assert leader.maybe_expand_isr(90, everybody) is not None
    leader.decided(image((1, 2)), 1)
    assert leader.is_proposing


def test_what_a_follower_has_said_in_an_earlier_life_is_passed_over() -> None:
    leader = leading(isr=(1, 2))
    assert leader.fetched(2, 80, offset=40, end_offset=100, now_ms=10)
    assert not leader.fetched(2, 72, offset=90, end_offset=100, now_ms=11)
    assert leader.committed(100, 1) == 40


def test_whoever_is_to_leave_holds_the_watermark_until_it_is_decided() -> None:
    leader = leading()
    fetch(leader, 2, 100)
    fetch(leader, 3, 20)
    proposal = leader.maybe_shrink_isr(100, now_ms=LAG_MS + 1, max_lag_ms=LAG_MS)
    assert proposal is not None and [broker for broker, _ in proposal.isr] == [1, 2]
    assert leader.committed(100, 1) == 20
    leader.decided(image((1, 2), partition_epoch=1), LAG_MS + 2)
    assert leader.committed(100, 1) == 100


def test_a_follower_that_keeps_up_stays_though_it_is_never_quite_there() -> None:
    leader = leading()
    for now_ms in range(0, 5000, 100):
        fetch(leader, 2, offset=now_ms, end=now_ms + 100, now_ms=now_ms)  # always what there was the last time
        fetch(leader, 3, offset=now_ms + 100, end=now_ms + 100, now_ms=now_ms)
    assert leader.maybe_shrink_isr(6000, now_ms=5000, max_lag_ms=LAG_MS) is None
    assert leader.maybe_shrink_isr(6000, now_ms=5000 + 2 * LAG_MS, max_lag_ms=LAG_MS) is not None


def test_a_follower_that_has_everything_stays_however_long_nothing_comes() -> None:
    leader = leading(isr=(1, 2))
    fetch(leader, 2, 100)
    assert leader.maybe_shrink_isr(100, now_ms=10**9, max_lag_ms=LAG_MS) is None


def test_what_a_stranger_fetches_counts_for_nothing() -> None:
    assert not leading().fetched(9, 1, 100, 100, 0)
