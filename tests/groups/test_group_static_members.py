"""Static members (KIP-345): they keep their place through a restart."""

from __future__ import annotations

from typing import Any

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.join_group import JoinGroupRequestProtocol as Protocol
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.leave_group import MemberIdentity
from tests.groups.group_scene import REBALANCE_MS, SESSION_MS, Scene, range_protocol


def a_stable_group(**settings: int) -> Scene:
    """Generation 2: the static leader `a` of instance i, and `b` of instance j."""
    scene = Scene(**dict[str, Any](settings))
    scene.join(new_id="a", instance="i", version=5)
    scene.join(new_id="b", instance="j", version=5)
    scene.join("a", instance="i", version=5)
    scene.sync("b", 2)
    scene.sync("a", 2, {"a": b"1", "b": b"2"})
    assert scene.state() == "Stable"
    return scene


def test_a_static_member_needs_no_id_before_it_joins() -> None:
    scene = Scene()
    assert scene.joined(scene.join(instance="i", version=5)).error_code == 0


def test_a_follower_that_restarts_takes_its_place_back_without_a_rebalance() -> None:
    scene = a_stable_group()
    answer = scene.joined(scene.join(new_id="b2", instance="j", version=5))
    assert (answer.error_code, answer.generation_id, answer.member_id, answer.leader) == (0, 2, "b2", "a")
    assert scene.state() == "Stable"
    assert scene.synced(scene.sync("b2", 2, instance="j")).assignment == b"2"
    assert list(scene.group().members) == ["a", "b2"]


def test_the_former_self_is_fenced() -> None:
    scene = a_stable_group()
    scene.join(new_id="b2", instance="j", version=5)
    assert scene.heartbeat("b", 2, instance="j") == ErrorCode.FENCED_INSTANCE_ID
    assert scene.synced(scene.sync("b", 2, instance="j")).error_code == ErrorCode.FENCED_INSTANCE_ID
    assert scene.joined(scene.join("b", instance="j", version=5)).error_code == ErrorCode.FENCED_INSTANCE_ID
    assert scene.commit(1, "b", 2, instance="j") == ErrorCode.FENCED_INSTANCE_ID
    assert scene.leave(MemberIdentity("b", "j")) == [ErrorCode.FENCED_INSTANCE_ID]


def test_the_former_self_is_unknown_where_it_hides_its_instance() -> None:
    scene = a_stable_group()
    scene.join(new_id="b2", instance="j", version=5)
    assert scene.heartbeat("b", 2) == ErrorCode.UNKNOWN_MEMBER_ID


def test_an_instance_that_nobody_has_is_unknown() -> None:
    scene = a_stable_group()
    assert scene.heartbeat("a", 2, instance="nobody") == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.joined(scene.join("a", instance="nobody", version=5)).error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", [5, 8])
def test_up_to_version_8_a_returning_leader_is_told_the_name_of_its_former_self(version: int) -> None:
    scene = a_stable_group()
    answer = scene.joined(scene.join(new_id="a2", instance="i", version=version))
    assert (answer.leader, answer.member_id, answer.skip_assignment, answer.members) == ("a", "a2", False, ())
    assert scene.group().leader_id == "a2"


def test_from_version_9_on_a_returning_leader_skips_the_assignment_but_sees_the_members() -> None:
    scene = a_stable_group()
    answer = scene.joined(scene.join(new_id="a2", instance="i", version=9))
    assert (answer.leader, answer.member_id, answer.skip_assignment) == ("a2", "a2", True)
    assert [(each.member_id, each.group_instance_id) for each in answer.members] == [("a2", "i"), ("b", "j")]
    assert scene.synced(scene.sync("a2", 2, instance="i")).assignment == b"1"


def test_a_returning_member_is_told_all_of_the_generation() -> None:
    scene = a_stable_group()
    assert scene.joined(scene.join(new_id="b2", instance="j", version=9)) == JoinGroupResponse(
        generation_id=2, protocol_type="consumer", protocol_name="range", leader="a", member_id="b2"
    )


def test_the_new_self_brings_protocols_that_were_not_chosen() -> None:
    scene = a_stable_group()
    both = [*range_protocol(), Protocol("sticky", b"s")]
    scene.join(new_id="b2", instance="j", version=5, protocols=both)
    assert list(scene.group().members["b2"].protocols) == ["range", "sticky"]


