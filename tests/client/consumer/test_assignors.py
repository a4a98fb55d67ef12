"""Assignors share out everything, once, evenly, and the sticky ones move no more than they must."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.consumer.assignors import ASSIGNORS, MemberSubscription
from odradek.protocol.topic_partition import TopicPartition


def members(*subscriptions: str, owned: dict[str, str] | None = None, generation: int = 1) -> list[MemberSubscription]:
    """m0, m1, ... each subscribing to the one-letter topics named; owned as "a0 a1" by member."""
    return [
        MemberSubscription(
            f"m{i}",
            tuple(topics),
            tuple(TopicPartition(p[0], int(p[1:])) for p in (owned or {}).get(f"m{i}", "").split()),
            generation,
        )
        for i, topics in enumerate(subscriptions)
    ]


def shares(assignment: dict[str, list[TopicPartition]]) -> dict[str, str]:
    return {member: " ".join(f"{t}{p}" for t, p in partitions) for member, partitions in assignment.items()}


@pytest.mark.parametrize(
    ("name", "subscriptions", "counts", "expected"),
    [
        ("range", ["a", "a"], {"a": 5}, {"m0": "a0 a1 a2", "m1": "a3 a4"}),
        ("range", ["ab", "ab"], {"a": 3, "b": 3}, {"m0": "a0 a1 b0 b1", "m1": "a2 b2"}),
        ("range", ["ab", "b"], {"a": 2, "b": 2}, {"m0": "a0 a1 b0", "m1": "b1"}),
        ("range", ["a", "a", "a"], {"a": 2}, {"m0": "a0", "m1": "a1", "m2": ""}),
        ("roundrobin", ["ab", "ab"], {"a": 3, "b": 3}, {"m0": "a0 a2 b1", "m1": "a1 b0 b2"}),
        ("roundrobin", ["a", "ab"], {"a": 2, "b": 2}, {"m0": "a0", "m1": "a1 b0 b1"}),
        ("sticky", ["ab", "ab"], {"a": 3, "b": 3}, {"m0": "a0 a2 b1", "m1": "a1 b0 b2"}),
        ("sticky", ["a", "ab"], {"a": 2, "b": 2}, {"m0": "a0 a1", "m1": "b0 b1"}),
    ],
)
def test_who_gets_what(name: str, subscriptions: list[str], counts: dict[str, int], expected: dict[str, str]) -> None:
    assert shares(ASSIGNORS[name].assign(members(*subscriptions), counts)) == expected


def test_topics_that_do_not_exist_are_left_out() -> None:
    for assignor in ASSIGNORS.values():
        assert shares(assignor.assign(members("ax"), {"a": 1, "x": 0})) == {"m0": "a0"}


def test_a_member_that_joins_takes_no_more_than_its_share() -> None:
    had = members("a", "a", "a", owned={"m0": "a0 a1 a2", "m1": "a3 a4 a5"})
    assert shares(ASSIGNORS["sticky"].assign(had, {"a": 6})) == {"m0": "a0 a1", "m1": "a3 a4", "m2": "a2 a5"}


def test_what_a_member_leaves_behind_is_all_that_moves() -> None:
    had = members("a", "a", owned={"m0": "a0 a1", "m1": "a4 a5"})
    assert shares(ASSIGNORS["cooperative-sticky"].assign(had, {"a": 6})) == {"m0": "a0 a1 a2", "m1": "a3 a4 a5"}


def test_a_cooperative_move_takes_two_rebalances() -> None:
    assignor = ASSIGNORS["cooperative-sticky"]
    first = assignor.assign(members("a", "a", owned={"m0": "a0 a1 a2 a3"}), {"a": 4})
    assert shares(first) == {"m0": "a0 a1", "m1": ""}
    second = assignor.assign(members("a", "a", owned={"m0": "a0 a1"}), {"a": 4})
    assert shares(second) == {"m0": "a0 a1", "m1": "a2 a3"}


def test_of_two_claims_the_newer_generations_counts() -> None:
    claims = [*members("a", owned={"m0": "a0 a1"}, generation=3)]
    claims += [MemberSubscription("m1", ("a",), (TopicPartition("a", 0), TopicPartition("a", 1)), 4)]
    assert TopicPartition("a", 0) in ASSIGNORS["sticky"].assign(claims, {"a": 4})["m1"]


def test_static_members_are_told_apart_by_their_instance_id() -> None:
    for first, second in (("x", "y"), ("y", "x")):
        found = ASSIGNORS["range"].assign(
            [
                MemberSubscription(first, ("a",), instance_id="one"),
                MemberSubscription(second, ("a",), instance_id="two"),
            ],
            {"a": 2},
        )
        assert found[first] == [TopicPartition("a", 0)]


topics = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 7))
subscriptions = st.lists(st.text("abcd", max_size=4).map(lambda s: "".join(sorted(set(s)))), min_size=1, max_size=6)


@settings(deadline=None)
@given(name=st.sampled_from(sorted(ASSIGNORS)), subscriptions=subscriptions, counts=topics)
def test_each_partition_that_somebody_wants_goes_to_one_member_that_wants_it(
    name: str, subscriptions: list[str], counts: dict[str, int]
) -> None:
    assignment = ASSIGNORS[name].assign(members(*subscriptions), counts)
    given_out = [p for partitions in assignment.values() for p in partitions]
    wanted = {TopicPartition(t, i) for t, n in counts.items() if any(t in s for s in subscriptions) for i in range(n)}
    assert len(given_out) == len(set(given_out))
    assert set(given_out) == wanted
    assert all(p.topic in subscriptions[int(m[1:])] for m, partitions in assignment.items() for p in partitions)


@settings(deadline=None)
@given(subscriptions=subscriptions, counts=topics, data=st.data())
def test_rebalancing_cooperatively_settles_evenly_and_never_lets_two_own_one(
    subscriptions: list[str], counts: dict[str, int], data: st.DataObject
) -> None:
    assignor = ASSIGNORS["cooperative-sticky"]
    partitions = [TopicPartition(t, i) for t, n in counts.items() for i in range(n)]
    owner = {p: data.draw(st.integers(-1, len(subscriptions) - 1)) for p in partitions}
    owned = {f"m{i}": [p for p, o in owner.items() if o == i] for i in range(len(subscriptions))}
    for _ in range(3):
        now = [MemberSubscription(f"m{i}", tuple(s), tuple(owned[f"m{i}"]), 1) for i, s in enumerate(subscriptions)]
        assigned = assignor.assign(now, counts)
        for one, other in combinations(assigned, 2):
            assert not set(assigned[one]) & (set(assigned[other]) | set(owned[other]))
        owned = assigned
    if len(set(subscriptions)) == 1:
        loads = [len(p) for p in owned.values()]
        assert max(loads) - min(loads) <= 1
    assert shares(
        assignor.assign([MemberSubscription(m.member_id, m.topics, tuple(owned[m.member_id]), 2) for m in now], counts)
    ) == shares(owned)


@settings(deadline=None)
@given(count=st.integers(1, 20), before=st.integers(1, 5), after=st.integers(1, 5))
def test_sticky_moves_the_fewest_that_evenness_allows(count: int, before: int, after: int) -> None:
    assignor = ASSIGNORS["sticky"]
    first = assignor.assign(members(*["a"] * before), {"a": count})
    owned = {m: " ".join(f"{t}{p}" for t, p in ps) for m, ps in first.items()}
    second = assignor.assign(members(*["a"] * after, owned=owned), {"a": count})
    stayed = sum(len(set(first[m]) & set(second[m])) for m in first if m in second)
    each, extra = divmod(count, after)
    quotas = sorted((len(first.get(f"m{i}", [])) for i in range(after)), reverse=True)
    most = sum(min(load, each + (place < extra)) for place, load in enumerate(quotas))
    assert stayed == most
