"""Where replicas land."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from odradek_broker.controller.image import BrokerImage
from odradek_broker.controller.placement import place


def brokers(*racks: str | None, fenced: tuple[int, ...] = ()) -> list[BrokerImage]:
    return [
        BrokerImage(broker_id=number, epoch=0, rack=rack, fenced=number in fenced)
        for number, rack in enumerate(racks, start=1)
    ]


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=9), st.integers(0, 2**32), st.data())
def test_replicas_are_different_brokers_and_racks_repeat_only_when_used_up(
    racks: list[str | None], seed: int, data: st.DataObject
) -> None:
    factor = data.draw(st.integers(1, len(racks)))
    rack_of = dict(enumerate(racks, start=1))
    for replicas in place(brokers(*racks), 20, factor, Random(seed)):
        assert len(set(replicas)) == factor
        named = [rack_of[replica] for replica in replicas if rack_of[replica] is not None]
        if all(racks):
            assert len(set(named)) == min(factor, len(set(racks)))


@given(st.integers(1, 8), st.integers(0, 2**32))
def test_leadership_and_replicas_are_spread_evenly(count: int, seed: int) -> None:
    factor = min(3, count)
    placed = place(brokers(*[None] * count), 5 * count, factor, Random(seed))
    assert set(Counter(replicas[0] for replicas in placed).values()) == {5}
    carried = Counter(replica for replicas in placed for replica in replicas)
    assert max(carried.values()) - min(carried.values()) <= 2 * factor


def test_two_brokers_do_not_share_all_their_partitions() -> None:
    placed = place(brokers(*[None] * 6), 30, 2, Random(1))
    followers_of_1 = {replicas[1] for replicas in placed if replicas[0] == 1}
    assert len(followers_of_1) == 5


def test_leaders_of_neighbouring_partitions_are_in_different_racks() -> None:
    rack_of = {1: "a", 2: "a", 3: "b", 4: "b"}
    leaders = [replicas[0] for replicas in place(brokers("a", "a", "b", "b"), 8, 1, Random(3))]
    assert all(rack_of[one] != rack_of[other] for one, other in pairwise(leaders))


def test_a_fenced_broker_gets_replicas_only_when_the_others_do_not_suffice() -> None:
    three = brokers(None, None, None, fenced=(2,))
    assert not any(2 in replicas for replicas in place(three, 10, 2, Random(0)))
    assert all(replicas[2] == 2 for replicas in place(three, 10, 3, Random(0)))


def test_partitions_added_later_go_on_where_the_ring_stands() -> None:
    whole = place(brokers(None, None, None), 6, 2, Random(7))
    assert place(brokers(None, None, None), 3, 2, Random(7), first=3) == whole[3:]


def test_the_first_partition_begins_anywhere() -> None:
    first = {place(brokers(None, None, None, None), 1, 1, Random(seed))[0][0] for seed in range(40)}
    assert first == {1, 2, 3, 4}
