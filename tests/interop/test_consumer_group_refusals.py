"""ConsumerGroupHeartbeat and what goes with it: each request has Kafka's own answer, well meant or not.

The tables say what Apache Kafka 4.4.0 answers; run with ODRADEK_INTEROP_BROKER=kafka they are held to that.
"""

from __future__ import annotations

import time
from typing import Any, TypeAlias

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewTopic

from odradek.consumer.embedded import decode_assignment
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
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

TOPIC, GROUP = "epochs", "epochs-at-once"
PATIENCE_SECONDS = 20

Outcome: TypeAlias = tuple[Any, ...]

_numbers = iter(range(10_000))


def beat(member: str = "m", epoch: int = 0, **fields: Any) -> ConsumerGroupHeartbeatRequest:
    first: dict[str, Any] = {}
    if epoch == 0:
        first = {"rebalance_timeout_ms": 10_000, "subscribed_topic_names": [TOPIC], "topic_partitions": []}
    usual = {"group_id": f"epochs-{next(_numbers)}", "member_id": member, "member_epoch": epoch}
    return ConsumerGroupHeartbeatRequest(**{**usual, **first, **fields})


REFUSED: dict[str, tuple[ConsumerGroupHeartbeatRequest, int, Any]] = {
    "no group": (beat(group_id=""), 1, [42]),
    "no member id": (beat(""), 1, [42]),
    "a long member id": (beat("m" * 37), 1, [0]),
    "version 0, a long member id": (beat("m" * 37), 0, [0]),
    "a topic that cannot be": (beat(subscribed_topic_names=["a/b"]), 1, [0]),
    "one topic twice": (beat(subscribed_topic_names=[TOPIC, TOPIC]), 1, [0]),
    "names and an expression": (beat(subscribed_topic_regex="epo.*"), 1, [0]),
    "a rebalance timeout below none": (beat(rebalance_timeout_ms=-2), 1, [0]),
    "no time to rebalance": (beat(rebalance_timeout_ms=0), 1, [0]),
    "version 0, no member id": (beat(""), 0, [0]),
    "version 0, no member id behind the first": (beat("", 3), 0, [42]),
    "an epoch that there is not": (beat(epoch=-3), 1, [42]),
    "no rebalance timeout": (beat(rebalance_timeout_ms=-1), 1, [42]),
    "owning something at first": (beat(topic_partitions=[TopicPartitions(b"x" * 16, [0])]), 1, [42]),
    "not saying what is owned at first": (beat(topic_partitions=None), 1, [42]),
    "no subscription": (beat(subscribed_topic_names=None), 1, [42]),
    "an empty subscription": (beat(subscribed_topic_names=[]), 1, [0]),
    "topics that there are not": (beat(subscribed_topic_names=["none"]), 1, [0]),
    "an empty instance": (beat(instance_id=""), 1, [42]),
    "an empty rack": (beat(rack_id=""), 1, [42]),
    "leaving for a while without an instance": (beat(epoch=-2), 1, [42]),
    "an unknown assignor": (beat(server_assignor="mine"), 1, [112]),
    "an assignor by another case": (beat(server_assignor="Uniform"), 1, [112]),
    "the range assignor": (beat(server_assignor="range"), 1, [0]),
    "an epoch of no group": (beat(epoch=5), 1, [69]),
    "leaving no group": (beat(epoch=-1), 1, [69]),
    "a regular expression": (beat(subscribed_topic_names=None, subscribed_topic_regex="epo.*"), 1, [0]),
    "a broken expression": (beat(subscribed_topic_names=None, subscribed_topic_regex="a("), 1, [128]),
    "looking ahead": (beat(subscribed_topic_names=None, subscribed_topic_regex="(?=a)"), 1, [128]),
    "a back reference": (beat(subscribed_topic_names=None, subscribed_topic_regex=r"(a)\1"), 1, [128]),
    "any byte": (beat(subscribed_topic_names=None, subscribed_topic_regex=r"\C"), 1, [128]),
    "a thousand and one times": (beat(subscribed_topic_names=None, subscribed_topic_regex="a{1001}"), 1, [128]),
    "no expression": (beat(subscribed_topic_names=None, subscribed_topic_regex=""), 1, [0]),
}


