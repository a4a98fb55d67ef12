"""The handlers of group requests, over the wire's format, in every version."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest
from odradek.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from odradek.protocol.messages.list_groups import ListGroupsRequest
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
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from odradek_broker.controller.image import GROUP_TOPIC, MetadataImage, PartitionImage
from odradek_broker.coordinators.group_partition import GroupPartition
from tests.groups.group_fakes import APIS, PARTITIONS, MemoryBroker, running
from tests.groups.group_scene import range_protocol

KEYS = (8, 9, 10, 11, 12, 13, 14, 15, 16, 42, 47)
RANGES = {
    8: (2, 10),
    9: (1, 10),
    10: (0, 6),
    11: (0, 9),
    12: (0, 4),
    13: (0, 5),
    14: (0, 5),
    15: (0, 6),
    16: (0, 5),
    42: (0, 3),
    47: (0, 0),
}
"""What Apache Kafka 4.4.0 advertises."""


def versions(key: int) -> list[int]:
    return list(range(RANGES[key][0], RANGES[key][1] + 1))


@pytest.mark.parametrize("key", KEYS)
def test_the_advertised_range_is_kafkas(key: int) -> None:
    offered = APIS[key].advertised_versions
    assert (offered.start, offered.stop - 1) == RANGES[key]
    assert offered == APIS[key].request.VERSIONS


def joining(version: int, member_id: str = "") -> JoinGroupRequest:
    rebalance_ms = 60_000 if version >= 1 else -1
    return JoinGroupRequest("g", 10_000, rebalance_ms, member_id, None, "consumer", range_protocol())


async def a_member(broker: MemoryBroker, version: int = 5) -> tuple[str, int]:
    joined = await broker.call(joining(version), version)
    if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
        joined = await broker.call(joining(version, joined.member_id), version)
    assert joined.error_code == 0
    return joined.member_id, joined.generation_id


@pytest.mark.parametrize("version", versions(11))
async def test_a_consumer_lives_its_life_in_every_version_of_join(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        member_id, generation = await a_member(broker, version)
        assert member_id.startswith("me-")
        share = [SyncGroupRequestAssignment(member_id, b"all")]
        synced = await broker.call(SyncGroupRequest("g", generation, member_id, assignments=share), 0)
        assert (synced.error_code, synced.assignment) == (0, b"all")
        described = (await broker.call(DescribeGroupsRequest(["g"]), 0)).groups[0]
        assert (described.group_state, described.members[0].client_host) == ("Stable", "/10.0.0.9")


@pytest.mark.parametrize("version", versions(14))
async def test_sync_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        member_id, generation = await a_member(broker)
        names: dict[str, Any] = {"protocol_type": "consumer", "protocol_name": "range"} if version >= 5 else {}
        share = [SyncGroupRequestAssignment(member_id, b"all")]
        request = SyncGroupRequest("g", generation, member_id, assignments=share, **names)
        assert (await broker.call(request, version)).assignment == b"all"


async def test_from_version_5_on_a_sync_must_name_its_protocol(autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        member_id, generation = await a_member(broker)
        refused = await broker.call(SyncGroupRequest("g", generation, member_id), 5)
        assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("version", versions(12))
async def test_heartbeats_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        member_id, generation = await a_member(broker)
        assert (await broker.call(HeartbeatRequest("g", generation, member_id), version)).error_code == 0
        assert (await broker.call(HeartbeatRequest("g", 9, member_id), version)).error_code == 22


@pytest.mark.parametrize("version", versions(13))
async def test_leaving_in_every_version(version: int, autojump_clock: object) -> None:
    def leaving(member_id: str) -> LeaveGroupRequest:
        if version < 3:
            return LeaveGroupRequest("g", member_id)
        return LeaveGroupRequest("g", members=[MemberIdentity(member_id)])

    async with running(MemoryBroker()) as broker:
        member_id, _ = await a_member(broker)
        unknown = await broker.call(leaving("ghost"), version)
        assert [each.error_code for each in unknown.members] == ([25] if version >= 3 else [])
        assert unknown.error_code == (0 if version >= 3 else 25)
        assert (await broker.call(leaving(member_id), version)).error_code == 0
        assert (await broker.call(DescribeGroupsRequest(["g"]), 5)).groups[0].group_state == "Empty"


async def test_leaving_without_naming_anybody_is_no_error(autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        assert (await broker.call(LeaveGroupRequest("g"), 3)).error_code == 0
        assert (await broker.call(LeaveGroupRequest(""), 3)).error_code == ErrorCode.INVALID_GROUP_ID


def committing(version: int, offset: int, topic: str = "t") -> OffsetCommitRequest:
    place: dict[str, Any] = {"name": topic}
    if version >= 10:
        place = {"topic_id": topic.encode().ljust(16, b"-")}
    partitions = [OffsetCommitRequestPartition(0, offset, committed_metadata="m")]
    return OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic(partitions=partitions, **place)])


@pytest.mark.parametrize("version", versions(8))
async def test_commits_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        answer = await broker.call(committing(version, 7), version)
        assert answer.topics[0].partitions[0].error_code == 0
        unknown = await broker.call(committing(version, 7, "none"), version)
        expected = ErrorCode.UNKNOWN_TOPIC_ID if version >= 10 else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert unknown.topics[0].partitions[0].error_code == expected
        request = OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [0])])
        assert (await broker.call(request, 1)).topics[0].partitions[0].committed_offset == 7


async def test_unknown_topics_of_a_commit_do_not_move_the_others(autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        topics = [committing(8, 7, name).topics[0] for name in ("none", "t", "nothing")]
        answer = await broker.call(OffsetCommitRequest("g", topics=topics), 8)
        assert [(each.name, each.partitions[0].error_code) for each in answer.topics] == [
            ("none", 3),
            ("t", 0),
            ("nothing", 3),
        ]


@pytest.mark.parametrize("version", versions(8))
async def test_a_commit_for_a_partition_that_does_not_exist_is_refused_and_not_kept(
    version: int, autojump_clock: object
) -> None:
    async with running(MemoryBroker()) as broker:
        [topic] = committing(version, 7).topics
        places = [replace(topic.partitions[0], partition_index=index) for index in (-1, 0, 1, 2**31 - 1)]
        answer = await broker.call(OffsetCommitRequest("g", topics=[replace(topic, partitions=places)]), version)
        codes = [(each.partition_index, each.error_code) for each in answer.topics[0].partitions]
        assert codes == [(-1, 3), (0, 0), (1, 3), (2**31 - 1, 3)]
        everything = await broker.call(OffsetFetchRequest("g", None), 2)
        assert [each.partition_index for each in everything.topics[0].partitions] == [0]


@pytest.mark.parametrize("version", [each for each in versions(9) if each < 8])
async def test_fetching_one_group_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        await broker.call(committing(8, 7), 8)
        found = await broker.call(OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [0, 1])]), version)
        assert [(each.committed_offset, each.metadata) for each in found.topics[0].partitions] == [(7, "m"), (-1, "")]
        if version >= 2:
            everything = await broker.call(OffsetFetchRequest("g", None), version)
            assert [each.name for each in everything.topics] == ["t"]
        assert (await broker.call(OffsetFetchRequest("g", []), version)).topics == []


@pytest.mark.parametrize("version", [8, 9, 10])
async def test_fetching_many_groups_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        await broker.call(committing(8, 7), 8)
        place = {"topic_id": b"t".ljust(16, b"-")} if version >= 10 else {"name": "t"}
        strange = {"topic_id": b"?" * 16} if version >= 10 else {"name": "none"}
        topics = [OffsetFetchRequestTopics(partition_indexes=[0], **each) for each in (strange, place)]
        groups = [OffsetFetchRequestGroup("g", topics=topics), OffsetFetchRequestGroup("g", topics=None)]
        found = await broker.call(OffsetFetchRequest(groups=groups), version)
        asked, everything = found.groups
        unknown = asked.topics[0].partitions[0]
        assert (unknown.committed_offset, unknown.error_code) == (-1, 100 if version >= 10 else 0)
        assert asked.topics[1].partitions[0].committed_offset == 7
        assert [each.partitions[0].committed_offset for each in everything.topics] == [7]
        assert {each.topic_id for each in everything.topics} == {place.get("topic_id", bytes(16))}


@pytest.mark.parametrize("version", versions(9))
async def test_a_fetch_that_nobody_can_answer_says_so_where_the_version_has_room(
    version: int, autojump_clock: object
) -> None:
    broker = MemoryBroker()
    for each in broker.partitions:
        each.is_leader = False
    async with running(broker):
        if version >= 8:
            request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup("g", topics=[])])
            assert (await broker.call(request, version)).groups[0].error_code == ErrorCode.NOT_COORDINATOR
            return
        answer = await broker.call(OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [0])]), version)
        if version >= 2:
            assert (answer.error_code, answer.topics) == (ErrorCode.NOT_COORDINATOR, [])
        else:
            assert answer.topics[0].partitions[0].error_code == ErrorCode.NOT_COORDINATOR


async def test_every_request_says_when_this_is_not_the_coordinator(autojump_clock: object) -> None:
    broker = MemoryBroker()
    for each in broker.partitions:
        each.is_leader = False
    requests: list[tuple[Any, int, Callable[[Any], int]]] = [
        (committing(8, 1), 8, lambda answer: answer.topics[0].partitions[0].error_code),
        (joining(5), 5, lambda answer: answer.error_code),
        (HeartbeatRequest("g", 1, "m"), 4, lambda answer: answer.error_code),
        (LeaveGroupRequest("g", members=[MemberIdentity("m")]), 4, lambda answer: answer.error_code),
        (SyncGroupRequest("g", 1, "m"), 3, lambda answer: answer.error_code),
        (DescribeGroupsRequest(["g"]), 5, lambda answer: answer.groups[0].error_code),
        (DeleteGroupsRequest(["g"]), 2, lambda answer: answer.results[0].error_code),
        (OffsetDeleteRequest("g"), 0, lambda answer: answer.error_code),
    ]
    async with running(broker):
        for request, version, error_of in requests:
            assert error_of(await broker.call(request, version)) == ErrorCode.NOT_COORDINATOR


@pytest.mark.parametrize("version", versions(15))
async def test_describing_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        await a_member(broker)
        request = DescribeGroupsRequest(["g", "none"], include_authorized_operations=version >= 3)
        known, unknown = (await broker.call(request, version)).groups
        assert (known.group_state, unknown.group_state) == ("CompletingRebalance", "Dead")
        assert unknown.error_code == (ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else 0)
        assert (known.authorized_operations > 0) == (version >= 3)


@pytest.mark.parametrize("version", versions(16))
async def test_listing_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        await a_member(broker)
        await broker.call(OffsetCommitRequest("offsets", topics=committing(8, 1).topics), 8)
        everything = await broker.call(ListGroupsRequest(), version)
        assert {each.group_id for each in everything.groups} == {"g", "offsets"}
        if version >= 4:
            empty = await broker.call(ListGroupsRequest(["Empty"]), version)
            assert [each.group_id for each in empty.groups] == ["offsets"]
        if version >= 5:
            assert (await broker.call(ListGroupsRequest([], ["share"]), version)).groups == []


@pytest.mark.parametrize("version", versions(42))
async def test_deleting_groups_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        await a_member(broker)
        await broker.call(OffsetCommitRequest("offsets", topics=committing(8, 1).topics), 8)
        answer = await broker.call(DeleteGroupsRequest(["g", "offsets", "none"]), version)
        assert [each.error_code for each in answer.results] == [
            ErrorCode.NON_EMPTY_GROUP,
            0,
            ErrorCode.GROUP_ID_NOT_FOUND,
        ]


async def test_deleting_offsets_of_known_and_unknown_topics(autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        await broker.call(committing(8, 1), 8)
        topics = [OffsetDeleteRequestTopic(name, [OffsetDeleteRequestPartition(0)]) for name in ("none", "t")]
        answer = await broker.call(OffsetDeleteRequest("g", topics), 0)
        assert [each.partitions[0].error_code for each in answer.topics] == [3, 0]
        unknown = await broker.call(OffsetDeleteRequest("none", topics), 0)
        assert unknown.error_code == ErrorCode.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize("version", versions(10))
async def test_finding_the_coordinator_in_every_version(version: int, autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        if version >= 4:
            answer = await broker.call(FindCoordinatorRequest(coordinator_keys=["g", "h"]), version)
            assert [(each.key, each.node_id, each.port) for each in answer.coordinators] == [
                ("g", 1, 9092),
                ("h", 1, 9092),
            ]
        else:
            found = await broker.call(FindCoordinatorRequest("g"), version)
            assert (found.error_code, found.node_id, found.host, found.port) == (0, 1, "127.0.0.1", 9092)


async def test_finding_a_coordinator_makes_the_topic_that_is_missing(autojump_clock: object) -> None:
    broker = MemoryBroker()
    broker.set_topics("t", group_topic=False)
    async with running(broker):
        assert (await broker.call(FindCoordinatorRequest("g"), 3)).error_code == 0
        assert (await broker.call(joining(3), 3)).error_code == 0


async def test_many_coordinators_are_found_after_one_wait_for_their_logs(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs costs a request some seconds, not each of its keys."""
    async with running(MemoryBroker()) as broker:

        async def wait_opened(topics: Collection[str]) -> None:
            await trio.sleep(5)

        monkeypatch.setattr(broker, "wait_opened", wait_opened)
        before = trio.current_time()
        await broker.call(FindCoordinatorRequest(coordinator_keys=[f"g{number}" for number in range(10)]), 6)
        assert trio.current_time() - before == 5


