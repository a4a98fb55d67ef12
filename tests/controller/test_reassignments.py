"""What AlterPartitionReassignments decides. The error codes are Apache Kafka 4.4.0's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek_broker.controller.image import NO_LEADER, MetadataImage, PartitionImage
from odradek_broker.controller.membership import fence_broker
from odradek_broker.controller.reassignments import alter_reassignments
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, creatable, join, with_topics

INVALID = ErrorCode.INVALID_REPLICA_ASSIGNMENT


def image() -> MetadataImage:
    """Brokers 1 to 5, of one directory each; t-0 on 1, 2 and 3, led by 1; t-1 somewhere."""
    found = MetadataImage(cluster_id="test")
    for broker in range(1, 6):
        found = replay(found, join(found, broker, log_dirs=(directory(broker),)))
    found = with_topics(found, creatable("t", 2, 3, min_insync_replicas="2"))
    return changed(found, replicas=[1, 2, 3], isr=[1, 2, 3], leader=1)


def directory(broker: int) -> bytes:
    return bytes([broker]) * 16


def changed(image: MetadataImage, **more: Any) -> MetadataImage:
    return replay(image, [PartitionChangeRecord(partition_id=0, topic_id=image.topics["t"].topic_id, **more)])


def partition(image: MetadataImage) -> PartitionImage:
    return image.topics["t"].partitions[0]


def reassign(
    image: MetadataImage, *wanted: tuple[str, int, Sequence[int] | None], factor_may_change: bool = True
) -> tuple[MetadataImage, list[tuple[str, int, int]]]:
    topics = [
        ReassignableTopic(topic, [ReassignablePartition(index, None if replicas is None else list(replicas))])
        for topic, index, replicas in wanted
    ]
    request = AlterPartitionReassignmentsRequest(topics=topics, allow_replication_factor_change=factor_may_change)
    result = alter_reassignments(image, request, CONFIG)
    response = result.response
    assert (response.error_code, response.error_message) == (0, None)
    assert response.allow_replication_factor_change is factor_may_change
    answers = [(topic.name, each) for topic in response.responses for each in topic.partitions]
    assert all(bool(each.error_code) == bool(each.error_message) for _, each in answers)
    return replay(image, result.records), [(name, each.partition_index, each.error_code) for name, each in answers]


def moved(image: MetadataImage, replicas: Sequence[int] | None) -> MetadataImage:
    after, answers = reassign(image, ("t", 0, replicas))
    assert answers == [("t", 0, 0)]
    return after


def test_while_a_partition_moves_it_has_its_old_replicas_and_its_new_ones() -> None:
    after = partition(moved(image(), [4, 2, 5]))
    assert (after.replicas, after.isr, after.leader) == ((4, 2, 5, 1, 3), (1, 2, 3), 1)
    assert (after.adding_replicas, after.removing_replicas) == ((4, 5), (1, 3))
    assert after.directories == tuple(directory(broker) for broker in (4, 2, 5, 1, 3))


def test_a_partition_of_which_none_is_added_is_there_at_once() -> None:
    after = partition(moved(image(), [3, 2]))
    assert (after.replicas, after.isr, after.leader, after.is_reassigning) == ((3, 2), (2, 3), 3, False)


def test_another_order_of_the_replicas_is_another_preferred_leader_and_nothing_else() -> None:
    after = partition(moved(image(), [2, 3, 1]))
    assert (after.replicas, after.isr, after.leader, after.leader_epoch) == (
        (2, 3, 1),
        (1, 2, 3),
        1,
        partition(image()).leader_epoch,
    )
    assert reassign(image(), ("t", 0, [1, 2, 3])) == (image(), [("t", 0, 0)])


def test_a_reassignment_that_is_replaced_starts_from_what_was_before_it() -> None:
    after = partition(moved(changed(moved(image(), [4, 2, 3]), isr=[1, 2, 3, 4]), [5, 2, 3]))
    assert after.replicas == (5, 2, 3, 1)
    assert (after.adding_replicas, after.removing_replicas, after.isr) == ((5,), (1,), (1, 2, 3))


def test_a_reassignment_that_is_cancelled_goes_back() -> None:
    before = image()
    after = partition(moved(changed(moved(before, [4, 2]), isr=[4, 1, 2]), None))
    assert set(after.replicas) == {1, 2, 3} and not after.is_reassigning
    assert (after.isr, after.leader) == ((1, 2), 1)
    assert reassign(before, ("t", 0, None)) == (before, [("t", 0, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)])


def test_where_no_old_replica_is_in_sync_there_is_no_way_back() -> None:
    before = changed(moved(image(), [4, 5]), isr=[4], leader=4)
    assert reassign(before, ("t", 0, None)) == (before, [("t", 0, INVALID)])


def test_a_move_must_leave_somebody_in_sync() -> None:
    """Where the old replicas are cut off by a second move, only those of the first might have been."""
    before = changed(moved(image(), [4, 2, 3]), isr=[4], leader=4)
    assert reassign(before, ("t", 0, [5, 2, 3])) == (before, [("t", 0, INVALID)])


def test_a_replica_that_is_fenced_may_be_moved_to_and_does_not_lead() -> None:
    before = image()
    before = replay(before, fence_broker(before, 3, CONFIG))
    after = partition(moved(before, [3, 2]))
    assert (after.replicas, after.leader, after.isr) == ((3, 2), 2, (2,))


def test_where_nobody_leads_a_move_elects_who_may() -> None:
    before = changed(image(), leader=NO_LEADER, isr=[2, 3])
    assert partition(moved(before, [1, 3, 4])).leader == 3


def test_the_replication_factor_stays_where_the_request_says_so() -> None:
    before = moved(image(), [4, 2, 3])
    for replicas, error in (
        ([5, 2, 3], 0),
        ([5, 2], ErrorCode.INVALID_REPLICATION_FACTOR),
        ([5, 2, 3, 1], ErrorCode.INVALID_REPLICATION_FACTOR),
        (None, 0),
    ):
        after, answers = reassign(before, ("t", 0, replicas), factor_may_change=False)
        assert answers == [("t", 0, error)] and (after == before) == bool(error)
    assert len(partition(moved(image(), [5, 2])).replicas) == 4


def test_a_move_goes_by_the_rules_of_the_topic() -> None:
    """It has fewer in sync than it asks for, so nothing is committed without those who were."""
    before = changed(image(), isr=[1], eligible_leader_replicas=[2, 3])
    assert partition(moved(before, [2, 1, 3])).elr == (2, 3)


def test_partitions_are_moved_together() -> None:
    after, answers = reassign(image(), ("t", 1, [1, 2, 4]), ("t", 0, [4, 2, 3]), ("t", 1, [1, 2, 4]))
    assert answers == [("t", 1, 0), ("t", 0, 0), ("t", 1, 0)]
    assert all(4 in partition.replicas for partition in after.topics["t"].partitions.values())


def test_a_bad_reassignment_is_refused_and_its_neighbours_made() -> None:
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    after, answers = reassign(
        image(), ("nope", 0, [1]), ("t", 9, [1]), ("t", 1, [1, 1]), ("t", 1, []), ("t", 1, [9]), ("t", 0, [4, 2, 3])
    )
    assert answers == [
        ("nope", 0, unknown),
        ("t", 9, unknown),
        *[("t", 1, INVALID)] * 3,
        ("t", 0, 0),
    ]
    assert (
        partition(after).adding_replicas == (4,)
        and after.topics["t"].partitions[1] == image().topics["t"].partitions[1]
    )


def test_a_partition_that_is_named_again_is_moved_on_from_where_the_first_move_brings_it() -> None:
    """Made as from the same beginning, two moves need not fit together: here nobody in sync would lead."""
    before = changed(image(), isr=[1, 3])
    after, answers = reassign(before, ("t", 0, [3]), ("t", 0, [1, 3]))
    assert answers == [("t", 0, 0)] * 2
    moved = partition(after)
    assert (moved.replicas, moved.isr, moved.leader, moved.adding_replicas) == ((1, 3), (3,), 3, (1,))
