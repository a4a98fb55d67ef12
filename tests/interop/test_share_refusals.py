"""Requests of share groups that nobody means well by: each has Kafka's own answer.

The table says what Apache Kafka 4.4.0 answers; run with ODRADEK_INTEROP_BROKER=kafka it is held to that.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from odradek.protocol.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic,
)
from odradek.protocol.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsRequestTopic,
)
from odradek.protocol.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic,
)
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.share_acknowledge import (
    ShareAcknowledgeRequest,
)
from odradek.protocol.messages.share_fetch import ShareFetchRequest
from odradek.protocol.messages.share_group_describe import ShareGroupDescribeRequest
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from referee import BrokerProcess
from tests.interop.frames import Peer

TOPIC = "share-refusals"
MEMBER = "AAAAAAAAAAAAAAAAAAAAAQ"
Case: TypeAlias = tuple[Any, int, Any]
"""(request, version, the codes of its answer)."""

numbers = iter(range(10_000))


def group() -> str:
    return f"share-refused-{next(numbers)}"


def beat(**fields: Any) -> ShareGroupHeartbeatRequest:
    usual: dict[str, Any] = {"group_id": group(), "member_id": MEMBER, "subscribed_topic_names": [TOPIC]}
    return ShareGroupHeartbeatRequest(**{**usual, **fields})


def fetch(**fields: Any) -> ShareFetchRequest:
    usual = {"group_id": group(), "member_id": MEMBER, "max_records": 10, "batch_size": 10, "min_bytes": 1}
    return ShareFetchRequest(**{**usual, **fields})


def acknowledge(**fields: Any) -> ShareAcknowledgeRequest:
    return ShareAcknowledgeRequest(**{"group_id": group(), "member_id": MEMBER, **fields})


def alter(group_id: str, topic: str = TOPIC, partition: int = 0, offset: int = 0) -> AlterShareGroupOffsetsRequest:
    partitions = [AlterShareGroupOffsetsRequestPartition(partition, offset)]
    return AlterShareGroupOffsetsRequest(group_id, [AlterShareGroupOffsetsRequestTopic(topic, partitions)])


def describe(group_id: str, topic: str = TOPIC) -> DescribeShareGroupOffsetsRequest:
    topics = [DescribeShareGroupOffsetsRequestTopic(topic, [0])]
    return DescribeShareGroupOffsetsRequest([DescribeShareGroupOffsetsRequestGroup(group_id, topics)])


CASES: dict[str, Case] = {
    "heartbeat: no group": (beat(group_id=""), 1, [42]),
    "heartbeat: no member": (beat(member_id=""), 1, [42]),
    "heartbeat: no topics at first": (beat(subscribed_topic_names=None), 1, [42]),
    "heartbeat: an empty list of topics at first": (beat(subscribed_topic_names=[]), 1, [42]),
    "heartbeat: an empty rack": (beat(rack_id=""), 1, [42]),
    "heartbeat: an impossible epoch": (beat(member_epoch=-2), 1, [42]),
    "heartbeat: a long member id": (beat(member_id="m" * 37), 1, [42]),
    "heartbeat: a member id that is no UUID": (beat(member_id="m"), 1, [0]),
    "heartbeat: no such topic": (beat(subscribed_topic_names=["none"]), 1, [0]),
    "heartbeat: a topic that cannot be": (beat(subscribed_topic_names=["a/b"]), 1, [0]),
    "heartbeat: one topic twice": (beat(subscribed_topic_names=[TOPIC, TOPIC]), 1, [0]),
    "heartbeat: no such group": (beat(member_epoch=1), 1, [69]),
    "heartbeat: leaving no such group": (beat(member_epoch=-1), 1, [69]),
    "describe: no such group": (ShareGroupDescribeRequest([group()]), 1, [69]),
    "describe: no group": (ShareGroupDescribeRequest([""]), 1, [24]),
    "fetch: no group": (fetch(group_id=None), 1, [42]),
    "fetch: no member": (fetch(member_id=""), 1, [42]),
    "fetch: a long member id": (fetch(member_id="m" * 37, share_session_epoch=3), 1, [42]),
    "fetch: a member id that is no UUID": (fetch(member_id="m", share_session_epoch=3), 1, [122]),
    "fetch: no records": (fetch(max_records=0), 1, [0]),
    "fetch: fewer records than none": (fetch(max_records=-1), 1, [0]),
    "fetch: batches of nothing": (fetch(batch_size=0), 1, [0]),
    "fetch: an impossible epoch": (fetch(share_session_epoch=-2), 1, [122]),
    "fetch: no such session": (fetch(share_session_epoch=3), 1, [122]),
    "fetch: the end of no such session": (fetch(share_session_epoch=-1), 1, [122]),
    "acknowledge: no group": (acknowledge(group_id=None), 1, [42]),
    "acknowledge: a long member id": (acknowledge(member_id="m" * 37, share_session_epoch=3), 1, [42]),
    "acknowledge: an impossible epoch": (acknowledge(share_session_epoch=-2), 1, [122]),
    "acknowledge: no such session": (acknowledge(share_session_epoch=3), 1, [122]),
    "acknowledge: the end of no such session": (acknowledge(share_session_epoch=-1), 1, [122]),
    "acknowledge: a new session": (acknowledge(share_session_epoch=0), 1, [123]),
    "alter: no group": (alter(""), 0, [24]),
    "alter: no such group, which begins by that": (alter(group()), 0, [0, 0]),
    "alter: no such topic": (alter(group(), "no-such"), 0, [0, 3]),
    "alter: no such partition": (alter(group(), partition=7), 0, [0, 3]),
    "alter: a negative offset": (alter(group(), offset=-5), 0, [0, 0]),
    "delete: no group": (DeleteShareGroupOffsetsRequest("", [DeleteShareGroupOffsetsRequestTopic(TOPIC)]), 0, [24]),
    "delete: no such group": (
        DeleteShareGroupOffsetsRequest(group(), [DeleteShareGroupOffsetsRequestTopic(TOPIC)]),
        0,
        [69],
    ),
    "offsets: no such group": (describe(group()), 1, [0, 0]),
    "offsets: all of no such group": (
        DescribeShareGroupOffsetsRequest([DescribeShareGroupOffsetsRequestGroup(group(), None)]),
        1,
        [0],
    ),
    "offsets: no such topic": (describe(group(), "no-such"), 1, [0, 0]),
    "find: a key that names no share partition": (
        FindCoordinatorRequest(key_type=2, coordinator_keys=["x"]),
        6,
        [0, 42],
    ),
    "find: a share partition, too early": (FindCoordinatorRequest(key_type=2, coordinator_keys=["x"]), 5, [0, 42]),
}


@pytest.fixture(scope="module")
def peer(broker: BrokerProcess) -> Peer:
    """Of a broker that has the topic, and coordinates groups already."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group()})
    try:
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, 1)], asynchronous=False)
    finally:
        consumer.close()
    return Peer(broker.bootstrap)


def test_requests_about_share_groups_are_answered_as_kafka_answers_them(peer: Peer) -> None:
    answers = {name: peer.codes(request, version) for name, (request, version, _) in CASES.items()}
    assert answers == {name: codes for name, (_, _, codes) in CASES.items()}
