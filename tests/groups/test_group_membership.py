"""Joining, syncing, heartbeats, leaving: what a member of a classic group may expect."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.join_group import JoinGroupRequestProtocol as Protocol
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity, MemberResponse
from odradek.protocol.messages.sync_group import SyncGroupResponse
from tests.groups.group_scene import REBALANCE_MS, SESSION_MS, Scene, range_protocol, subscription


def test_one_member_joins_syncs_and_lives() -> None:
    scene = Scene()
    joined = scene.joined(scene.join(new_id="a"))
    assert (joined.error_code, joined.generation_id, joined.leader, joined.member_id) == (0, 1, "a", "a")
    assert (joined.protocol_type, joined.protocol_name) == ("consumer", "range")
    assert [(each.member_id, each.metadata) for each in joined.members] == [("a", subscription("t"))]
    assert scene.synced(scene.sync("a", 1, {"a": b"all"})).assignment == b"all"
    assert scene.state() == "Stable"
    assert scene.heartbeat("a", 1) == 0


def test_who_waits_in_a_rebalance_is_told_of_in_a_note_with_for_whom_and_for_how_long() -> None:
    """A member was killed and is started again: its former self has most of its session before it."""
    scene = Scene()
    scene.stable("a")
    scene.pass_time(3_000)
    assert scene.notes == []
    scene.join(new_id="b")
    [note] = scene.notes
    assert "'g' rebalances and waits for 1 of 2 members, 7 s at most if they are silent: a at /h" in note
    scene.pass_time(7_000)
    assert list(scene.group().members) == ["b"]


def test_a_rebalance_is_waited_for_no_longer_than_its_members_have_asked_for() -> None:
    scene = Scene()
    scene.stable("a", rebalance_ms=2_000)
    scene.join(new_id="b", rebalance_ms=1_000)
    assert "waits for 1 of 2 members, 2 s at most" in scene.notes[0]


def test_of_ids_that_nobody_has_come_back_with_a_note_tells_too() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.join(new_id="c", version=4)
    scene.leave(MemberIdentity("a"))
    assert scene.notes[-1].endswith("waits for 2 of 2 members, 10 s at most if they are silent: b at /h, c at ?")
    scene.leave(MemberIdentity("b"))
    scene.pass_time(SESSION_MS)
    assert not scene.core.groups or scene.state() == "Empty"


def test_a_protocol_named_twice_counts_once_and_is_no_change_when_it_comes_again() -> None:
    twice = [*range_protocol("t"), *range_protocol("u")]
    scene = Scene()
    scene.join(new_id="a", protocols=twice)
    scene.join(new_id="b", protocols=twice)
    scene.join("a", protocols=twice)
    scene.sync("b", 2)
    scene.sync("a", 2, {"a": b"1", "b": b"2"})
    assert scene.joined(scene.join("b", protocols=twice)).generation_id == 2
    assert scene.group().members["b"].protocols == {"range": subscription("t")}


def test_of_many_that_are_waited_for_a_note_names_three() -> None:
    scene = Scene()
    scene.stable("a", "b", "c", "d", "e")
    scene.join(new_id="f")
    assert "waits for 5 of 6 members" in scene.notes[-1]
    assert scene.notes[-1].endswith("silent: a at /h, b at /h, c at /h, ...")


def test_a_second_member_makes_the_first_join_again() -> None:
    scene = Scene()
    scene.stable("a")
    second = scene.join(new_id="b")
    assert scene.heartbeat("a", 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert second not in scene.answers
    first = scene.join("a")
    assert scene.joined(first).generation_id == scene.joined(second).generation_id == 2
    assert scene.joined(second).members == ()
    assert [each.member_id for each in scene.joined(first).members] == ["a", "b"]


def test_a_follower_waits_for_the_leaders_assignment() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    waiting = scene.sync("b", 2)
    assert waiting not in scene.answers
    scene.sync("a", 2, {"a": b"1", "b": b"2"})
    assert scene.synced(waiting).assignment == b"2"


# ---------------------------------------------------------------------------------------------- who may join


def test_an_empty_group_id_is_refused() -> None:
    scene = Scene()
    assert scene.joined(scene.join(group="")).error_code == ErrorCode.INVALID_GROUP_ID
    assert scene.synced(scene.sync("a", 1, group="")).error_code == ErrorCode.INVALID_GROUP_ID
    assert scene.heartbeat("a", 1, group="") == ErrorCode.INVALID_GROUP_ID
    assert scene.leave_alone("a", group="").error_code == ErrorCode.INVALID_GROUP_ID


def test_who_is_refused_is_told_by_the_id_it_came_with() -> None:
    scene = Scene(group_max_size=1)
    scene.stable("a")
    long = "x" * 40_000
    for ticket, error in (
        (scene.join("x", group=""), ErrorCode.INVALID_GROUP_ID),
        (scene.join("x", protocol_type=long), ErrorCode.INVALID_REQUEST),
        (scene.join("x", protocols=[*range_protocol(), Protocol(long, b"")]), ErrorCode.INVALID_REQUEST),
        (scene.join("x", new_id=long), ErrorCode.INVALID_REQUEST),
        (scene.join("x", instance=long, version=5), ErrorCode.INVALID_REQUEST),
        (scene.join("x", session_ms=1), ErrorCode.INVALID_SESSION_TIMEOUT),
        (scene.join("x", group="another"), ErrorCode.UNKNOWN_MEMBER_ID),
        (scene.join("x"), ErrorCode.GROUP_MAX_SIZE_REACHED),
    ):
        assert scene.joined(ticket) == JoinGroupResponse(error_code=error, member_id="x")
    refused = scene.joined(scene.join("a", protocol_type="connect"))
    assert refused == JoinGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL, member_id="a")
    roomy = Scene()
    roomy.stable("a")
    refused = roomy.joined(roomy.join("x"))
    assert refused == JoinGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID, member_id="x")


def test_a_sync_or_a_heartbeat_of_a_group_that_is_not_there_is_of_an_unknown_member() -> None:
    scene = Scene()
    assert scene.synced(scene.sync("a", 1)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.heartbeat("a", 1) == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize(("session_ms", "error"), [(5_999, 26), (6_000, 0), (1_800_000, 0), (1_800_001, 26)])
def test_the_session_timeout_has_bounds(session_ms: int, error: int) -> None:
    scene = Scene()
    assert scene.joined(scene.join(session_ms=session_ms)).error_code == error


def test_a_member_id_that_was_never_given_is_unknown() -> None:
    scene = Scene()
    assert scene.joined(scene.join("ghost")).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    scene.stable("a")
    assert scene.joined(scene.join("ghost")).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert list(scene.core.groups) == ["g"]


def test_a_member_must_share_a_protocol_and_the_protocol_type() -> None:
    scene = Scene()
    scene.stable("a")
    strange = scene.join(protocols=[Protocol("sticky", b"")])
    assert scene.joined(strange).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert scene.joined(scene.join(protocol_type="connect")).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert scene.state() == "Stable"


def test_a_first_member_must_name_a_protocol() -> None:
    scene = Scene()
    assert scene.joined(scene.join(protocols=[])).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert scene.joined(scene.join(protocol_type="")).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert not scene.core.groups


def test_a_full_group_takes_nobody_in_but_keeps_its_members() -> None:
    scene = Scene(group_max_size=1)
    scene.stable("a")
    assert scene.joined(scene.join()).error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert scene.joined(scene.join("a")).error_code == 0


def test_of_those_who_join_while_a_full_group_prepares_who_waits_may_ask_again() -> None:
    scene = Scene(group_max_size=2)
    scene.stable("a")
    scene.join(version=4, new_id="c")  # it holds the rebalance up
    scene.join(new_id="b")
    first = scene.join("a")
    again = scene.join("a")
    assert scene.joined(first).error_code == ErrorCode.REBALANCE_IN_PROGRESS and again not in scene.answers
    assert scene.joined(first).member_id == "a"
    assert scene.joined(scene.join("c", version=4)).error_code == ErrorCode.GROUP_MAX_SIZE_REACHED


def test_a_static_member_of_a_full_group_can_come_back() -> None:
    scene = Scene(group_max_size=1)
    scene.stable("a", instance="i")
    assert scene.joined(scene.join(instance="i", version=5)).error_code == 0


# ------------------------------------------------------------------------------------------- ids (KIP-394)


def test_from_version_4_on_a_newcomer_is_first_told_its_id() -> None:
    scene = Scene()
    told = scene.joined(scene.join(new_id="a", version=4))
    assert (told.error_code, told.member_id) == (ErrorCode.MEMBER_ID_REQUIRED, "a")
    assert scene.joined(scene.join("a", version=4)).generation_id == 1


def test_up_to_version_3_a_newcomer_is_admitted_at_once() -> None:
    scene = Scene()
    assert scene.joined(scene.join(version=3)).error_code == 0


def test_a_reserved_id_is_given_up_after_one_session_timeout() -> None:
    scene = Scene()
    scene.join(new_id="a", version=4)
    scene.pass_time(SESSION_MS - 1)
    assert "g" in scene.core.groups
    scene.pass_time(1)
    assert "g" not in scene.core.groups
    assert scene.joined(scene.join("a", version=4)).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_rebalance_waits_for_those_who_have_a_reserved_id() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b", version=4)
    assert scene.state() == "Stable"
    scene.join(new_id="c")
    first = scene.join("a")
    assert first not in scene.answers
    scene.join("b", version=4)
    assert [each.member_id for each in scene.joined(first).members] == ["a", "c", "b"]


def test_a_rebalance_no_longer_waits_once_the_reserved_id_has_lapsed() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b", version=4)
    scene.join(new_id="c")
    first = scene.join("a")
    scene.pass_time(SESSION_MS)
    assert scene.joined(first).generation_id == 2


def test_a_reserved_id_can_be_handed_back() -> None:
    scene = Scene()
    scene.join(new_id="a", version=4)
    assert scene.leave(MemberIdentity("a")) == [0]
    assert not scene.core.groups


# --------------------------------------------------------------------------- the first rebalance (KIP-134)


def test_a_reserved_id_that_was_handed_back_disturbs_nobody_neither_then_nor_when_it_would_have_lapsed() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(version=4, new_id="b")
    assert scene.leave(MemberIdentity("b")) == [0]
    for _ in range(3):
        scene.pass_time(SESSION_MS // 2)
        assert scene.heartbeat("a", 1) == 0


def test_however_short_the_delay_the_first_rebalance_waits_for_it() -> None:
    scene = Scene(initial_delay_ms=1)
    first = scene.join()
    assert first not in scene.answers
    scene.pass_time(1)
    assert scene.joined(first).generation_id == 1


def test_a_newcomer_prolongs_the_first_rebalance_by_one_more_delay() -> None:
    scene = Scene(initial_delay_ms=3_000)
    first = scene.join()
    scene.pass_time(2_000)
    scene.join()
    scene.pass_time(3_999)
    assert first not in scene.answers
    scene.pass_time(1)
    assert first in scene.answers


def test_the_first_rebalance_waits_for_more_members() -> None:
    scene = Scene(initial_delay_ms=3_000)
    first = scene.join()
    scene.pass_time(2_999)
    assert first not in scene.answers
    scene.pass_time(1)
    assert scene.joined(first).generation_id == 1


def test_newcomers_prolong_the_first_rebalance_up_to_the_rebalance_timeout() -> None:
    scene = Scene(initial_delay_ms=3_000)
    tickets = [scene.join(rebalance_ms=10_000)]
    for _ in range(4):
        scene.pass_time(2_500)
        if tickets[0] not in scene.answers:
            tickets.append(scene.join(rebalance_ms=10_000))
    assert {scene.joined(each).generation_id for each in tickets} == {1}
    assert scene.now_ms == 10_000


def test_a_group_that_became_empty_waits_again() -> None:
    scene = Scene(initial_delay_ms=3_000)
    scene.join(new_id="a")
    scene.pass_time(3_000)
    scene.sync("a", 1, {})
    scene.leave(MemberIdentity("a"))
    again = scene.join()
    assert again not in scene.answers
    scene.pass_time(3_000)
    assert scene.joined(again).generation_id == 3


# ------------------------------------------------------------------------------------------- the protocol


def test_the_protocol_with_most_votes_is_chosen() -> None:
    scene = Scene(initial_delay_ms=10)
    wishes = [("x", "y"), ("y", "x"), ("y", "x", "z")]
    tickets = [scene.join(protocols=[Protocol(name, name.encode()) for name in wish]) for wish in wishes]
    scene.pass_time(20)
    leader = scene.joined(tickets[0])
    assert leader.protocol_name == "y"
    assert [each.metadata for each in leader.members] == [b"y", b"y", b"y"]


def test_a_protocol_that_one_member_lacks_is_never_chosen() -> None:
    scene = Scene(initial_delay_ms=10)
    wishes = [("z", "x"), ("z", "x"), ("x",)]
    tickets = [scene.join(protocols=[Protocol(name, b"") for name in wish]) for wish in wishes]
    scene.pass_time(20)
    assert scene.joined(tickets[0]).protocol_name == "x"


# --------------------------------------------------------------------------------------------- joining again


def test_a_follower_that_joins_again_unchanged_gets_the_current_generation() -> None:
    scene = Scene()
    scene.stable("a", "b")
    again = scene.joined(scene.join("b"))
    assert (again.generation_id, again.leader, again.members) == (2, "a", ())
    assert scene.state() == "Stable"


def test_a_leader_that_joins_again_makes_the_group_rebalance() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.join("a")
    assert scene.state() == "PreparingRebalance"


def test_a_member_with_other_metadata_makes_the_group_rebalance() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.join("b", protocols=range_protocol("t", "u"))
    assert scene.state() == "PreparingRebalance"


def test_a_member_whose_answer_was_lost_learns_the_generation_that_has_begun() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    again = scene.joined(scene.join("a"))
    assert again.generation_id == 2
    assert len(again.members) == 2
    assert scene.state() == "CompletingRebalance"


def test_a_second_join_on_another_connection_ends_the_wait_of_the_first() -> None:
    scene = Scene()
    scene.stable("a", "b")
    first = scene.join("a")
    second = scene.join("a")
    assert scene.joined(first).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert second not in scene.answers


def test_who_does_not_join_again_within_the_rebalance_timeout_is_out() -> None:
    scene = Scene()
    scene.stable("a", "b", session_ms=1_800_000, rebalance_ms=5_000)
    staying = scene.join("a", rebalance_ms=5_000)
    scene.pass_time(4_999)
    assert staying not in scene.answers
    scene.pass_time(1)
    assert [each.member_id for each in scene.joined(staying).members] == ["a"]
    assert scene.heartbeat("b", 2) == ErrorCode.UNKNOWN_MEMBER_ID


def test_up_to_version_0_the_session_timeout_is_the_rebalance_timeout() -> None:
    scene = Scene()
    scene.join(version=0, rebalance_ms=-1)
    assert scene.group().rebalance_timeout_ms == SESSION_MS


def test_a_leader_that_does_not_come_back_is_replaced() -> None:
    scene = Scene()
    scene.stable("a", "b")
    staying = scene.join("b", protocols=range_protocol("u"))
    scene.pass_time(REBALANCE_MS)
    assert scene.joined(staying).leader == "b"
    assert [each.member_id for each in scene.joined(staying).members] == ["b"]


# ---------------------------------------------------------------------------------------------------- sessions


def test_a_silent_member_is_removed_after_its_session_timeout() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.pass_time(SESSION_MS - 1)
    assert scene.heartbeat("a", 2) == 0
    scene.pass_time(1)
    assert scene.heartbeat("a", 2) == ErrorCode.REBALANCE_IN_PROGRESS
    assert scene.joined(scene.join("a")).generation_id == 3
    assert list(scene.group().members) == ["a"]


def test_heartbeats_keep_a_member_alive() -> None:
    scene = Scene()
    scene.stable("a")
    for _ in range(100):
        scene.pass_time(SESSION_MS - 1)
        assert scene.heartbeat("a", 1) == 0


def test_a_heartbeat_during_a_rebalance_prolongs_the_session() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.join("a")
    scene.pass_time(SESSION_MS - 1)
    assert scene.heartbeat("b", 2) == ErrorCode.REBALANCE_IN_PROGRESS
    scene.pass_time(SESSION_MS - 1)
    assert "b" in scene.group().members


def test_a_member_that_waits_for_the_group_does_not_lose_its_session() -> None:
    scene = Scene()
    scene.stable("a", "b")
    waiting = scene.join("a")
    for _ in range(5):
        scene.pass_time(SESSION_MS - 1)
        scene.heartbeat("b", 2)
    assert waiting not in scene.answers
    scene.join("b")
    assert scene.joined(waiting).generation_id == 3
    scene.pass_time(SESSION_MS - 1)
    assert scene.heartbeat("a", 3) == 0


def test_a_newcomer_that_waits_for_five_minutes_has_gone() -> None:
    scene = Scene()
    scene.stable("a", rebalance_ms=3_600_000)
    waiting = scene.join(new_id="b", rebalance_ms=3_600_000)
    for _ in range(299):
        scene.pass_time(1_000)
        scene.heartbeat("a", 1)
    assert waiting not in scene.answers
    scene.pass_time(1_000)
    assert scene.joined(waiting).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_group_whose_members_all_vanish_is_empty_and_says_so_on_record() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.pass_time(SESSION_MS + REBALANCE_MS)
    assert scene.state() == "Empty"
    assert scene.restarted().state() == "Empty"
    assert scene.restarted().group().generation == scene.group().generation == 3


# ------------------------------------------------------------------------------------------------------ syncing


def test_a_sync_of_another_generation_is_refused() -> None:
    scene = Scene()
    scene.stable("a")
    assert scene.synced(scene.sync("a", 0)).error_code == ErrorCode.ILLEGAL_GENERATION
    assert scene.synced(scene.sync("ghost", 1)).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_sync_during_a_rebalance_says_so() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.join("a")
    assert scene.synced(scene.sync("b", 2)).error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_a_sync_must_name_the_groups_own_protocol() -> None:
    scene = Scene()
    scene.join(new_id="a")
    for wrong in (("connect", "range"), ("consumer", "sticky")):
        ticket = scene.sync("a", 1, protocol_type=wrong[0], protocol_name=wrong[1])
        assert scene.synced(ticket).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    answer = scene.synced(scene.sync("a", 1, {"a": b"x"}, protocol_type="consumer", protocol_name="range"))
    assert (answer.assignment, answer.protocol_type, answer.protocol_name) == (b"x", "consumer", "range")


def test_a_member_that_the_leader_forgot_gets_an_empty_assignment() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    forgotten = scene.sync("b", 2)
    scene.sync("a", 2, {"a": b"all"})
    assert (scene.synced(forgotten).error_code, scene.synced(forgotten).assignment) == (0, b"")


def test_a_stable_group_repeats_the_stored_assignment() -> None:
    scene = Scene()
    scene.stable("a", "b")
    assert scene.synced(scene.sync("b", 2)).assignment == b"b"
    assert scene.synced(scene.sync("a", 2, {"a": b"other"})).assignment == b"a"


def test_an_assignment_comes_with_the_protocol_that_it_is_of() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    waiting = scene.sync("b", 2)
    led = scene.sync("a", 2, {"a": b"1", "b": b"2"})
    for ticket, assignment in ((waiting, b"2"), (led, b"1"), (scene.sync("b", 2), b"2")):
        assert scene.synced(ticket) == SyncGroupResponse(
            protocol_type="consumer", protocol_name="range", assignment=assignment
        )


def test_a_leader_that_forgets_itself_gets_an_empty_assignment() -> None:
    scene = Scene()
    scene.join(new_id="a")
    assert scene.synced(scene.sync("a", 1, {})).assignment == b""


def test_a_second_sync_on_another_connection_ends_the_wait_of_the_first() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    first, second = scene.sync("b", 2), scene.sync("b", 2)
    assert scene.synced(first).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    scene.sync("a", 2, {"b": b"2"})
    assert scene.synced(second).assignment == b"2"


def test_who_has_asked_for_its_assignment_in_time_stays() -> None:
    """Also where it asked before there was one."""
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    scene.sync("b", 2)
    scene.sync("a", 2, {"a": b"1", "b": b"2"})
    for _ in range(2 * REBALANCE_MS // 5_000):
        scene.pass_time(5_000)
        assert [scene.heartbeat(member, 2) for member in ("a", "b")] == [0, 0]


def test_who_waits_for_the_assignment_is_told_when_a_rebalance_begins_instead() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    waiting = scene.sync("b", 2)
    scene.join(new_id="c")
    assert scene.synced(waiting).error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_a_member_that_never_syncs_is_out_after_the_rebalance_timeout() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    scene.sync("a", 2, {})
    for _ in range(REBALANCE_MS // 5_000):
        assert "b" in scene.group().members
        scene.pass_time(5_000)
        scene.heartbeat("a", 2)
        scene.heartbeat("b", 2)
    assert list(scene.group().members) == ["a"]
    assert scene.state() == "PreparingRebalance"


def test_a_leader_that_never_assigns_is_out_and_the_others_go_on() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    waiting = scene.sync("b", 2)
    for _ in range(REBALANCE_MS // 5_000):
        scene.pass_time(5_000)
        scene.heartbeat("a", 2)
    assert scene.synced(waiting).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert scene.joined(scene.join("b")).leader == "b"


# --------------------------------------------------------------------------------------------------- heartbeats


def test_heartbeats_are_answered_by_state() -> None:
    scene = Scene()
    assert scene.heartbeat("a", 1) == ErrorCode.UNKNOWN_MEMBER_ID
    scene.join(new_id="a")
    assert scene.state() == "CompletingRebalance"
    assert scene.heartbeat("a", 1) == 0
    scene.sync("a", 1, {})
    assert scene.heartbeat("a", 1) == 0
    assert scene.heartbeat("a", 0) == ErrorCode.ILLEGAL_GENERATION
    scene.join(new_id="b")
    assert scene.heartbeat("a", 1) == ErrorCode.REBALANCE_IN_PROGRESS
    scene.leave(MemberIdentity("a"), MemberIdentity("b"))
    assert scene.state() == "Empty"
    assert scene.heartbeat("a", 1) == ErrorCode.UNKNOWN_MEMBER_ID


# ------------------------------------------------------------------------------------------------------ leaving


def test_when_a_member_leaves_the_others_rebalance_at_once() -> None:
    scene = Scene()
    scene.stable("a", "b")
    assert scene.leave_alone("b").error_code == 0
    assert scene.heartbeat("a", 2) == ErrorCode.REBALANCE_IN_PROGRESS
    assert scene.joined(scene.join("a")).generation_id == 3


def test_who_leaves_while_it_waits_for_its_assignment_is_no_member_any_more() -> None:
    scene = Scene()
    scene.stable("a")
    scene.join(new_id="b")
    scene.join("a")
    waiting = scene.sync("b", 2)
    scene.leave(MemberIdentity("b"))
    assert scene.synced(waiting).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.heartbeat("a", 2) == ErrorCode.REBALANCE_IN_PROGRESS


def test_every_leaver_is_answered_by_the_names_it_was_named_by() -> None:
    scene = Scene()
    scene.join(new_id="a", instance="i", version=5)
    identities = [MemberIdentity("", "i"), MemberIdentity("x", "j"), MemberIdentity("y")]
    answer = scene.carry_out(scene.core.leave(LeaveGroupRequest("g", members=identities), scene.now))
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    assert answer.members == [
        MemberResponse("", "i", 0),
        MemberResponse("x", "j", unknown),
        MemberResponse("y", None, unknown),
    ]


def test_a_batch_of_leavers_has_an_error_for_each() -> None:
    scene = Scene()
    scene.stable("a", "b")
    assert scene.leave(MemberIdentity("ghost"), MemberIdentity("b")) == [ErrorCode.UNKNOWN_MEMBER_ID, 0]
    assert scene.leave(MemberIdentity("x"), group="none") == [ErrorCode.UNKNOWN_MEMBER_ID]
    assert scene.leave_alone("x", group="none").error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_an_operator_removes_a_static_member_by_its_instance_id() -> None:
    scene = Scene()
    scene.stable("a", instance="i")
    assert scene.leave(MemberIdentity("", "nobody")) == [ErrorCode.UNKNOWN_MEMBER_ID]
    assert scene.leave(MemberIdentity("other", "i")) == [ErrorCode.FENCED_INSTANCE_ID]
    assert scene.leave(MemberIdentity("", "i")) == [0]
    assert scene.state() == "Empty"


def test_a_member_that_leaves_while_it_waits_gets_an_answer() -> None:
    scene = Scene()
    scene.stable("a", "b")
    waiting = scene.join("a")
    scene.leave(MemberIdentity("a"))
    assert scene.joined(waiting).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_the_last_one_to_be_waited_for_may_leave_instead() -> None:
    scene = Scene()
    scene.stable("a", "b")
    waiting = scene.join("a")
    scene.leave(MemberIdentity("b"))
    assert scene.joined(waiting).generation_id == 3