class Story:
    """Requests one after the other, and what became of each."""

    def __init__(self, peer: Peer, topic_id: bytes) -> None:
        self.peer, self.topic_id = peer, topic_id
        self.epochs: dict[str, int] = {}
        self.outcomes: dict[str, Outcome] = {}

    def beat(self, name: str, member: str, epoch: int | None = None, owned: Any = None, **fields: Any) -> None:
        """With the epoch that it was told last; the outcome is error, epoch and number of partitions."""
        said = self.epochs.get(member, 0) if epoch is None else epoch
        if owned is not None:
            fields["topic_partitions"] = [TopicPartitions(self.topic_id, owned)] if owned else []
        answer = self.peer.ask(beat(member, said, **{"group_id": GROUP, **fields}), 1)
        if not answer.error_code and answer.member_epoch >= 0:
            self.epochs[member] = answer.member_epoch
        given = None
        if answer.assignment is not None:
            given = sum(len(each.partitions) for each in answer.assignment.topic_partitions)
        self.outcomes[name] = (answer.error_code, answer.member_epoch if not answer.error_code else None, given)

    def ask(self, name: str, request: Any, version: int) -> None:
        self.outcomes[name] = tuple(self.peer.codes(request, version))

    def commit(self, name: str, member: str, epoch: int, version: int = 9) -> None:
        partition = OffsetCommitRequestPartition(0, 5)
        topics = [OffsetCommitRequestTopic(name=TOPIC, partitions=[partition])]
        self.ask(name, OffsetCommitRequest(GROUP, epoch, member, topics=topics), version)

    def fetch(self, name: str, member: str | None, epoch: int) -> None:
        topics = [OffsetFetchRequestTopics(TOPIC, partition_indexes=[0])]
        group = OffsetFetchRequestGroup(GROUP, member_id=member, member_epoch=epoch, topics=topics)
        self.ask(name, OffsetFetchRequest(groups=[group]), 9)

    def classic(self, name: str, member: str = "", protocol_type: str = "consumer", version: int = 5) -> None:
        metadata = b"\0\1" + b"\0\0\0\1" + b"\0\6epochs" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
        protocols = [JoinGroupRequestProtocol("range", metadata)]
        self.ask(name, JoinGroupRequest(GROUP, 10_000, 10_000, member, None, protocol_type, protocols), version)


