"""Group requests that nobody means well by: each has Kafka's own answer.

The table says what Apache Kafka 4.4.0 answers; run with ODRADEK_INTEROP_BROKER=kafka it is held to that.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from odradek.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from odradek.protocol.messages.sync_group import SyncGroupRequest
from referee import BrokerProcess
from tests.interop.frames import Peer

TOPIC = "refusals"
LONG = "x" * 40_000
Case: TypeAlias = tuple[Any, int, Any]
"""(request, version, the codes of its answer)."""

numbers = iter(range(10_000))


def group() -> str:
    return f"refused-{next(numbers)}"


def join(**fields: Any) -> JoinGroupRequest:
    usual: dict[str, Any] = {
        "group_id": group(),
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 10_000,
        "protocol_type": "consumer",
        "protocols": [JoinGroupRequestProtocol("range", b"\0\0\0\0\0\0\xff\xff\xff\xff")],
    }
    return JoinGroupRequest(**{**usual, **fields})


def commit(topic: str = TOPIC, **fields: Any) -> OffsetCommitRequest:
    of_request = {key: fields.pop(key) for key in list(fields) if key in OffsetCommitRequest.__struct_fields__}
    partition = OffsetCommitRequestPartition(**{"partition_index": 0, "committed_offset": 5, **fields})
    of_request.setdefault("group_id", group())
    return OffsetCommitRequest(**of_request, topics=[OffsetCommitRequestTopic(name=topic, partitions=[partition])])


def fetch(group_id: str, topics: Any) -> OffsetFetchRequest:
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id, topics=topics)])


def delete_offset(group_id: str, topic: str = TOPIC, partition: int = 0) -> OffsetDeleteRequest:
    return OffsetDeleteRequest(group_id, [OffsetDeleteRequestTopic(topic, [OffsetDeleteRequestPartition(partition)])])


def protocols(count: int) -> list[JoinGroupRequestProtocol]:
    return [JoinGroupRequestProtocol(f"p{number}", b"") for number in range(count)]


CASES: dict[str, Case] = {
    "join: no group": (join(group_id=""), 5, [24]),
    "join: no session": (join(session_timeout_ms=0), 5, [26]),
    "join: a negative session": (join(session_timeout_ms=-1), 5, [26]),
    "join: a session too short": (join(session_timeout_ms=5_999), 5, [26]),
    "join: the longest session": (join(session_timeout_ms=2**31 - 1), 5, [26]),
    "join: the shortest time": (join(rebalance_timeout_ms=-(2**31)), 5, [79]),
    "join: no protocols": (join(protocols=[]), 5, [23]),
    "join: no protocol type": (join(protocol_type=""), 5, [23]),
    "join: a protocol without a name": (join(protocols=[JoinGroupRequestProtocol("", b"")]), 5, [79]),
    "join: a protocol twice": (join(protocols=protocols(2) + protocols(2)), 5, [79]),
    "join: very many protocols": (join(protocols=protocols(5_000)), 5, [79]),
    "join: a member nobody knows": (join(member_id="nobody"), 5, [25]),
    "join: a member nobody knows, with an instance": (join(member_id="nobody", group_instance_id="i"), 5, [25]),
    "join: an empty instance": (join(group_instance_id=""), 5, [0]),
    "join: an instance that is no name": (join(group_instance_id="a b/ü"), 5, [0]),
    "join: a long instance": (join(group_instance_id="i" * 300), 5, [0]),
    "join: a group id beyond what can be written": (join(group_id=LONG), 6, "closed"),
    "join: an instance beyond what can be written": (join(group_instance_id=LONG), 6, "closed"),
    "join: a protocol type beyond what can be written": (join(protocol_type=LONG), 6, "closed"),
    "join: a protocol beyond what can be written": (join(protocols=[JoinGroupRequestProtocol(LONG, b"")]), 6, "closed"),
    "join: a member id beyond what can be written": (join(member_id=LONG), 6, "closed"),
    "join: version 0": (join(member_id="nobody"), 0, [25]),
    "sync: no group": (SyncGroupRequest("", 1, "m"), 3, [24]),
    "sync: no such group": (SyncGroupRequest(group(), 1, "m"), 3, [25]),
    "sync: no member": (SyncGroupRequest(group(), 1, ""), 3, [25]),
    "sync: a negative generation": (SyncGroupRequest(group(), -1, "m"), 3, [25]),
    "sync: version 5 without a protocol": (SyncGroupRequest(group(), 1, "m"), 5, [23]),
    "heartbeat: no group": (HeartbeatRequest("", 1, "m"), 3, [24]),
    "heartbeat: no such group": (HeartbeatRequest(group(), 1, "m"), 3, [25]),
    "heartbeat: no member": (HeartbeatRequest(group(), 1, ""), 3, [25]),
    "heartbeat: a negative generation": (HeartbeatRequest(group(), -(2**31), "m"), 3, [25]),
    "heartbeat: an instance": (HeartbeatRequest(group(), 1, "m", "i"), 3, [25]),
    "leave: no group": (LeaveGroupRequest("", "m"), 1, [24]),
    "leave: no such group": (LeaveGroupRequest(group(), "m"), 1, [25]),
    "leave: no group, members": (LeaveGroupRequest("", members=[MemberIdentity("m")]), 4, [24]),
    "leave: no such group, members": (LeaveGroupRequest(group(), members=[MemberIdentity("m")]), 4, [0, 25]),
    "leave: no member at all": (LeaveGroupRequest(group(), members=[]), 4, [0]),
    "leave: a member without an id": (LeaveGroupRequest(group(), members=[MemberIdentity("")]), 4, [0, 25]),
    "leave: an instance without a member": (LeaveGroupRequest(group(), members=[MemberIdentity("", "i")]), 4, [0, 25]),
    "commit": (commit(), 7, [0]),
    "commit: no such topic": (commit("none"), 7, [3]),
    "commit: a topic without a name": (commit(""), 7, [3]),
    "commit: a name that no topic has": (commit("a/b"), 7, [3]),
    "commit: no such partition": (commit(partition_index=7), 7, [3]),
    "commit: a negative partition": (commit(partition_index=-1), 7, [3]),
    "commit: the last partition": (commit(partition_index=2**31 - 1), 7, [3]),
    "commit: a negative offset": (commit(committed_offset=-5), 7, [0]),
    "commit: the lowest offset": (commit(committed_offset=-(2**63)), 7, [0]),
    "commit: the highest offset": (commit(committed_offset=2**63 - 1), 7, [0]),
    "commit: a negative leader epoch": (commit(committed_leader_epoch=-7), 7, [0]),
    "commit: metadata at its limit": (commit(committed_metadata="m" * 4096), 7, [0]),
    "commit: metadata beyond its limit": (commit(committed_metadata="m" * 4097), 7, [12]),
    "commit: metadata of wide letters": (commit(committed_metadata="ü" * 4096), 7, [0]),
    "commit: null metadata": (commit(committed_metadata=None), 7, [0]),
    "commit: the longest retention": (commit(retention_time_ms=2**63 - 1), 2, [0]),
    "commit: a negative retention": (commit(retention_time_ms=-5), 2, [0]),
    "commit: the shortest retention": (commit(retention_time_ms=-(2**63)), 2, [0]),
    "commit: no group": (commit(group_id=""), 7, [0]),
    "commit: a group id beyond what can be written": (commit(group_id=LONG), 8, "closed"),
    "commit: a generation of no group": (commit(generation_id_or_member_epoch=5, member_id="m"), 7, [22]),
    "commit: a generation without a member": (commit(generation_id_or_member_epoch=5), 7, [22]),
    "commit: the first generation": (commit(generation_id_or_member_epoch=0, member_id="m"), 7, [22]),
    "commit: a very negative generation": (commit(generation_id_or_member_epoch=-7), 7, [0]),
    "commit: a member without a generation": (commit(member_id="m"), 7, [0]),
    "commit: an instance without a generation": (commit(group_instance_id="i"), 7, [0]),
    "commit: a generation of no group, for no such topic": (
        commit("none", generation_id_or_member_epoch=5, member_id="m"),
        7,
        [3],
    ),
    "commit: a generation of no group, for no such partition": (
        commit(partition_index=7, generation_id_or_member_epoch=5, member_id="m"),
        7,
        [3],
    ),
    "commit: version 9, a member epoch of no group, for no such partition": (
        commit(partition_index=7, generation_id_or_member_epoch=5, member_id="m"),
        9,
        [3],
    ),
    "commit: a generation of no group, for nothing": (
        OffsetCommitRequest(group(), 5, "m", topics=[]),
        7,
        [],
    ),
    "commit: version 9, a member epoch of no group": (commit(generation_id_or_member_epoch=5, member_id="m"), 9, [69]),
    "fetch: no group": (fetch("", None), 8, [0, 0, 0]),
    "fetch: no such group": (fetch(group(), None), 8, [0, 0]),
    "fetch: no such topic": (fetch(group(), [OffsetFetchRequestTopics("none", partition_indexes=[0])]), 8, [0, 0, 0]),
    "fetch: a negative partition": (
        fetch(group(), [OffsetFetchRequestTopics(TOPIC, partition_indexes=[-1])]),
        8,
        [0, 0, 0],
    ),
    "fetch: a group id beyond what can be written": (fetch(LONG, None), 8, "closed"),
    "fetch: version 9, a member of no group": (
        OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group(), member_id="m", member_epoch=5, topics=None)]),
        9,
        [0, 0],
    ),
    "delete offsets: no group": (delete_offset(""), 0, [24]),
    "delete offsets: no such group": (delete_offset(group()), 0, [69]),
    "delete groups: no group": (DeleteGroupsRequest([""]), 2, [0]),
    "delete groups: no such group": (DeleteGroupsRequest([group()]), 2, [69]),
    "delete groups: twice": (DeleteGroupsRequest(["twice", "twice"]), 2, [69]),
    "delete groups: none": (DeleteGroupsRequest([]), 2, []),
    "describe: no group": (DescribeGroupsRequest([""]), 5, [0]),
    "describe: no such group": (DescribeGroupsRequest([group()]), 5, [0]),
    "describe: version 6, no such group": (DescribeGroupsRequest([group()]), 6, [69]),
    "describe: twice": (DescribeGroupsRequest(["twice", "twice"]), 5, [0, 0]),
    "find: no key": (FindCoordinatorRequest(key=""), 3, [0]),
    "find: no keys": (FindCoordinatorRequest(coordinator_keys=[]), 4, [0]),
    "find: an empty key": (FindCoordinatorRequest(coordinator_keys=[""]), 4, [0, 0]),
    "find: an unknown type": (FindCoordinatorRequest(key_type=7, coordinator_keys=["k"]), 4, [0, 42]),
    "find: a negative type": (FindCoordinatorRequest(key_type=-1, coordinator_keys=["k"]), 4, [0, 42]),
    "find: an unknown type, one key": (FindCoordinatorRequest(key="k", key_type=7), 3, [42]),
    "find: a long key": (FindCoordinatorRequest(coordinator_keys=[LONG]), 4, "closed"),
}


@pytest.fixture(scope="module")
def peer(broker: BrokerProcess) -> Peer:
    """Of a broker that has the topic, and coordinates groups already."""
    settings: dict[str, Any] = {"bootstrap.servers": broker.bootstrap}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
    consumer = Consumer({**settings, "group.id": group()})
    try:
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, 1)], asynchronous=False)
    finally:
        consumer.close()
    return Peer(broker.bootstrap)


def test_requests_about_groups_are_answered_as_kafka_answers_them(peer: Peer) -> None:
    answers = {name: peer.codes(request, version) for name, (request, version, _) in CASES.items()}
    assert answers == {name: codes for name, (_, _, codes) in CASES.items()}
