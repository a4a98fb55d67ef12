"""Requests with hostile contents, thousands of them: each is answered, the next coordinator reads the log, and a
neighbour neither loses its place nor its offset."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from odradek.protocol.codec import decode, encode
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.consumer_group_heartbeat import TopicPartitions as ConsumerTopicPartitions
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest
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
from odradek.protocol.primitives import ProtocolError
from odradek_broker.loop import defects
from tests.groups.group_fakes import APIS, MemoryBroker, running
from tests.groups.group_scene import range_protocol
from tests.hostile.spoilt_messages import spoilt

GROUP, NEIGHBOUR = "g", "neighbour"
SESSION_MS = 10_000
REQUESTS = 150
TIMES_SPOILT = (0, 1, 1, 1, 2)


class Attacker:
    """Knows who is a member, by answers that were honest; what it says is spoilt, often."""

    def __init__(self, broker: MemoryBroker, seed: int) -> None:
        self.random = Random(seed)
        self._broker = broker
        self._members = [""]
        self._generation = 0
        self._epoch = 0

    async def ask(self) -> None:
        request = self._honest()
        for _ in range(self.random.choice(TIMES_SPOILT)):
            request = spoilt(self.random, request)
        version = self.random.choice(APIS[request.API_KEY].versions)
        try:
            decode(type(request), encode(request, version), version)
        except (struct.error, TypeError, AttributeError, ProtocolError):
            return  # what no wire can hold, or no broker reads
        with trio.move_on_after(self.random.choice((0.1, 1, 20))):
            answer = await self._broker.call(request, version)
            if isinstance(request, ConsumerGroupHeartbeatRequest) and answer.member_id:
                self._members = [*self._members[-3:], answer.member_id]
                self._epoch = max(self._epoch, answer.member_epoch)
            if isinstance(request, JoinGroupRequest) and answer.member_id:
                self._members = [*self._members[-3:], answer.member_id]
                self._generation = max(self._generation, answer.generation_id)

    def _honest(self) -> Any:
        member = self.random.choice(self._members)
        instance = self.random.choice((None, None, "i", ""))
        generation = self.random.choice((self._generation, self._generation, -1, 2**31 - 1))
        offsets = [OffsetCommitRequestPartition(index, 5) for index in range(2)]
        return self.random.choice(
            (
                JoinGroupRequest(GROUP, SESSION_MS, 5_000, member, instance, "consumer", range_protocol()),
                JoinGroupRequest(GROUP, SESSION_MS, 5_000, member, None, "consumer", range_protocol("u")),
                SyncGroupRequest(
                    GROUP, generation, member, instance, assignments=[SyncGroupRequestAssignment(member, b"1")]
                ),
                HeartbeatRequest(GROUP, generation, member, instance),
                LeaveGroupRequest(GROUP, member, [MemberIdentity(member, instance)]),
                OffsetCommitRequest(
                    GROUP,
                    generation,
                    member,
                    instance,
                    topics=[OffsetCommitRequestTopic("t", b"t".ljust(16, b"-"), offsets)],
                ),
                OffsetFetchRequest(
                    GROUP,
                    [OffsetFetchRequestTopic("t", [0])],
                    [OffsetFetchRequestGroup(GROUP, topics=[OffsetFetchRequestTopics("t", partition_indexes=[0])])],
                ),
                OffsetDeleteRequest(GROUP, [OffsetDeleteRequestTopic("t", [OffsetDeleteRequestPartition(0)])]),
                self._heartbeat(member, instance),
                self._heartbeat(member, instance),
                self._heartbeat(member, instance),
                ConsumerGroupDescribeRequest([GROUP]),
                DescribeGroupsRequest([GROUP]),
                ListGroupsRequest(["Empty"]),
                DeleteGroupsRequest([GROUP]),
            )
        )

    def _heartbeat(self, member: str, instance: str | None) -> ConsumerGroupHeartbeatRequest:
        """Of the consumer protocol: its members and those of the other may be in one group."""
        epoch = self.random.choice((0, 0, self._epoch, self._epoch, self._epoch - 1, -1, -2))
        owned = [ConsumerTopicPartitions(b"t".ljust(16, b"-"), [0])]
        return ConsumerGroupHeartbeatRequest(
            GROUP,
            member or "m",
            epoch,
            instance,
            self.random.choice((None, "r")),
            5_000 if epoch == 0 else -1,
            self.random.choice((("t",), ("t", "u"), ())) if epoch == 0 else None,
            self.random.choice((None, "t|u", "(")),
            self.random.choice((None, "range", "uniform")),
            [] if epoch == 0 else self.random.choice((None, [], owned)),
        )


async def a_neighbour(broker: MemoryBroker) -> tuple[str, int]:
    """The only member of another group, in the same partition or not, with an offset of 7."""
    request = JoinGroupRequest(NEIGHBOUR, 1_800_000, 60_000, "", None, "consumer", range_protocol())
    joined = await broker.call(request, 3)
    share = [SyncGroupRequestAssignment(joined.member_id, b"all")]
    await broker.call(SyncGroupRequest(NEIGHBOUR, 1, joined.member_id, assignments=share), 2)
    topics = [OffsetCommitRequestTopic("t", partitions=[OffsetCommitRequestPartition(0, 7)])]
    await broker.call(OffsetCommitRequest(NEIGHBOUR, 1, joined.member_id, topics=topics), 7)
    return joined.member_id, joined.generation_id


async def is_unharmed(broker: MemoryBroker, member_id: str, generation: int) -> bool:
    beat = await broker.call(HeartbeatRequest(NEIGHBOUR, generation, member_id), 3)
    found = await broker.call(OffsetFetchRequest(NEIGHBOUR, [OffsetFetchRequestTopic("t", [0])]), 7)
    return (beat.error_code, found.topics[0].partitions[0].committed_offset) == (0, 7)


def play(seed: int) -> None:
    async def scenario() -> None:
        broker = MemoryBroker(offsets_retention_check_interval_ms=5_000)
        async with running(broker):
            attacker = Attacker(broker, seed)
            neighbour = await a_neighbour(broker)
            for _ in range(REQUESTS):
                async with trio.open_nursery() as nursery:
                    for _ in range(attacker.random.choice((1, 1, 3))):
                        nursery.start_soon(attacker.ask)
            await trio.sleep(60)  # whatever timers there are come up
            assert await is_unharmed(broker, *neighbour)
            for partition in broker.partitions:
                partition.leader_epoch += 1
            broker.groups.refresh()
            assert await is_unharmed(broker, *neighbour)

    trio.run(scenario, clock=MockClock(autojump_threshold=0))


@pytest.fixture(autouse=True)
def no_defect_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defects, "are_survived", False)


@pytest.mark.parametrize("seed", range(6))
def test_no_request_about_a_group_ends_more_than_its_own_business(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    play(seed)
    assert "passed over" not in caplog.text, "what is written can be read"


@pytest.mark.soak
def test_none_of_very_many_requests_about_a_group_ends_more_than_its_own_business() -> None:
    for seed in range(10_000):
        play(seed)
