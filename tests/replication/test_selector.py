"""Which replica a consumer is sent to."""

from __future__ import annotations

from odradek_broker.controller.image import PartitionImage
from odradek_broker.replication.leader import Leadership
from odradek_broker.replication.selector import preferred_replica

RACKS = {1: "a", 2: "b", 3: "b", 4: "c"}


def leading(isr: tuple[int, ...] = (1, 2, 3, 4)) -> Leadership:
    leadership = Leadership(1, PartitionImage(replicas=(1, 2, 3, 4), isr=isr, leader=1, leader_epoch=5), 0, now_ms=0)
    for replica, offset in ((2, 50), (3, 60), (4, 10)):
        leadership.fetched(replica, 70, offset, 100, 0)
    return leadership


def test_the_follower_in_the_consumer_s_rack_that_has_most() -> None:
    assert preferred_replica(leading(), RACKS, "b", 0) == 3
    assert preferred_replica(leading(isr=(1, 2, 4)), RACKS, "b", 0) == 2


def test_the_leader_where_it_is_as_near_or_nobody_is() -> None:
    assert preferred_replica(leading(), RACKS, "a", 0) is None
    assert preferred_replica(leading(), RACKS, "elsewhere", 0) is None
    assert preferred_replica(leading(), RACKS, "", 0) is None
    assert preferred_replica(leading(), {1: "a", 2: ""}, "", 0) is None, "brokers that are in no rack are not near"
    assert preferred_replica(leading(), {1: "b", 2: "b"}, "b", 0) is None


def test_nobody_who_does_not_have_the_offset_yet() -> None:
    assert preferred_replica(leading(), RACKS, "c", 11) is None
    assert preferred_replica(leading(), RACKS, "c", 10) == 4
    assert preferred_replica(leading(), RACKS, "b", 55) == 3


def test_nobody_who_is_fenced() -> None:
    assert preferred_replica(leading(), {1: "a", 2: "b"}, "b", 0) == 2