async def test_a_coordinator_that_cannot_be_had(autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        no_topic = await broker.call(FindCoordinatorRequest("x", 1), 3)
        assert (no_topic.error_code, no_topic.node_id) == (ErrorCode.COORDINATOR_NOT_AVAILABLE, -1)
        share = await broker.call(FindCoordinatorRequest(key_type=2, coordinator_keys=["x"]), 6)
        assert share.coordinators[0].error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("version", versions(10))
async def test_a_coordinator_that_has_just_died_is_looked_for_until_there_is_another(
    version: int, autojump_clock: object
) -> None:
    """Clients that are told of none ask twice more within a third of a second, and librdkafka then never again."""
    broker = MemoryBroker()
    async with running(broker), trio.open_nursery() as nursery:
        broker.reachability.lost(1)

        async def elect() -> None:
            await trio.sleep(0.5)
            broker.reachability.reached(1)

        nursery.start_soon(elect)
        answer = await broker.call(FindCoordinatorRequest("g", coordinator_keys=["g"]), version)
        found = answer.coordinators[0] if version >= 4 else answer
        assert (found.error_code, found.node_id) == (0, 1)
        assert 0.5 <= trio.current_time() <= 0.55


def without_leader(image: MetadataImage, *, eligible: int = 1) -> MetadataImage:
    nobody = PartitionImage(replicas=(1, 2), isr=(eligible,), leader=-1)
    topic = replace(image.topics[GROUP_TOPIC], partitions=dict.fromkeys(range(PARTITIONS), nobody))
    return replace(image, topics={**image.topics, GROUP_TOPIC: topic})


async def test_a_coordinator_that_is_elected_while_it_is_looked_for_is_named(autojump_clock: object) -> None:
    broker = MemoryBroker()
    led = broker.image
    broker.image = without_leader(led)
    async with running(broker), trio.open_nursery() as nursery:

        async def elect() -> None:
            await trio.sleep(1)
            broker.image = led

        nursery.start_soon(elect)
        answer = await broker.call(FindCoordinatorRequest(coordinator_keys=["g", "h"]), 6)
        assert [each.node_id for each in answer.coordinators] == [1, 1]


@pytest.mark.parametrize("partitions", [1, PARTITIONS + 1])
async def test_who_waits_for_a_coordinator_asks_again_where_the_topic_was_made_anew(
    partitions: int, autojump_clock: object
) -> None:
    """The key belongs to another of its partitions."""
    broker = MemoryBroker()
    led = broker.image
    broker.image = without_leader(led)
    topic = led.topics[GROUP_TOPIC]
    anew = replace(topic, topic_id=bytes(15) + b"9", partitions=dict.fromkeys(range(partitions), topic.partitions[0]))
    async with running(broker), trio.open_nursery() as nursery:

        async def make_anew() -> None:
            await trio.sleep(1)
            broker.image = replace(led, topics={**led.topics, GROUP_TOPIC: anew})

        nursery.start_soon(make_anew)
        keys = [f"g{number}" for number in range(9)]
        answer = await broker.call(FindCoordinatorRequest(coordinator_keys=keys), 6)
        assert {each.error_code for each in answer.coordinators} == {ErrorCode.COORDINATOR_NOT_AVAILABLE}


async def test_a_coordinator_that_is_not_elected_is_not_waited_for_for_ever(autojump_clock: object) -> None:
    broker = MemoryBroker()
    broker.image = without_leader(broker.image)
    async with running(broker):
        answer = await broker.call(FindCoordinatorRequest(coordinator_keys=["g", "h"]), 6)
        assert {each.error_code for each in answer.coordinators} == {ErrorCode.COORDINATOR_NOT_AVAILABLE}
        assert 2 <= trio.current_time() <= 2.1


async def test_a_broker_that_stops_looks_for_no_coordinator(autojump_clock: object) -> None:
    """It leads nothing by then, and its stop waits for every answer."""
    broker = MemoryBroker()
    broker.image = without_leader(broker.image)
    async with running(broker), trio.open_nursery() as nursery:

        async def stop() -> None:
            await trio.sleep(0.5)
            broker.is_stopping = True

        nursery.start_soon(stop)
        answer = await broker.call(FindCoordinatorRequest(coordinator_keys=["g"]), 6)
        assert answer.coordinators[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert trio.current_time() <= 0.55


async def test_nobody_waits_for_a_coordinator_whose_replicas_are_all_dead(autojump_clock: object) -> None:
    broker = MemoryBroker()
    alive = without_leader(broker.image)
    dead = {1: replace(alive.brokers[1], fenced=True)}
    broker.image = replace(alive, brokers=dead)
    async with running(broker):
        for brokers in ({}, dead):
            broker.image = replace(alive, brokers=brokers)
            answer = await broker.call(FindCoordinatorRequest(coordinator_keys=["g"]), 6)
            assert answer.coordinators[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert trio.current_time() == 0, "what comes behind it on the connection is read"
        broker.reachability.take(alive, broker.image)
        await broker.call(FindCoordinatorRequest(coordinator_keys=["g"]), 6)
        assert trio.current_time() == 2, "one that has just died may come back"


async def test_nobody_waits_for_a_replica_that_lives_and_cannot_be_elected(autojump_clock: object) -> None:
    broker = MemoryBroker()
    broker.image = without_leader(broker.image, eligible=2)
    async with running(broker):
        answer = await broker.call(FindCoordinatorRequest(coordinator_keys=["g"]), 6)
        assert answer.coordinators[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert trio.current_time() == 0


async def test_a_loading_coordinator_is_waited_for_and_then_excused(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_ends(_: GroupPartition) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(GroupPartition, "_load", never_ends)
    async with running(MemoryBroker()) as broker:
        began = trio.current_time()
        assert (await broker.call(ListGroupsRequest(), 5)).error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        answer = await broker.call(HeartbeatRequest("g", 1, "m"), 4)
        assert answer.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert trio.current_time() - began == pytest.approx(2.0)


async def test_a_commit_that_names_a_partition_a_thousand_times_writes_one_record(autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker:
        places = [OffsetCommitRequestPartition(0, offset) for offset in range(1_000)]
        answer = await broker.call(
            OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", partitions=places)]), 8
        )
        assert [each.error_code for each in answer.topics[0].partitions] == [0] * 1_000
        assert sum(partition.log.log_end_offset for partition in broker.partitions) == 1
        fetched = await broker.call(OffsetFetchRequest("g", None), 2)
        assert fetched.topics[0].partitions[0].committed_offset == 999


async def test_a_commit_of_thousands_of_partitions_lets_others_have_their_turn(autojump_clock: object) -> None:
    async with running(MemoryBroker()) as broker, trio.open_nursery() as nursery:
        broker.set_topics("t", partitions=3_000)
        turns = 0

        async def another() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(another)
        places = [OffsetCommitRequestPartition(index, index) for index in range(3_000)]
        answer = await broker.call(
            OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", partitions=places)]), 8
        )
        assert {each.error_code for each in answer.topics[0].partitions} == {0}
        assert turns > 3_000 / 100
        found = await broker.call(OffsetFetchRequest("g", None), 2)
        assert len(found.topics[0].partitions) == 3_000
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("size", "error"), [(1_000_000, 0), (1_100_000, ErrorCode.UNKNOWN_SERVER_ERROR)])
async def test_an_assignment_is_no_larger_than_the_topic_takes_records(
    size: int, error: int, autojump_clock: object
) -> None:
    async with running(MemoryBroker()) as broker:
        member_id, generation = await a_member(broker)
        share = [SyncGroupRequestAssignment(member_id, bytes(size))]
        assert (
            await broker.call(SyncGroupRequest("g", generation, member_id, assignments=share), 3)
        ).error_code == error
        assert (await broker.call(committing(8, 7), 8)).topics[0].partitions[
            0
        ].error_code == ErrorCode.UNKNOWN_MEMBER_ID


# ------------------------------------------------------------------------------------------ the consumer protocol


@pytest.mark.parametrize(
    ("protocols", "code"), [(("classic", "consumer"), 0), (("classic",), ErrorCode.UNSUPPORTED_VERSION)]
)
async def test_members_of_the_consumer_protocol_are_refused_where_it_is_left_out(
    autojump_clock: object, protocols: tuple[str, ...], code: int
) -> None:
    heartbeat = ConsumerGroupHeartbeatRequest(
        "g", "m" * 22, rebalance_timeout_ms=1_000, subscribed_topic_names=["t"], topic_partitions=[]
    )
    async with running(MemoryBroker(group_coordinator_rebalance_protocols=protocols)) as broker:
        assert (await broker.call(heartbeat, 1)).error_code == code
        assert (await broker.call(ConsumerGroupDescribeRequest(["g"]), 1)).groups[0].error_code == code
        nameless = (await broker.call(ConsumerGroupDescribeRequest([""]), 1)).groups[0]
        assert nameless.error_code == (code or ErrorCode.INVALID_GROUP_ID)
