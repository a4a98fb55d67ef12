"""How partitions are divided: fairly, completely, and with as few moves as can be."""

from __future__ import annotations

import random

import pytest

from odradek_broker.groups.assignors import ASSIGNORS, Assignment, GroupSpec, MemberSpec

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def member(name: str, *topics: bytes, instance: str | None = None, has: Assignment | None = None) -> MemberSpec:
    return MemberSpec(member_id=name, instance_id=instance, topics=frozenset(topics), assignment=has or {})


def group(*members: MemberSpec, **counts: int) -> GroupSpec:
    return GroupSpec(members=members, partition_counts={name.encode() * 16: count for name, count in counts.items()})


def sizes(shares: dict[str, Assignment]) -> list[int]:
    return [sum(map(len, share.values())) for share in shares.values()]


def test_uniform_gives_equal_shares_over_all_topics() -> None:
    shares = ASSIGNORS["uniform"](group(*(member(str(n), A, B) for n in range(4)), a=5, b=5))
    assert sorted(sizes(shares)) == [2, 2, 3, 3]


def test_uniform_moves_no_more_than_it_must() -> None:
    before = {A: frozenset(range(6))}
    shares = ASSIGNORS["uniform"](group(member("old", A, has=before), member("new", A), a=6))
    assert shares["old"][A] < before[A] and len(shares["old"][A]) == 3


def test_uniform_moves_nothing_where_shares_are_equal() -> None:
    has = [{A: frozenset({5, 0})}, {A: frozenset({1, 4})}, {A: frozenset({2, 3, 6})}]
    shares = ASSIGNORS["uniform"](group(*(member(str(n), A, has=each) for n, each in enumerate(has)), a=7))
    assert list(shares.values()) == has


def test_uniform_takes_away_what_is_not_wanted_or_is_no_more() -> None:
    before = {A: frozenset({0, 7}), B: frozenset({0})}
    shares = ASSIGNORS["uniform"](group(member("m", A, has=before), a=2))
    assert shares == {"m": {A: frozenset({0, 1})}}


def test_uniform_evens_out_among_members_that_want_different_things() -> None:
    shares = ASSIGNORS["uniform"](group(member("all", A, B), member("some", A), a=4, b=3))
    assert sorted(sizes(shares)) == [3, 4]
    assert shares["all"][B] == {0, 1, 2}


def test_range_gives_the_same_numbers_of_every_topic() -> None:
    shares = ASSIGNORS["range"](group(member("2", A, B), member("1", A, B), a=5, b=5))
    assert shares["1"] == {A: frozenset({0, 1, 2}), B: frozenset({0, 1, 2})}
    assert shares["2"] == {A: frozenset({3, 4}), B: frozenset({3, 4})}


def test_range_lets_static_members_come_first_by_their_own_names() -> None:
    shares = ASSIGNORS["range"](group(member("0", A), member("9", A, instance="z"), member("1", A, instance="y"), a=3))
    assert (shares["1"][A], shares["9"][A], shares["0"][A]) == ({0}, {1}, {2})


def test_range_gives_nothing_to_those_for_whom_nothing_is_left() -> None:
    shares = ASSIGNORS["range"](group(*(member(str(n), A) for n in range(3)), a=2))
    assert shares["2"] == {}


@pytest.mark.parametrize("name", ASSIGNORS)
@pytest.mark.parametrize("seed", range(40))
def test_every_partition_has_one_reader_who_wants_it(name: str, seed: int) -> None:
    chance = random.Random(seed)
    counts = {topic: chance.randrange(1, 9) for topic in (A, B, C)}
    members: list[MemberSpec] = []
    for round_ in range(6):
        wanted = [frozenset(chance.sample([A, B, C], chance.randrange(1, 4))) for _ in range(3)]
        members = [each for each in members if chance.random() < 0.8]
        members += [member(f"{round_}-{n}", *topics) for n, topics in enumerate(wanted)]
        counts[A] += chance.randrange(2)
        spec = GroupSpec(members=members, partition_counts=counts)
        shares = ASSIGNORS[name](spec)
        check(spec, shares)
        assert shares == ASSIGNORS[name](spec)
        members = [member(each.member_id, *each.topics, has=shares[each.member_id]) for each in members]


def check(spec: GroupSpec, shares: dict[str, Assignment]) -> None:
    wanted = {topic for each in spec.members for topic in each.topics}
    given = [(topic, n) for share in shares.values() for topic, numbers in share.items() for n in numbers]
    assert sorted(given) == sorted((topic, n) for topic in wanted for n in range(spec.partition_counts[topic]))
    for each in spec.members:
        assert shares[each.member_id].keys() <= each.topics
        assert all(shares[each.member_id].values())


@pytest.mark.parametrize("seed", range(20))
def test_uniform_is_fair_where_all_want_the_same(seed: int) -> None:
    chance = random.Random(seed)
    members = [member(str(n), A, B) for n in range(chance.randrange(1, 8))]
    spec = GroupSpec(members=members, partition_counts={A: chance.randrange(20), B: chance.randrange(20)})
    shares = sizes(ASSIGNORS["uniform"](spec))
    assert max(shares) - min(shares) <= 1