def tell(story: Story) -> dict[str, Outcome]:
    """Two members share, a static one comes and goes, others try what they should not."""
    story.beat("a joins", "a")
    story.beat("a again", "a")
    story.beat("a joins again", "a", 0)
    story.beat("a from the future", "a", 9)
    story.beat("a from the past", "a", 1)
    story.beat("nobody", "x", 2)
    story.commit("a commits", "a", story.epochs["a"])
    story.commit("a commits ahead of time", "a", 9)
    story.commit("a commits in an old way", "a", story.epochs["a"], version=8)
    story.commit("nobody commits", "x", 2)
    story.commit("an operator commits", "", -1)
    story.fetch("a fetches", "a", story.epochs["a"])
    story.fetch("a fetches behind time", "a", 1)
    story.fetch("nobody fetches", "x", 2)
    story.fetch("an operator fetches", None, -1)
    story.beat("b joins", "b")
    story.beat("a has all yet", "a", owned=[0, 1, 2, 3])
    story.beat("b waits", "b", owned=[])
    story.beat("a gives up", "a", owned=[0, 1])
    story.commit("a commits behind time what it has kept", "a", story.epochs["a"] - 1)
    story.beat("a in its last epoch, with less", "a", story.epochs["a"] - 1, owned=[0])
    story.beat("a in its last epoch, with more", "a", story.epochs["a"] - 1, owned=[0, 1, 2])
    story.beat("a in its last epoch, in silence", "a", story.epochs["a"] - 1)
    story.beat("b gets it", "b", owned=[])
    story.beat("b says all", "b", owned=[2, 3], rebalance_timeout_ms=10_000, subscribed_topic_names=[TOPIC])
    story.ask("described", ConsumerGroupDescribeRequest([GROUP]), 1)
    story.ask("described as classic", DescribeGroupsRequest([GROUP]), 6)
    story.ask("described as classic, long ago", DescribeGroupsRequest([GROUP]), 5)
    story.ask("deleted", DeleteGroupsRequest([GROUP]), 2)
    story.ask("its offset deleted", offset_deletion(), 0)
    story.ask("a heartbeat of the other kind", HeartbeatRequest(GROUP, story.epochs["a"], "a"), 4)
    story.classic("a classic member of another kind", protocol_type="connect")
    story.classic("a classic member without an id")
    story.beat("s joins as an instance", "s", instance_id="i")
    story.beat("another of the instance", "t", instance_id="i")
    story.beat("an instance that there is not", "s", 5, instance_id="j")
    story.beat("s leaves for a while", "s", -2, instance_id="i")
    story.beat("another takes its place", "t", 0, instance_id="i")
    story.beat("s is back too late", "s", 5, instance_id="i")
    story.beat("s leaves too late", "s", -1, instance_id="i")
    story.beat("t leaves", "t", -1, instance_id="i")
    story.beat("b leaves", "b", -1)
    story.beat("b leaves twice", "b", -1)
    story.beat("a leaves", "a", -1)
    story.commit("an operator commits to what is empty", "", -1)
    story.commit("a member commits to what is empty", "a", 2)
    story.ask("deleted when empty", DeleteGroupsRequest([GROUP]), 2)
    story.ask("described when deleted", ConsumerGroupDescribeRequest([GROUP]), 1)
    return story.outcomes


def offset_deletion() -> OffsetDeleteRequest:
    return OffsetDeleteRequest(GROUP, [OffsetDeleteRequestTopic(TOPIC, [OffsetDeleteRequestPartition(0)])])


TOLD: dict[str, Outcome] = {
    "a joins": (0, 2, 4),
    "a again": (0, 2, None),
    "a joins again": (0, 2, 4),
    "a from the future": (110, None, None),
    "a from the past": (110, None, None),
    "nobody": (25, None, None),
    "a commits": (0,),
    "a commits ahead of time": (113,),
    "a commits in an old way": (35,),
    "nobody commits": (25,),
    "an operator commits": (25,),
    "a fetches": (0, 0, 0),
    "a fetches behind time": (0, 113),
    "nobody fetches": (0, 25),
    "an operator fetches": (0, 0, 0),
    "b joins": (0, 3, 0),
    "a has all yet": (0, 2, 2),
    "b waits": (0, 3, None),
    "a gives up": (0, 3, None),
    "a commits behind time what it has kept": (0,),
    "a in its last epoch, with less": (0, 3, None),
    "a in its last epoch, with more": (110, None, None),
    "a in its last epoch, in silence": (110, None, None),
    "b gets it": (0, 3, 2),
    "b says all": (0, 3, 2),
    "described": (0,),
    "described as classic": (69,),
    "described as classic, long ago": (0,),
    "deleted": (68,),
    "its offset deleted": (0, 86),
    "a heartbeat of the other kind": (25,),
    "a classic member of another kind": (23,),
    "a classic member without an id": (79,),
    "s joins as an instance": (0, 4, 0),
    "another of the instance": (111, None, None),
    "an instance that there is not": (25, None, None),
    "s leaves for a while": (0, -2, None),
    "another takes its place": (0, 4, 0),
    "s is back too late": (82, None, None),
    "s leaves too late": (82, None, None),
    "t leaves": (0, -1, None),
    "b leaves": (0, -1, None),
    "b leaves twice": (25, None, None),
    "a leaves": (0, -1, None),
    "an operator commits to what is empty": (0,),
    "a member commits to what is empty": (25,),
    "deleted when empty": (0,),
    "described when deleted": (69,),
}
"""For a heartbeat: its error, the epoch, and how many partitions were given; otherwise all error codes."""


