"""A share group from its first member on, and who tries what he should not: each step has Kafka's own answer.

The table says what Apache Kafka 4.4.0 answers; run with ODRADEK_INTEROP_BROKER=kafka it is held to that. Groups are
small here, and so are the metadata of an offset, so that limits can be exceeded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewTopic

from odradek.protocol.messages import share_acknowledge, share_fetch
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.share_acknowledge import ShareAcknowledgeRequest
from odradek.protocol.messages.share_fetch import ShareFetchRequest
from odradek.protocol.messages.share_group_describe import ShareGroupDescribeRequest
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from referee import BrokerProcess
from tests.interop.frames import Peer, PeerWithOneConnection

BROKER_SETTINGS = {
    "group.share.max.size": "2",
    "group.consumer.max.size": "1",
    "group.share.max.share.sessions": "2",
    "offset.metadata.max.bytes": "10",
}
TOPIC, GROUP = "shared-refusals", "sharing-refused"
ONE, TWO, THREE = "AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAAAg", "AAAAAAAAAAAAAAAAAAAAAw"
ACCEPT, RELEASE, REJECT, RENEW, UNKNOWN_TYPE = 1, 2, 3, 4, 7
RECORDS = 6
PATIENCE_SECONDS = 30

Outcome: TypeAlias = tuple[Any, ...]
Said: TypeAlias = tuple[int, int, list[int]]
"""First offset, last offset, and what is said of each, or of all."""


class Story:
    """Requests one after the other, over one connection, and what became of each."""

    def __init__(self, peer: Peer, topic_id: bytes) -> None:
        self.peer, self.topic_id = peer, topic_id
        self.outcomes: dict[str, Outcome] = {}

    def beat(self, name: str, member: str, epoch: int, group: str = GROUP) -> int:
        """The epoch that was answered."""
        names = [TOPIC] if epoch == 0 else None
        answer = self.peer.ask(ShareGroupHeartbeatRequest(group, member, epoch, subscribed_topic_names=names), 1)
        self.outcomes[name] = (answer.error_code,)
        return int(answer.member_epoch)

    def codes(self, name: str, request: Any, version: int) -> None:
        self.outcomes[name] = tuple(self.peer.codes(request, version))

    def fetch(self, name: str, epoch: int, *said: Said, member: str = ONE, index: int = 0, **fields: Any) -> None:
        """The error; of each partition the error, that of what was said, and how many records were acquired."""
        batches = [share_fetch.AcknowledgementBatch(*each) for each in said]
        topic_id = fields.pop("topic_id", self.topic_id)
        topics = [share_fetch.FetchTopic(topic_id, [share_fetch.FetchPartition(index, batches)])]
        usual = {"max_wait_ms": 500, "min_bytes": 1, "max_records": 10, "batch_size": 10, "topics": topics}
        answer = self.peer.ask(ShareFetchRequest(GROUP, member, epoch, **{**usual, **fields}), 2)
        found = [
            (each.error_code, each.acknowledge_error_code, sum(_count(one) for one in each.acquired_records))
            for topic in answer.responses
            for each in topic.partitions
        ]
        self.outcomes[name] = (answer.error_code, *found)

    def say(self, name: str, epoch: int, *said: Said, member: str = ONE, index: int = 0, **fields: Any) -> None:
        batches = [share_acknowledge.AcknowledgementBatch(*each) for each in said]
        topic_id = fields.pop("topic_id", self.topic_id)
        topics = [
            share_acknowledge.AcknowledgeTopic(topic_id, [share_acknowledge.AcknowledgePartition(index, batches)])
        ]
        self.codes(name, ShareAcknowledgeRequest(GROUP, member, epoch, topics=topics, **fields), 2)


def _count(acquired: share_fetch.AcquiredRecords) -> int:
    return acquired.last_offset - acquired.first_offset + 1


def tell_of_members(story: Story) -> None:
    epoch = story.beat("one joins", ONE, 0)
    end = time.monotonic() + PATIENCE_SECONDS
    while (
        time.monotonic() < end
        and not story.peer.ask(
            ShareGroupHeartbeatRequest(GROUP, ONE, 0, subscribed_topic_names=[TOPIC]), 1
        ).assignment.topic_partitions
    ):
        time.sleep(0.1)  # Kafka has share partitions initialized meanwhile
    epoch = story.beat("one joins again", ONE, 0)
    story.beat("one goes on", ONE, epoch)
    story.beat("one from the future", ONE, epoch + 7)
    story.beat("one from long ago", ONE, max(epoch - 5, 1) if epoch > 6 else 99)
    story.beat("nobody", THREE, epoch)
    story.beat("nobody leaves", THREE, -1)
    story.beat("two joins", TWO, 0)
    story.beat("three finds no room", THREE, 0)
    story.beat("two leaves", TWO, -1)
    story.codes("described", ShareGroupDescribeRequest([GROUP]), 1)
    story.codes("deleted while it has a member", DeleteGroupsRequest([GROUP]), 2)
    consumer = ConsumerGroupHeartbeatRequest(
        GROUP, THREE, 0, rebalance_timeout_ms=1_000, subscribed_topic_names=[TOPIC], topic_partitions=[]
    )
    story.codes("a consumer joins a share group", consumer, 1)
    classic = JoinGroupRequest(GROUP, 10_000, 10_000, "", None, "consumer", [JoinGroupRequestProtocol("range", b"")])
    story.codes("a classic member joins a share group", classic, 5)
    topics = [OffsetCommitRequestTopic(name=TOPIC, partitions=[OffsetCommitRequestPartition(0, 5)])]
    story.codes("an offset is committed to a share group", OffsetCommitRequest(GROUP, -1, "", topics=topics), 9)


def tell_of_sessions(story: Story) -> None:
    story.fetch("a session begins with words", 0, (0, 0, [ACCEPT]))
    story.fetch("a session that there is not", 3)
    story.say("words in a session that there is not", 3, (0, 0, [ACCEPT]))
    story.fetch("a session begins", 0)
    story.fetch("another session", 0, member=TWO)
    story.fetch("a session too many", 0, member=THREE)
    story.fetch("an epoch of the session that is not next", 7)
    story.say("words in an epoch that is not next", 9, (0, 0, [ACCEPT]))
    story.say("a new session by words", 0, (0, 0, [ACCEPT]))


def tell_of_words(story: Story) -> None:
    """Each in the next epoch of the session; one has records 0 to RECORDS - 1 in hand."""
    words: list[tuple[str, tuple[Said, ...], dict[str, Any]]] = [
        ("an unknown word", ((0, 0, [UNKNOWN_TYPE]),), {}),
        ("offsets from behind", ((3, 1, [ACCEPT]),), {}),
        ("a negative offset", ((-1, 0, [ACCEPT]),), {}),
        ("fewer words than records", ((0, 2, [ACCEPT, ACCEPT]),), {}),
        ("no word at all", ((0, 0, []),), {}),
        ("overlapping words", ((0, 1, [ACCEPT]), (1, 2, [ACCEPT])), {}),
        ("words out of order", ((2, 2, [ACCEPT]), (0, 0, [ACCEPT])), {}),
        ("a record that nobody has", ((RECORDS + 5, RECORDS + 5, [ACCEPT]),), {}),
        ("some that nobody has", ((0, RECORDS + 5, [ACCEPT]),), {}),
        ("a renewal that is not announced", ((0, 0, [RENEW]),), {}),
        ("a renewal", ((0, 0, [RENEW]),), {"is_renew_ack": True}),
        ("a topic that there is not", ((0, 0, [ACCEPT]),), {"topic_id": b"x" * 16}),
        ("a partition that there is not", ((0, 0, [ACCEPT]),), {"index": 5}),
        ("an acceptance", ((0, 0, [ACCEPT]),), {}),
        ("the same again", ((0, 0, [ACCEPT]),), {}),
        ("a record for each word", ((1, 3, [ACCEPT, RELEASE, REJECT]),), {}),
        ("what was released is not in hand", ((2, 2, [ACCEPT]),), {}),
    ]
    for epoch, (name, said, fields) in enumerate(words, 1):
        story.say(name, epoch, *said, **fields)
    epoch = len(words) + 1
    story.fetch("what was released comes again", epoch)
    story.fetch("words of what is not in hand, and a fetch", epoch + 1, (1, 1, [ACCEPT]))
    story.fetch("a renewal with a fetch", epoch + 2, (4, 4, [RENEW]), is_renew_ack=True)
    nothing: dict[str, Any] = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 0, "max_records": 0}
    story.fetch("a renewal and no fetch", epoch + 2, (4, 4, [RENEW]), is_renew_ack=True, **nothing)
    story.fetch("a renewal that is not announced, with a fetch", epoch + 3, (4, 4, [RENEW]))
    story.fetch("the end with a wish", -1, (4, 5, [ACCEPT]))
    story.fetch("behind the end", epoch + 4)
    story.beat("one leaves", ONE, -1)
    story.codes("deleted when empty", DeleteGroupsRequest([GROUP]), 2)


def tell_of_limits(story: Story) -> None:
    def consumer(member: str) -> ConsumerGroupHeartbeatRequest:
        fields: dict[str, Any] = {"rebalance_timeout_ms": 1_000, "topic_partitions": []}
        return ConsumerGroupHeartbeatRequest("small", member, 0, subscribed_topic_names=[TOPIC], **fields)

    story.codes("a consumer joins", consumer("a"), 1)
    story.codes("a consumer finds no room", consumer("b"), 1)
    said = OffsetCommitRequestPartition(0, 5, committed_metadata="x" * 11)
    topics = [OffsetCommitRequestTopic(name=TOPIC, partitions=[said])]
    story.codes("too much metadata", OffsetCommitRequest("other", -1, "", topics=topics), 9)
    story.beat("a share group in the place of a consumer group", ONE, 0, "small")


TOLD: dict[str, Outcome] = {
    "one joins": (0,),
    "one joins again": (0,),
    "one goes on": (0,),
    "one from the future": (110,),
    "one from long ago": (110,),
    "nobody": (25,),
    "nobody leaves": (25,),
    "two joins": (0,),
    "three finds no room": (81,),
    "two leaves": (0,),
    "described": (0,),
    "deleted while it has a member": (68,),
    "a consumer joins a share group": (69,),
    "a classic member joins a share group": (23,),
    "an offset is committed to a share group": (69,),
    "a session begins with words": (42,),
    "a session that there is not": (122,),
    "words in a session that there is not": (122,),
    "a session begins": (0, (0, 0, 6)),
    "another session": (0, (0, 0, 0)),
    "a session too many": (133,),
    "an epoch of the session that is not next": (123,),
    "words in an epoch that is not next": (123,),
    "a new session by words": (123,),
    "an unknown word": (0, 42),
    "offsets from behind": (0, 42),
    "a negative offset": (0, 0),
    "fewer words than records": (0, 42),
    "no word at all": (0, 42),
    "overlapping words": (0, 121),
    "words out of order": (0, 42),
    "a record that nobody has": (0, 42),
    "some that nobody has": (0, 42),
    "a renewal that is not announced": (0, 42),
    "a renewal": (0, 0),
    "a topic that there is not": (0, 100),
    "a partition that there is not": (0, 3),
    "an acceptance": (0, 0),
    "the same again": (0, 0),
    "a record for each word": (0, 0),
    "what was released is not in hand": (0, 121),
    "what was released comes again": (0, (0, 0, 1)),
    "words of what is not in hand, and a fetch": (0, (0, 0, 0)),
    "a renewal with a fetch": (42,),
    "a renewal and no fetch": (0, (0, 0, 0)),
    "a renewal that is not announced, with a fetch": (0, (0, 42, 0)),
    "the end with a wish": (0, (0, 0, 0)),
    "behind the end": (122,),
    "one leaves": (0,),
    "deleted when empty": (0,),
    "a consumer joins": (0,),
    "a consumer finds no room": (81,),
    "too much metadata": (12,),
    "a share group in the place of a consumer group": (69,),
}
"""For a heartbeat its error; for a fetch its error, and of each partition its own, that of what was said, and how many
records were acquired; otherwise all error codes."""


@pytest.fixture
def story(broker: BrokerProcess) -> Iterator[Story]:
    """Of a broker that has the topic with some records in one batch, and coordinates groups."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
    entry = ConfigEntry("share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, GROUP, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(30)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 200})
    for number in range(RECORDS):
        producer.produce(TOPIC, str(number))
    assert producer.flush(30) == 0
    peer = PeerWithOneConnection(broker.bootstrap)
    for group in (GROUP, "small", "other"):
        end = time.monotonic() + PATIENCE_SECONDS
        while any(peer.codes(FindCoordinatorRequest(coordinator_keys=[group]), 4)) and time.monotonic() < end:
            time.sleep(0.1)
        while peer.codes(ShareGroupDescribeRequest([group]), 1) != [69] and time.monotonic() < end:
            time.sleep(0.1)
    metadata = peer.ask(MetadataRequest([MetadataRequestTopic(name=TOPIC)]), 12)
    yield Story(peer, metadata.topics[0].topic_id)
    peer.close()


def test_a_share_group_and_its_sessions_go_through_their_lives_as_in_kafka(story: Story) -> None:
    tell_of_members(story)
    tell_of_sessions(story)
    tell_of_words(story)
    tell_of_limits(story)
    assert story.outcomes == TOLD