def test_a_returning_member_begins_its_own_session_and_prolongs_nobodys() -> None:
    scene = a_stable_group()
    scene.pass_time(SESSION_MS // 2)
    scene.join(new_id="b2", instance="j", version=5)
    scene.pass_time(SESSION_MS // 2)
    assert list(scene.group().members) == ["b2"]
    scene = a_stable_group()
    scene.join(new_id="b2", instance="j", version=5)
    for _ in range(2):
        scene.pass_time(SESSION_MS // 2)
        scene.heartbeat("a", 2)
    assert list(scene.group().members) == ["a"]


def test_static_members_that_are_all_away_are_waited_for_until_one_is_back() -> None:
    scene = a_stable_group()
    scene.join(new_id="c", version=3)
    scene.leave(MemberIdentity("c"))
    for _ in range(2 * REBALANCE_MS // 5_000):
        assert scene.heartbeat("a", 2) == scene.heartbeat("b", 2) == ErrorCode.REBALANCE_IN_PROGRESS
        scene.pass_time(5_000)
    waiting = scene.join("b", instance="j", version=5)
    for _ in range(REBALANCE_MS // 5_000):
        scene.heartbeat("a", 2)
        scene.pass_time(5_000)
    assert (scene.joined(waiting).generation_id, scene.joined(waiting).leader) == (3, "b")
    assert list(scene.group().members) == ["a", "b"]


def test_a_returning_follower_skips_nothing() -> None:
    scene = a_stable_group()
    answer = scene.joined(scene.join(new_id="b2", instance="j", version=9))
    assert (answer.skip_assignment, answer.members) == (False, ())


def test_the_swap_survives_the_coordinator() -> None:
    scene = a_stable_group()
    scene.join(new_id="a2", instance="i", version=9)
    restarted = scene.restarted()
    assert restarted.heartbeat("a2", 2, instance="i") == 0
    assert restarted.group().leader_id == "a2"
    assert restarted.group().members["a2"].assignment == b"1"


def test_a_static_member_back_with_other_protocols_makes_the_group_rebalance() -> None:
    scene = Scene(initial_delay_ms=5)
    both = [Protocol("range", b""), Protocol("sticky", b"")]
    scene.join(new_id="a", instance="i", version=5, protocols=both)
    scene.join(new_id="b", instance="j", version=5, protocols=both)
    scene.pass_time(10)
    scene.sync("b", 1)
    scene.sync("a", 1, {})
    scene.join(new_id="b2", instance="j", version=5, protocols=[Protocol("sticky", b"")])
    assert scene.state() == "PreparingRebalance"
    assert scene.joined(scene.join("a", instance="i", version=5, protocols=both)).protocol_name == "sticky"


def test_the_new_self_brings_its_own_metadata() -> None:
    scene = a_stable_group()
    scene.join(new_id="b2", instance="j", version=5, protocols=range_protocol("other"))
    assert scene.group().members["b2"].protocols == {"range": range_protocol("other")[0].metadata}
    assert scene.restarted().group().subscribed_topics() == {"t", "other"}


def test_the_former_self_that_still_waits_is_fenced() -> None:
    scene = a_stable_group()
    waiting = scene.join("a", instance="i", version=5)
    scene.join(new_id="a2", instance="i", version=5)
    assert (scene.joined(waiting).error_code, scene.joined(waiting).member_id) == (ErrorCode.FENCED_INSTANCE_ID, "a")
    assert scene.joined(scene.join("b", instance="j", version=5)).generation_id == 3


def test_a_static_member_back_between_join_and_sync_makes_the_group_rebalance() -> None:
    scene = Scene()
    scene.join(new_id="a", instance="i", version=5)
    assert scene.state() == "CompletingRebalance"
    back = scene.joined(scene.join(new_id="a2", instance="i", version=5))
    assert (back.generation_id, back.leader, scene.group().generation) == (2, "a2", 2)


def test_a_rebalance_goes_on_without_a_static_member_but_keeps_its_place() -> None:
    scene = a_stable_group()
    for _ in range(REBALANCE_MS // 5_000):
        scene.heartbeat("b", 2, instance="j")
        if scene.state() == "Stable":
            waiting = scene.join("a", instance="i", version=5)
        scene.pass_time(5_000)
    assert [each.member_id for each in scene.joined(waiting).members] == ["a", "b"]


def test_static_members_keep_their_places_until_their_sessions_end() -> None:
    scene = a_stable_group()
    scene.pass_time(SESSION_MS - 1)
    assert list(scene.group().members) == ["a", "b"]
    scene.pass_time(1 + REBALANCE_MS)
    assert scene.state() == "Empty"
    assert scene.group().static_members == {}


def test_a_swapped_member_begins_a_session_of_its_own() -> None:
    scene = a_stable_group()
    scene.pass_time(SESSION_MS - 1)
    scene.heartbeat("a", 2)
    scene.join(new_id="b2", instance="j", version=5)
    scene.pass_time(SESSION_MS - 1)
    assert scene.heartbeat("b2", 2, instance="j") == 0
    assert scene.state() == "Stable"