@pytest.fixture(scope="module")
def story(broker: BrokerProcess) -> Story:
    """Of a broker that has the topic, and a group that may be assigned to at any time."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 4, 1)])[TOPIC].result(30)
    entry = ConfigEntry("consumer.assignment.interval.ms", "0", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, GROUP, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(30)
    peer = Peer(broker.bootstrap)
    metadata = peer.ask(MetadataRequest([MetadataRequestTopic(name=TOPIC)]), 12)
    warm(peer)
    return Story(peer, metadata.topics[0].topic_id)


def warm(peer: Peer) -> None:
    """Until the group's coordinator is there."""
    end = time.monotonic() + PATIENCE_SECONDS
    peer.ask(FindCoordinatorRequest(coordinator_keys=[GROUP]), 4)  # the first makes the topic
    while peer.ask(beat("w", 0, group_id=GROUP), 1).error_code and time.monotonic() < end:
        time.sleep(0.05)
    assert peer.codes(beat("w", -1, group_id=GROUP), 1) == [0]
    assert peer.codes(DeleteGroupsRequest([GROUP]), 2) == [0]


def test_heartbeats_that_cannot_be_are_refused_as_kafka_refuses_them(story: Story) -> None:
    answers = {name: story.peer.codes(request, version) for name, (request, version, _) in REFUSED.items()}
    assert answers == {name: codes for name, (_, _, codes) in REFUSED.items()}


def test_a_group_goes_through_its_life_as_in_kafka(story: Story) -> None:
    assert tell(story) == TOLD


GOING_BACK = "epochs-going-back"
WENT_BACK: dict[str, Outcome] = {
    "joins as an instance": (0, 4),
    "leaves for a while": (0,),
    "is back by the other protocol": (0, True, "range", "", 0),
    "has what it had": (0, 4),
    "is a member": (0,),
    "described": (0, "Stable", "consumer", 1),
    "described as of the consumer protocol": (69,),
    "another joins by that": (0, 0),
}


def test_the_last_static_member_takes_its_group_along_to_the_classic_protocol_as_in_kafka(story: Story) -> None:
    """Nobody is stopped by that: there is no rebalance."""
    peer, told, fields = story.peer, dict[str, Outcome](), {"group_id": GOING_BACK, "instance_id": "i"}
    joined = peer.ask(beat("s", 0, **fields), 1)
    told["joins as an instance"] = (joined.error_code, _given(joined))
    told["leaves for a while"] = (peer.ask(beat("s", -2, **fields), 1).error_code,)
    subscribed = b"\0\1" + b"\0\0\0\1" + b"\0\6epochs" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
    protocols = [JoinGroupRequestProtocol("range", subscribed)]
    back = peer.ask(JoinGroupRequest(GOING_BACK, 10_000, 10_000, "", "i", "consumer", protocols), 5)
    is_of_that_epoch = back.generation_id == joined.member_epoch
    told["is back by the other protocol"] = (
        *(back.error_code, is_of_that_epoch, back.protocol_name, back.leader, len(back.members)),
    )
    synced = peer.ask(SyncGroupRequest(GOING_BACK, back.generation_id, back.member_id, "i"), 3)
    assigned = decode_assignment(synced.assignment)
    told["has what it had"] = (synced.error_code, len(assigned))
    told["is a member"] = (
        peer.ask(HeartbeatRequest(GOING_BACK, back.generation_id, back.member_id, "i"), 3).error_code,
    )
    (described,) = peer.ask(DescribeGroupsRequest([GOING_BACK]), 5).groups
    told["described"] = (
        *(described.error_code, described.group_state, described.protocol_type, len(described.members)),
    )
    (other_kind,) = peer.ask(ConsumerGroupDescribeRequest([GOING_BACK]), 1).groups
    told["described as of the consumer protocol"] = (other_kind.error_code,)
    again = peer.ask(beat("t", 0, group_id=GOING_BACK), 1)
    told["another joins by that"] = (again.error_code, _given(again))
    assert told == WENT_BACK


def _given(answer: ConsumerGroupHeartbeatResponse) -> int:
    return 0 if answer.assignment is None else sum(len(each.partitions) for each in answer.assignment.topic_partitions)
