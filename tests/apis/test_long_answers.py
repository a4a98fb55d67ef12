"""Which answers are completed by a worker: a rule may look at each thing that is told."""

from __future__ import annotations

from odradek.protocol.messages.consumer_group_describe import (
    Assignment,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    Member,
    TopicPartitions,
)
from odradek_broker.apis.permissions.guard import is_long_to_finish
from odradek_broker.loop.slices import SLICE


def answer(*members: Member) -> ConsumerGroupDescribeResponse:
    return ConsumerGroupDescribeResponse(groups=[DescribedGroup(members=members)])


def test_an_answer_is_long_by_what_lies_deep_in_it() -> None:
    topics = [TopicPartitions(topic_name="t", partitions=range(4))] * (SLICE // 8)
    one = Member(assignment=Assignment(topics))
    assert not is_long_to_finish(answer(one))
    assert is_long_to_finish(answer(one, one))
    assert is_long_to_finish(answer(*[Member()] * (SLICE + 1)))
