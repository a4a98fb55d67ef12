"""When members of a consumer group are told to come again."""

from __future__ import annotations

from collections import Counter

import pytest

from odradek_broker.groups.consumer import pace
from odradek_broker.groups.consumer.pace import PATIENCE, SOONEST_MS
from tests.groups.consumer_scene import (
    ASSIGNMENT_INTERVAL_MS,
    HEARTBEAT_MS,
    SESSION_MS,
    ConsumerScene,
    ScriptedMember,
    settle,
)


def settled(*members: ScriptedMember) -> None:
    for member in members:
        member.join()
    settle(*members)


def test_a_member_of_a_group_that_is_settled_comes_after_the_interval() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    settled(first, second)
    assert {each.beat().heartbeat_interval_ms for each in (first, second)} == {HEARTBEAT_MS}


def test_who_joins_within_the_assignment_interval_comes_when_it_is_over() -> None:
    scene = ConsumerScene(group_consumer_assignment_interval_ms=ASSIGNMENT_INTERVAL_MS)
    scene.member("1").join()
    scene.pass_time(300)
    second = scene.member("2")
    wait_ms = second.join().heartbeat_interval_ms
    assert wait_ms == ASSIGNMENT_INTERVAL_MS - 300 + 1
    scene.pass_time(wait_ms)
    assert second.beat().member_epoch == 3, "the target is there by then"


def test_who_waits_for_what_others_hold_comes_soon_and_then_more_and_more_rarely() -> None:
    scene = ConsumerScene()
    scene.member("1").join()
    second = scene.member("2")
    second.join()
    waits_ms = []
    for waited_ms in (0, PATIENCE * 1_000, PATIENCE * HEARTBEAT_MS * 2):
        scene.pass_time(waited_ms - scene.now_ms)
        waits_ms.append(second.beat().heartbeat_interval_ms)
    assert waits_ms == [SOONEST_MS, 1_000, HEARTBEAT_MS]


def test_nobody_hurries_while_the_clock_is_set_back() -> None:
    scene = ConsumerScene()
    scene.member("1").join()
    second = scene.member("2")
    second.join()
    scene.consumers().assigned_at_ms += 3_600_000
    assert second.beat().heartbeat_interval_ms == HEARTBEAT_MS


def test_the_others_come_when_the_session_of_who_is_silent_is_over() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    settled(first, second)
    scene.pass_time(SESSION_MS - 2_000)
    wait_ms = second.beat().heartbeat_interval_ms
    assert wait_ms == 2_001
    scene.pass_time(wait_ms)
    second.beat()
    assert len(second.partitions()) == 6


def test_nobody_is_hastened_by_who_is_silent_where_a_heartbeat_has_come_meanwhile() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    settled(first, second)
    scene.pass_time(SESSION_MS - 2_000)
    first.beat()
    assert second.beat().heartbeat_interval_ms == HEARTBEAT_MS


def test_the_more_members_there_are_the_more_rarely_each_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "HASTY_PER_S", 2)
    scene = ConsumerScene()
    scene.member("1").join()
    second = scene.member("2")
    assert second.join().heartbeat_interval_ms == 500, "one member is there, and comes twice a second"
    assert second.beat().heartbeat_interval_ms == 1_000


def test_a_crowd_does_not_come_in_the_moment_in_which_a_session_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "HASTY_PER_S", 10)
    scene = ConsumerScene(group_consumer_heartbeat_interval_ms=2 * HEARTBEAT_MS)
    crowd = [scene.member(f"member-{number}") for number in range(30)]
    settled(*crowd)
    scene.pass_time(SESSION_MS - 4_000)
    waits_ms = [each.beat().heartbeat_interval_ms for each in crowd[1:-1]]
    assert min(waits_ms) > 4_000
    assert max(Counter(wait_ms // 100 for wait_ms in waits_ms).values()) < 7


def test_a_crowd_does_not_come_in_the_moment_in_which_a_target_may_be_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "HASTY_PER_S", 10)
    scene = ConsumerScene(group_consumer_assignment_interval_ms=4_000)
    waits_ms = [scene.member(f"member-{number}").join().heartbeat_interval_ms for number in range(20)]
    assert min(waits_ms[1:]) > 4_000
    assert max(Counter(waits_ms[10:]).values()) < 5
