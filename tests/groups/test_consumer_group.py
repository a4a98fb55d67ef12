"""Groups of the consumer protocol, in lists of calls (KIP-848)."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import TopicPartitions
from odradek_broker.groups.consumer.member import MemberState
from odradek_broker.groups.settings import ConsumerGroupSettings
from tests.groups.consumer_scene import (
    HEARTBEAT_MS,
    REBALANCE_MS,
    SESSION_MS,
    ConsumerScene,
    settle,
    topic_id,
)
from tests.groups.group_scene import Scene

ALL_OF_A = set(range(6))


def test_one_who_joins_alone_is_given_everything_in_the_same_answer() -> None:
    scene = ConsumerScene()
    answer = scene.member("m").join()
    assert (answer.error_code, answer.member_id, answer.member_epoch) == (0, "m", 2)
    assert answer.heartbeat_interval_ms == HEARTBEAT_MS
    assert answer.assignment is not None
    assert list(answer.assignment.topic_partitions) == [TopicPartitions(topic_id("a"), [0, 1, 2, 3, 4, 5])]
    assert scene.described().group_state == "Stable"


def test_nothing_is_said_of_an_assignment_that_has_not_changed() -> None:
    member = ConsumerScene().member("m")
    member.join()
    assert member.beat().assignment is None


def test_a_member_that_says_all_of_itself_is_told_all() -> None:
    member = ConsumerScene().member("m")
    member.join()
    answer = member.beat(rebalance_timeout_ms=REBALANCE_MS, subscribed_topic_names=["a"])
    assert answer.assignment is not None


def test_who_comes_later_gets_nothing_before_the_other_has_given_it_up() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    assert second.join().member_epoch == 3 and second.partitions() == set()
    asked = first.beat()
    assert asked.member_epoch == 2 and len(first.partitions()) == 3
    second.beat()
    assert second.partitions() == set(), "the first has been asked to give up, and has not said that it has"
    first.beat()
    assert first.epoch == 3
    second.beat()
    assert first.partitions() | second.partitions() == ALL_OF_A and not first.partitions() & second.partitions()
    assert scene.described().group_state == "Stable"


def test_what_a_member_keeps_it_is_never_asked_to_stop_reading() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    before = first.partitions()
    second.join()
    kept = set(before)
    for _ in range(4):
        first.beat()
        kept &= first.partitions()
        second.beat()
    assert len(kept) == 3 and first.partitions() == kept


def test_what_a_member_leaves_behind_the_others_get() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    second.join()
    settle(first, second)
    assert second.leave() == 0
    first.beat()
    assert first.partitions() == ALL_OF_A


def test_one_who_is_silent_for_its_session_is_removed() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    second.join()
    settle(first, second)
    scene.pass_time(SESSION_MS - 1)
    assert first.beat().error_code == 0
    scene.pass_time(1)
    first.beat()
    assert first.partitions() == ALL_OF_A
    assert second.beat().error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_one_who_does_not_give_up_what_it_should_is_removed_after_its_rebalance_timeout() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    second.join()
    first.beat()
    had = [TopicPartitions(topic_id("a"), range(6))]
    for _ in range(REBALANCE_MS // 5_000 - 1):
        scene.pass_time(5_000)
        second.beat()
        assert scene.beat(first.request(topic_partitions=had)).error_code == 0
    scene.pass_time(5_000)
    second.beat()
    assert second.partitions() == ALL_OF_A
    assert first.beat().error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_one_who_gives_up_in_time_stays() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    second.join()
    settle(first, second)
    for _ in range(2 * REBALANCE_MS // 5_000):
        scene.pass_time(5_000)
        settle(first, second, rounds=1)
    assert not first.error and not second.error


def test_a_member_whose_answer_was_lost_may_come_with_its_last_epoch() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    second.join()
    settle(first, second)
    behind = first.request(member_epoch=2, topic_partitions=first.owned_partitions())
    assert scene.beat(behind).error_code == 0
    with_more = first.request(member_epoch=2, topic_partitions=[TopicPartitions(topic_id("a"), range(6))])
    assert scene.beat(with_more).error_code == ErrorCode.FENCED_MEMBER_EPOCH
    assert scene.beat(first.request(member_epoch=2)).error_code == ErrorCode.FENCED_MEMBER_EPOCH


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_member_of_another_epoch_is_fenced(epoch: int) -> None:
    scene = ConsumerScene()
    member = scene.member("m")
    member.join()
    assert scene.beat(member.request(member_epoch=epoch)).error_code == ErrorCode.FENCED_MEMBER_EPOCH


def test_a_fenced_member_that_begins_again_has_its_place_back_at_once() -> None:
    scene = ConsumerScene()
    member = scene.member("m")
    member.join()
    answer = member.join()
    assert answer.member_epoch == 2 and member.partitions() == ALL_OF_A
    assert scene.consumers().epoch == 2, "nothing has changed for anybody"


def test_a_group_that_does_not_exist_begins_with_one_who_joins_and_with_nobody_else() -> None:
    scene = ConsumerScene()
    answer = scene.beat(scene.member("m").request(member_epoch=1))
    assert answer.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert not scene.core.groups


def test_up_to_version_0_the_coordinator_makes_up_the_id() -> None:
    scene = ConsumerScene()
    request = scene.member("").request(
        rebalance_timeout_ms=REBALANCE_MS, subscribed_topic_names=["a"], topic_partitions=()
    )
    assert scene.beat(request, version=0).member_id == "made-1"
    assert scene.beat(request, version=1).error_code == ErrorCode.INVALID_REQUEST


def test_the_group_has_no_more_members_than_it_may() -> None:
    scene = ConsumerScene(group_consumer_max_size=1)
    first, second = scene.member("1", instance="i"), scene.member("2")
    first.join()
    assert second.join().error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert not first.beat().error_code
    first.leave(-2)
    assert not scene.member("1b", instance="i").join().error_code, "its place is its own"


# ------------------------------------------------------------------------------------------------------ static members


def test_a_static_member_that_restarts_has_its_partitions_back_and_nobody_else_moves() -> None:
    scene = ConsumerScene()
    static, other = scene.member("1", instance="i"), scene.member("2")
    static.join()
    other.join()
    settle(static, other)
    had, epoch = static.partitions(), scene.consumers().epoch
    assert static.leave(-2) == 0
    other.beat()
    back = scene.member("1b", instance="i")
    back.join()
    assert back.partitions() == had and scene.consumers().epoch == epoch
    assert scene.described().group_state == "Stable" and len(scene.consumers().members) == 2


def test_a_static_member_that_does_not_come_back_in_its_session_is_removed() -> None:
    scene = ConsumerScene()
    static, other = scene.member("1", instance="i"), scene.member("2")
    static.join()
    other.join()
    settle(static, other)
    static.leave(-2)
    scene.pass_time(SESSION_MS - 1)
    other.beat()
    scene.pass_time(1)
    other.beat()
    assert other.partitions() == ALL_OF_A


def test_an_instance_that_is_there_is_not_given_to_another() -> None:
    scene = ConsumerScene()
    static = scene.member("1", instance="i")
    static.join()
    assert scene.member("2", instance="i").join().error_code == ErrorCode.UNRELEASED_INSTANCE_ID
    static.leave(-2)
    scene.member("2", instance="i").join()
    assert static.beat().error_code == ErrorCode.FENCED_INSTANCE_ID
    assert scene.member("3", instance="j").leave() == ErrorCode.UNKNOWN_MEMBER_ID


# -------------------------------------------------------------------------------------------- what members subscribe to


def test_a_static_member_that_has_not_heard_the_answer_to_its_join_joins_again() -> None:
    scene = ConsumerScene()
    one = scene.member("one", instance="i")
    one.join()
    assert one.join().error_code == ErrorCode.NONE
    assert one.partitions() == ALL_OF_A
    assert scene.consumers().members.keys() == {"one"}


def test_who_unsubscribes_from_a_topic_gives_it_up_before_anybody_computes_anything() -> None:
    scene = ConsumerScene(group_consumer_assignment_interval_ms=1_000)
    member = scene.member("m", "a", "b")
    member.join()
    assert member.partitions("b") == {0, 1}
    member.beat(subscribed_topic_names=["a"])
    assert member.partitions("b") == set() and member.partitions("a") == ALL_OF_A


def test_new_partitions_are_assigned_by_the_next_heartbeat() -> None:
    scene = ConsumerScene()
    member = scene.member("m")
    member.join()
    scene.set_topics(a=8)
    member.beat()
    assert member.partitions() == set(range(8)) and member.epoch == 3


def test_a_topic_that_comes_to_be_is_assigned_and_one_that_is_deleted_taken_away() -> None:
    scene = ConsumerScene()
    member = scene.member("m", "a", "later")
    member.join()
    scene.set_topics(later=1)
    member.beat()
    assert member.partitions("later") == {0}
    scene.set_topics(later=0)
    member.beat()
    assert member.partitions("later") == set() and scene.consumers().epoch == 4


def test_metadata_of_other_topics_changes_nothing() -> None:
    scene = ConsumerScene()
    member = scene.member("m")
    member.join()
    records = len(scene.log)
    scene.set_topics(other=3)
    member.beat()
    assert len(scene.log) == records


def test_a_target_is_not_computed_twice_within_the_interval() -> None:
    scene = ConsumerScene(group_consumer_assignment_interval_ms=1_000)
    first, second = scene.member("1"), scene.member("2")
    first.join()
    second.join()
    assert scene.described().group_state == "Assigning" and second.epoch == 2
    scene.pass_time(1_000)
    second.beat()
    assert second.epoch == 3
    settle(first, second)
    assert len(second.partitions()) == 3


def test_who_joins_an_empty_group_does_not_wait_for_the_interval() -> None:
    scene = ConsumerScene(group_consumer_assignment_interval_ms=15_000)
    first = scene.member("1")
    first.join()
    first.leave()
    second = scene.member("2")
    second.join()
    assert second.partitions() == ALL_OF_A


def test_the_assignor_that_most_members_prefer_divides() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1", "a", "b"), scene.member("2", "a", "b")
    first.join(server_assignor="range")
    second.join(server_assignor="range")
    settle(first, second)
    assert (first.partitions("a"), first.partitions("b")) == ({0, 1, 2}, {0})
    assert scene.described().assignor_name == "range"
    refused = scene.member("3").join(server_assignor="mine")
    assert refused.error_code == ErrorCode.UNSUPPORTED_ASSIGNOR


# ----------------------------------------------------------------------------------------------------------- recovery


def test_another_coordinator_knows_all_that_this_one_has_said() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1", instance="i"), scene.member("2", "a", "b")
    first.join(rack_id="r", server_assignor="range")
    second.join()
    first.beat()
    standby = scene.restarted_consumers()
    ours, theirs = scene.consumers(), standby.consumers()
    assert (ours.members, ours.targets, ours.static_members) == (theirs.members, theirs.targets, theirs.static_members)
    assert (ours.epoch, ours.assignment_epoch, ours.metadata_hash) == (
        theirs.epoch,
        theirs.assignment_epoch,
        theirs.metadata_hash,
    )
    assert theirs.members["1"].state is MemberState.UNREVOKED_PARTITIONS


@pytest.mark.parametrize("has_offsets", [True, False])
def test_what_compaction_has_left_before_the_group_itself_is_known_to_the_next_coordinator(has_offsets: bool) -> None:
    scene = ConsumerScene()
    one, two = scene.member("one"), scene.member("two")
    one.join(subscribed_topic_names=[], subscribed_topic_regex="a|b")
    settle(one)
    two.join()
    settle(one, two)
    if has_offsets:
        scene.commit_as("one", one.epoch)
    kinds = {each: int.from_bytes(each.key[:2], "big") for each in scene.log}
    newest = [*{each.key: each for each in scene.log}.values()]
    as_left = sorted(newest, key=lambda each: {1: 0, 7: 1, 16: 1, 3: 3}.get(kinds[each], 2))
    successor = ConsumerScene(loaded_from=as_left).consumers()
    assert successor.targets == scene.consumers().targets
    assert successor.regexes == scene.consumers().regexes
    assert successor.members == scene.consumers().members


def test_sessions_begin_anew_with_another_coordinator() -> None:
    scene = ConsumerScene()
    scene.member("m").join()
    standby = scene.restarted_consumers()
    standby.core.begin(standby.now)
    standby.pass_time(SESSION_MS - 1)
    assert standby.described().group_state == "Stable"
    standby.pass_time(1)
    assert standby.described().group_state == "Empty"


def test_a_deleted_group_leaves_no_record_behind() -> None:
    scene = ConsumerScene()
    member = scene.member("m")
    member.join()
    assert scene.delete() == ErrorCode.NON_EMPTY_GROUP
    member.leave()
    assert scene.delete() == 0
    newest = {record.key: record.value for record in scene.log}
    assert set(newest.values()) == {None} and not scene.core.groups
    assert not scene.restarted_consumers().core.groups


# ------------------------------------------------------------------------------------------------------------- offsets


def test_members_commit_in_their_epoch() -> None:
    scene = ConsumerScene()
    first, second = scene.member("1"), scene.member("2")
    first.join()
    assert scene.commit_as("1", 2) == 0
    assert scene.commit_as("1", 3) == ErrorCode.STALE_MEMBER_EPOCH
    assert scene.commit_as("x", 2) == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.commit_as("", -1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.commit_as("1", 2, version=8) == ErrorCode.UNSUPPORTED_VERSION
    assert scene.commit_as("", -1, transactional=True) == 0
    second.join()
    settle(first, second)
    kept, lost = min(first.partitions()), min(second.partitions())
    assert scene.commit_as("1", 2, partition=kept) == 0, "it has held it ever since"
    assert scene.commit_as("1", 2, partition=lost) == ErrorCode.STALE_MEMBER_EPOCH
    assert scene.commit_as("2", 2, partition=lost) == ErrorCode.STALE_MEMBER_EPOCH
    assert scene.commit_as("1", 2, partition=lost, transactional=True) == ErrorCode.ILLEGAL_GENERATION


def test_a_member_fetches_in_its_epoch_and_an_operator_in_none() -> None:
    scene = ConsumerScene()
    scene.member("1").join()
    assert scene.fetch_as(None, -1) == 0
    assert scene.fetch_as("1", 2) == 0
    assert scene.fetch_as("1", 1) == ErrorCode.STALE_MEMBER_EPOCH
    assert scene.fetch_as("x", 2) == ErrorCode.UNKNOWN_MEMBER_ID


def test_offsets_stay_when_the_group_becomes_one_of_the_other_kind_and_back() -> None:
    scene = ConsumerScene()
    assert scene.commit(7, topic="a") == 0
    member = scene.member("m")
    member.join()
    assert scene.fetch("a").committed_offset == 7
    member.leave()
    ticket = scene.join(new_id="classic")
    assert scene.joined(ticket).error_code == 0
    assert scene.fetch("a").committed_offset == 7
    assert scene.core.list_groups()[0].group_type == "classic"
    assert scene.restarted().fetch("a").committed_offset == 7


def test_members_of_the_other_protocol_are_not_disturbed() -> None:
    scene = ConsumerScene()
    scene.stable("x")
    assert scene.member("m").join().error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert scene.state() == "Stable"


def test_a_topic_that_members_read_keeps_its_offsets() -> None:
    scene = ConsumerScene()
    scene.commit(1, topic="a")
    scene.commit(1, topic="b")
    scene.member("m").join()
    deleted = scene.delete_offset("a")
    assert deleted.topics[0].partitions[0].error_code == ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    assert scene.delete_offset("b").topics[0].partitions[0].error_code == 0


# ----------------------------------------------------------------------------------------------------------- operators


def test_a_group_is_told_as_it_is() -> None:
    scene = ConsumerScene()
    member = scene.member("m", "a", instance="i")
    member.join(rack_id="r")
    described = scene.described()
    assert (described.group_epoch, described.assignment_epoch, described.assignor_name) == (2, 2, "uniform")
    told = described.members[0]
    assert (told.member_id, told.instance_id, told.rack_id, told.member_epoch) == ("m", "i", "r", 2)
    assert (list(told.subscribed_topic_names), told.member_type) == (["a"], 1)
    assert told.assignment.topic_partitions[0].topic_name == "a"
    assert told.target_assignment == told.assignment
    assert scene.state() == "Dead", "as a classic group it is not found"
    assert [(each.group_id, each.group_type, each.group_state) for each in scene.core.list_groups()] == [
        ("g", "consumer", "Stable")
    ]
    assert not scene.core.list_groups(types=["classic"]) and scene.core.list_groups(
        types=["Consumer"], states=["stable"]
    )


def test_a_group_of_another_kind_is_not_found() -> None:
    scene = Scene()
    scene.stable("x")
    found = scene.core.describe_consumer_group("g")
    assert (found.error_code, found.error_message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        "Group g is not a consumer group.",
    )
    assert scene.core.describe_consumer_group("none").error_message == "Group none not found."


def test_a_group_goes_by_its_own_settings() -> None:
    scene = ConsumerScene()
    own = ConsumerGroupSettings(session_timeout_ms=60_000, heartbeat_interval_ms=9_000, assignment_interval_ms=0)
    scene.core.settings = scene.settings_with(own={"g": own})
    assert scene.member("m").join().heartbeat_interval_ms == 9_000
    assert scene.member("m", group="h").join().heartbeat_interval_ms == HEARTBEAT_MS
    scene.pass_time(SESSION_MS)
    assert (scene.described("g").group_state, scene.described("h").group_state) == ("Stable", "Empty")
    scene.pass_time(60_000 - SESSION_MS)
    assert scene.described("g").group_state == "Empty"


def test_a_removal_that_could_not_be_recorded_is_tried_again() -> None:
    scene = ConsumerScene()
    scene.member("m").join()
    scene.now_ms = SESSION_MS
    timer = scene.core.pop_due(scene.now)
    assert timer is not None
    refused = scene.core.time_over(timer, scene.now)
    assert refused.records
    scene.pass_time(499)
    assert scene.described().group_state == "Stable"
    scene.pass_time(1)
    assert scene.described().group_state == "Empty"
    assert scene.core.next_deadline_ms is not None and scene.core.next_deadline_ms > 2 * SESSION_MS, "and no more"
