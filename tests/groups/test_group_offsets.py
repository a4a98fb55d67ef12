"""Committed offsets: who may commit, what is fetched, when it is forgotten."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_protocol import ConsumerProtocolSubscription
from odradek.protocol.messages.group_metadata import OffsetCommitValue
from odradek.protocol.messages.join_group import JoinGroupRequestProtocol as Protocol
from odradek.protocol.messages.leave_group import MemberIdentity
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponsePartitions,
)
from odradek.protocol.topic_partition import TopicPartition
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.offsets import CommittedOffset, GroupOffsets
from odradek_broker.groups.records import offset_record
from odradek_broker.groups.subscription import subscribed_topics
from tests.groups.group_scene import SESSION_MS, WALL_MS, Scene, range_protocol, subscription

DAY_MS = 24 * 3_600_000
WEEK_MS = 7 * DAY_MS
FOREVER_MS = 2**31 - 1


def test_a_committed_offset_is_fetched() -> None:
    scene = Scene()
    assert scene.commit(42, metadata="note") == 0
    found = scene.fetch()
    assert (found.committed_offset, found.metadata, found.error_code) == (42, "note", 0)


def test_where_nothing_was_committed_the_offset_is_minus_one_without_an_error() -> None:
    scene = Scene()
    for _ in range(2):
        found = scene.fetch(partition=7)
        assert (found.committed_offset, found.committed_leader_epoch, found.metadata, found.error_code) == (
            -1,
            -1,
            "",
            0,
        )
        scene.commit(1)


def test_null_topics_fetch_everything() -> None:
    scene = Scene()
    scene.commit(1, topic="t", partition=0)
    scene.commit(2, topic="u", partition=3)
    assert scene.fetch_all() == {("t", 0): 1, ("u", 3): 2}
    assert scene.fetch_all("unknown") == {}


def test_null_metadata_is_legal() -> None:
    scene = Scene()
    assert scene.commit(1, metadata=None) == 0
    assert scene.fetch().metadata == ""


@pytest.mark.parametrize(("length", "error"), [(4096, 0), (4097, ErrorCode.OFFSET_METADATA_TOO_LARGE)])
def test_metadata_has_a_limit(length: int, error: int) -> None:
    assert Scene().commit(1, metadata="x" * length) == error


def test_what_no_record_can_hold_is_refused() -> None:
    scene = Scene(offset_metadata_max_bytes=10**6)
    long = "x" * 40_000
    assert scene.commit(1, metadata=long) == ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert scene.commit(1, group=long) == ErrorCode.INVALID_GROUP_ID
    assert scene.joined(scene.join(group=long)).error_code == ErrorCode.INVALID_GROUP_ID
    assert scene.joined(scene.join(protocol_type=long)).error_code == ErrorCode.INVALID_REQUEST
    assert scene.joined(scene.join(instance=long)).error_code == ErrorCode.INVALID_REQUEST


def test_one_partition_with_too_much_metadata_does_not_fail_the_others() -> None:
    scene = Scene()
    partitions = [
        OffsetCommitRequestPartition(0, 5, committed_metadata="x" * 5000),
        OffsetCommitRequestPartition(1, 6),
    ]
    request = OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", partitions=partitions)])
    answer = scene.carry_out(scene.core.commit(request, scene.now))
    assert [each.error_code for each in answer.topics[0].partitions] == [ErrorCode.OFFSET_METADATA_TOO_LARGE, 0]
    assert scene.fetch_all() == {("t", 1): 6}


# ------------------------------------------------------------------------------------------------ who may commit


def test_only_the_current_generation_commits() -> None:
    scene = Scene()
    scene.stable("a")
    assert scene.commit(1, "a", 0) == ErrorCode.ILLEGAL_GENERATION
    assert scene.commit(1, "a", 2) == ErrorCode.ILLEGAL_GENERATION
    assert scene.commit(1, "ghost", 1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.fetch_all() == {}
    assert scene.commit(1, "a", 1) == 0


def test_who_is_no_member_commits_only_while_the_group_is_empty() -> None:
    scene = Scene()
    assert scene.commit(1) == 0
    scene.stable("a")
    assert scene.commit(2) == ErrorCode.UNKNOWN_MEMBER_ID
    scene.leave(MemberIdentity("a"))
    assert scene.commit(3) == 0
    assert scene.fetch().committed_offset == 3


def test_a_member_of_a_group_that_does_not_exist_has_an_illegal_generation() -> None:
    scene = Scene()
    assert scene.commit(1, "a", 1) == ErrorCode.ILLEGAL_GENERATION
    assert not scene.core.groups


def test_nobody_commits_between_join_and_sync() -> None:
    scene = Scene()
    scene.join(new_id="a")
    assert scene.commit(1, "a", 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert scene.fetch_all() == {}


def test_members_commit_what_they_have_done_while_the_group_prepares() -> None:
    scene = Scene()
    scene.stable("a", "b")
    scene.join("a")
    assert scene.commit(9, "b", 2) == 0


def test_a_commit_is_as_good_as_a_heartbeat() -> None:
    scene = Scene()
    scene.stable("a")
    for offset in range(5):
        scene.pass_time(SESSION_MS - 1)
        assert scene.commit(offset, "a", 1) == 0


def test_the_empty_group_id_may_hold_offsets() -> None:
    scene = Scene()
    assert scene.commit(3, group="") == 0
    assert scene.fetch(group="").committed_offset == 3


# -------------------------------------------------------------------------------------------------- transactions


def in_a_transaction(scene: Scene, offset: int, producer_id: int = 77, partition: int = 0) -> int:
    request = OffsetCommitRequest(
        "g", topics=[OffsetCommitRequestTopic("t", partitions=[OffsetCommitRequestPartition(partition, offset)])]
    )
    result = scene.core.commit(request, scene.now, transactional=True)
    for record in result.records:
        scene.log.append(record)
        scene.core.replay(record, len(scene.log) - 1, scene.now, producer_id)
    return result.response.topics[0].partitions[0].error_code


def test_an_offset_in_an_open_transaction_is_unstable_and_not_yet_there() -> None:
    scene = Scene()
    scene.commit(1)
    assert in_a_transaction(scene, 5) == 0
    assert scene.fetch().committed_offset == 1
    unstable = scene.fetch(require_stable=True)
    assert (unstable.committed_offset, unstable.error_code) == (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)


@pytest.mark.parametrize(("commit", "offset"), [(True, 5), (False, 1)])
def test_the_marker_decides_about_the_offset(commit: bool, offset: int) -> None:
    scene = Scene()
    scene.commit(1)
    in_a_transaction(scene, 5)
    scene.core.complete_transaction(77, commit=commit)
    found = scene.fetch(require_stable=True)
    assert (found.committed_offset, found.error_code) == (offset, 0)


def test_a_later_plain_commit_outlives_the_transactions_marker() -> None:
    scene = Scene()
    in_a_transaction(scene, 5)
    scene.commit(9)
    scene.core.complete_transaction(77, commit=True)
    assert scene.fetch().committed_offset == 9


@pytest.mark.parametrize("ends", [(77, 78), (78, 77)])
def test_of_the_offsets_of_two_transactions_that_which_was_written_later_counts_whichever_ends_first(
    ends: tuple[int, int],
) -> None:
    """As in Kafka (KAFKA-5247): compaction keeps the later record, whatever the order of their markers was."""
    scene = Scene()
    in_a_transaction(scene, 5, producer_id=77)
    in_a_transaction(scene, 9, producer_id=78)
    for producer_id in ends:
        scene.core.complete_transaction(producer_id, commit=True)
    assert scene.fetch(require_stable=True).committed_offset == 9


def test_another_producers_marker_changes_nothing() -> None:
    scene = Scene()
    in_a_transaction(scene, 5)
    scene.core.complete_transaction(78, commit=True)
    assert scene.fetch().committed_offset == -1
    assert scene.fetch(require_stable=True).error_code == ErrorCode.UNSTABLE_OFFSET_COMMIT


def test_an_aborted_transaction_leaves_no_group_behind() -> None:
    scene = Scene()
    in_a_transaction(scene, 5)
    scene.core.complete_transaction(77, commit=False)
    assert not scene.core.groups


def test_a_member_commits_in_a_transaction_even_between_join_and_sync() -> None:
    scene = Scene()
    scene.join(new_id="a")
    assert in_a_transaction(scene, 5) == 0


# ------------------------------------------------------------------------------------------------------ deletion


def test_an_empty_group_is_deleted_with_its_offsets() -> None:
    scene = Scene()
    scene.commit(1)
    scene.stable("a")
    assert scene.delete() == ErrorCode.NON_EMPTY_GROUP
    scene.leave(MemberIdentity("a"))
    assert scene.delete() == 0
    assert scene.state() == "Dead"
    assert scene.fetch_all() == {}
    assert not scene.restarted().core.groups


def test_a_group_that_does_not_exist_cannot_be_deleted() -> None:
    assert Scene().delete() == ErrorCode.GROUP_ID_NOT_FOUND


def test_a_deleted_group_takes_the_offsets_of_open_transactions_along() -> None:
    scene = Scene()
    in_a_transaction(scene, 5)
    assert scene.delete() == 0
    scene.core.complete_transaction(77, commit=True)
    assert not scene.core.groups


def test_offsets_of_a_subscribed_topic_are_not_deleted() -> None:
    scene = Scene()
    scene.commit(1, topic="t")
    scene.commit(2, topic="old")
    scene.stable("a", protocols=range_protocol("t"))
    refused = scene.delete_offset("t")
    assert (refused.error_code, refused.topics[0].partitions[0].error_code) == (0, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
    assert scene.delete_offset("old").topics[0].partitions[0].error_code == 0
    assert scene.fetch_all() == {("t", 0): 1}
    assert scene.restarted().fetch_all() == {("t", 0): 1}


def test_subscriptions_of_all_versions_are_understood_and_of_later_ones_what_is_known() -> None:
    for version in ConsumerProtocolSubscription.VERSIONS:
        assert subscribed_topics([subscription("t", "u", version=version)]) == {"t", "u"}
    newest = ConsumerProtocolSubscription.VERSIONS[-1]
    later = (newest + 1).to_bytes(2, "big") + subscription("t", version=newest)[2:] + b"more"
    assert subscribed_topics([later, subscription("u")]) == {"t", "u"}
    for wrong in (b"", b"\0", b"\xff\xff" + subscription("t")[2:], b"\0\1"):
        assert subscribed_topics([subscription("u"), wrong]) is None


def test_a_subscription_that_says_less_than_its_version_is_understood_all_the_same() -> None:
    """Some clients write what version 0 has under the label of version 1."""
    scene = Scene()
    scene.commit(1, topic="old")
    for version in ConsumerProtocolSubscription.VERSIONS:
        short = version.to_bytes(2, "big") + subscription("t", version=0)[2:]
        assert subscribed_topics([short]) == {"t"}
        scene.stable("a", protocols=[Protocol("range", short)])
        assert scene.delete_offset("t").topics[0].partitions[0].error_code == ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        assert scene.delete_offset("old").topics[0].partitions[0].error_code == 0
        scene = Scene()
        scene.commit(1, topic="old")


def test_members_that_cannot_be_understood_might_read_anything() -> None:
    scene = Scene()
    scene.commit(1)
    scene.stable("a", protocols=[Protocol("range", b"\x00")])
    assert scene.delete_offset().topics[0].partitions[0].error_code == ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC


def test_offsets_of_a_group_that_is_not_one_of_consumers_stay_while_it_has_members() -> None:
    scene = Scene()
    scene.commit(1)
    scene.join(new_id="a", protocol_type="connect")
    assert scene.delete_offset().error_code == ErrorCode.NON_EMPTY_GROUP
    assert scene.delete_offset(group="none").error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_deleting_an_offset_that_is_not_there_is_no_error_and_leaves_no_record() -> None:
    scene = Scene()
    scene.commit(1)
    before = len(scene.log)
    assert scene.delete_offset(partition=9).topics[0].partitions[0].error_code == 0
    assert len(scene.log) == before


def test_of_several_open_transactions_each_keeps_what_is_not_deleted() -> None:
    offsets = GroupOffsets()
    for producer_id, partition in ((77, 0), (77, 1), (78, 1)):
        offset = CommittedOffset(OffsetCommitValue(offset=producer_id), log_offset=producer_id)
        offsets.put(TopicPartition("t", partition), offset, producer_id)
    offsets.remove(TopicPartition("t", 0))
    offsets.remove(TopicPartition("t", 0))
    for producer_id in (77, 78, 78, 79):
        offsets.complete(producer_id, commit=True)
    assert {key.partition: offset.value.offset for key, offset in offsets.committed.items()} == {1: 78}
    offsets.remove(TopicPartition("t", 1))
    assert not offsets


def test_what_is_answered_says_of_what_it_is() -> None:
    scene = Scene()
    request = OffsetFetchRequestGroup("g", topics=[OffsetFetchRequestTopics("t", b"i" * 16, [3])])
    scene.commit(1, partition=3)
    in_a_transaction(scene, 5, partition=3)
    answer = scene.core.fetch(request, require_stable=True)
    assert (answer.group_id, answer.topics[0].name, answer.topics[0].topic_id) == ("g", "t", b"i" * 16)
    [partition] = answer.topics[0].partitions
    assert partition == OffsetFetchResponsePartitions(3, -1, -1, "", ErrorCode.UNSTABLE_OFFSET_COMMIT)


def test_an_offset_is_kept_with_the_leader_epoch_it_was_read_in() -> None:
    scene = Scene()
    entry = OffsetCommitRequestPartition(0, 7, committed_leader_epoch=4, committed_metadata="m")
    request = OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", partitions=[entry])])
    scene.carry_out(scene.core.commit(request, scene.now))
    assert scene.restarted().fetch() == OffsetFetchResponsePartitions(0, 7, 4, "m")


def test_who_names_a_generation_of_an_empty_group_is_no_member_of_it() -> None:
    scene = Scene()
    scene.commit(1)
    assert scene.commit(2, "a", 0) == ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.fetch().committed_offset == 1


# ------------------------------------------------------------------------------------------------------ retention


def test_an_offset_expires_when_its_time_is_over_and_not_before() -> None:
    for retention_ms, over_ms in ((-1, WEEK_MS), (5_000, 5_000)):
        for late_ms, is_there in ((-1, True), (0, False)):
            scene = Scene(offsets_retention_check_interval_ms=over_ms + late_ms)
            scene.commit(1, retention_ms=retention_ms)
            scene.pass_time(over_ms + late_ms)
            assert (scene.state() == "Empty", scene.fetch().committed_offset == 1) == (is_there, is_there)


def test_an_empty_group_goes_with_its_last_offset() -> None:
    scene = Scene(offsets_retention_check_interval_ms=WEEK_MS)
    scene.stable("a")
    scene.commit(1, "a", 1)
    scene.leave(MemberIdentity("a"))
    scene.pass_time(WEEK_MS)
    assert scene.state() == "Dead" and not scene.restarted().core.groups


def test_nothing_expires_while_a_group_prepares() -> None:
    scene = Scene(group_max_session_timeout_ms=FOREVER_MS)
    scene.stable("a", session_ms=FOREVER_MS, rebalance_ms=FOREVER_MS)
    scene.commit(1, "a", 1, topic="old")
    scene.join(new_id="b", version=4, session_ms=FOREVER_MS)
    scene.join(new_id="c", session_ms=FOREVER_MS)
    assert scene.state() == "PreparingRebalance"
    scene.pass_time(WEEK_MS + 600_000)
    assert scene.fetch("old").committed_offset == 1


def test_a_group_is_not_forgotten_while_a_transaction_has_offsets_of_it() -> None:
    scene = Scene(offsets_retention_check_interval_ms=DAY_MS)
    scene.commit(1, topic="u")
    in_a_transaction(scene, 5)
    records = len(scene.log)
    scene.pass_time(DAY_MS)
    assert len(scene.log) == records
    scene.pass_time(WEEK_MS)
    assert scene.fetch("u").committed_offset == -1 and scene.state() == "Empty"
    assert len(scene.log) == records + 1, "the one of the offset, and none of the group"


def test_offsets_without_a_group_expire_after_the_retention() -> None:
    scene = Scene()
    scene.commit(1)
    scene.pass_time(WEEK_MS - 600_000)
    assert scene.fetch().committed_offset == 1
    scene.pass_time(2 * 600_000)
    assert scene.fetch().committed_offset == -1
    assert not scene.core.groups
    assert not scene.restarted().core.groups


def test_offsets_of_a_living_group_do_not_expire() -> None:
    scene = Scene(group_max_session_timeout_ms=FOREVER_MS)
    scene.stable("a", session_ms=FOREVER_MS)
    scene.commit(1, "a", 1)
    scene.pass_time(10 * WEEK_MS // 7)
    assert scene.fetch().committed_offset == 1


def test_the_retention_of_a_group_begins_when_its_last_member_has_gone() -> None:
    scene = Scene(group_max_session_timeout_ms=FOREVER_MS)
    scene.stable("a", session_ms=FOREVER_MS)
    scene.commit(1, "a", 1)
    scene.pass_time(WEEK_MS)
    scene.leave(MemberIdentity("a"))
    scene.pass_time(WEEK_MS - 600_000)
    assert scene.fetch().committed_offset == 1
    scene.pass_time(2 * 600_000)
    assert scene.state() == "Dead"


def test_a_commit_into_a_long_empty_group_is_kept_for_the_whole_retention() -> None:
    scene = Scene()
    scene.stable("a")
    scene.leave(MemberIdentity("a"))
    scene.pass_time(WEEK_MS - 600_000)
    scene.commit(1)
    scene.pass_time(DAY_MS)
    assert scene.fetch().committed_offset == 1


def test_a_living_group_forgets_topics_that_it_no_longer_reads() -> None:
    scene = Scene(group_max_session_timeout_ms=FOREVER_MS)
    scene.stable("a", session_ms=FOREVER_MS, protocols=range_protocol("t"))
    scene.commit(1, "a", 1, topic="t")
    scene.commit(2, "a", 1, topic="old")
    scene.pass_time(WEEK_MS + 600_000)
    assert scene.fetch_all() == {("t", 0): 1}


def test_a_retention_asked_for_with_the_commit_is_kept_to() -> None:
    scene = Scene()
    scene.commit(1, partition=0, retention_ms=DAY_MS)
    scene.commit(2, partition=1)
    scene.pass_time(DAY_MS + 600_000)
    assert scene.fetch_all() == {("t", 1): 2}


def test_an_unstable_offset_does_not_expire() -> None:
    scene = Scene()
    scene.commit(1)
    in_a_transaction(scene, 5)
    scene.pass_time(2 * WEEK_MS)
    assert scene.fetch().committed_offset == 1


# --------------------------------------------------------------------------------------------------------- records


def test_a_commit_is_written_as_kafka_writes_it() -> None:
    scene = Scene()
    scene.commit(42, metadata="m", partition=3)
    key = b"\x00\x01" + b"\x00\x01g" + b"\x00\x01t" + (3).to_bytes(4, "big")
    stamp = WALL_MS.to_bytes(8, "big")
    value = b"\x00\x03" + (42).to_bytes(8, "big") + b"\xff\xff\xff\xff" + b"\x00\x01m" + stamp
    assert scene.log == [CoordinatorRecord(key, value)]


def test_a_commit_with_a_retention_is_written_in_the_version_that_has_it() -> None:
    scene = Scene()
    scene.commit(42, retention_ms=5)
    value = scene.log[0].value
    assert value is not None
    assert value[:2] == b"\x00\x01"
    assert value.endswith(WALL_MS.to_bytes(8, "big") + (WALL_MS + 5).to_bytes(8, "big"))


def test_a_tombstone_has_no_value() -> None:
    assert offset_record("g", "t", 0, None).value is None


def test_records_of_other_kinds_are_left_alone() -> None:
    scene = Scene()
    assert scene.core.replay(CoordinatorRecord(b"\x00\x11\x00\x01g", b"\x00\x00"), 0, scene.now) == []
    assert not scene.core.groups
