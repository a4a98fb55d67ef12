"""No broker gets more replicas than it may have, and what would be too much is refused with a sentence."""

from __future__ import annotations

from random import Random

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek_broker.controller.create_partitions import create_partitions
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.reassignments import alter_reassignments
from tests.controller.images import CONFIG, cluster, creatable, with_topics

SMALL = structs.replace(CONFIG, max_replicas_per_broker=5)
IMAGE = with_topics(cluster(None, None), creatable("t", 3, 2))
"""Three replicas at each of two brokers."""


def test_a_topic_that_is_too_much_is_refused_and_what_still_fits_is_made() -> None:
    request = CreateTopicsRequest(topics=[creatable("a", 1, 2), creatable("b", 2, 2), creatable("c", 1, 2)])
    answers = create_topics(IMAGE, request, SMALL, Random(1)).response.topics
    assert [answer.error_code for answer in answers] == [0, ErrorCode.POLICY_VIOLATION, 0]
    assert "6 replicas, and may have 5" in (answers[1].error_message or "")
    assert [each.error_code for each in create_topics(IMAGE, request, CONFIG, Random(1)).response.topics] == [0, 0, 0]


def test_more_partitions_than_a_broker_can_hold_are_refused() -> None:
    for count, code in ((5, 0), (6, ErrorCode.POLICY_VIOLATION)):
        request = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="t", count=count, assignments=None)])
        assert create_partitions(IMAGE, request, SMALL, Random(1)).response.results[0].error_code == code


def test_replicas_are_not_moved_to_where_there_is_no_room_for_them() -> None:
    image = with_topics(cluster(None, None), creatable("t", 4, 1), creatable("u", 4, 1))
    on_two = [
        (name, index)
        for name, topic in image.topics.items()
        for index, partition in topic.partitions.items()
        if partition.replicas == (2,)
    ]
    request = AlterPartitionReassignmentsRequest(
        topics=[ReassignableTopic(name, [ReassignablePartition(index, [1])]) for name, index in on_two]
    )
    answers = alter_reassignments(image, request, SMALL).response.responses
    codes = [answer.error_code for topic in answers for answer in topic.partitions]
    room = 5 - (8 - len(on_two))
    assert codes == [0] * room + [ErrorCode.POLICY_VIOLATION] * (len(codes) - room)
    assert 0 < room < len(codes)
