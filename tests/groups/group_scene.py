"""A coordinator with a log and a clock of its own: the shell's part, in a list of calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from odradek.protocol.codec import encode
from odradek.protocol.messages.consumer_protocol import ConsumerProtocolSubscription
from odradek.protocol.messages.delete_groups import DeletableGroupResult
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponsePartitions,
)
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.coordination.result import Answer, CoordinatorResult, Instant
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.group import ClassicGroup
from odradek_broker.groups.join import Joiner
from odradek_broker.groups.settings import GroupSettings

R = TypeVar("R")

WALL_MS = 1_700_000_000_000
SESSION_MS = 10_000
REBALANCE_MS = 60_000


def subscription(*topics: str, version: int = 1) -> bytes:
    return version.to_bytes(2, "big") + encode(ConsumerProtocolSubscription(topics=topics), version)


def range_protocol(*topics: str) -> list[JoinGroupRequestProtocol]:
    return [JoinGroupRequestProtocol("range", subscription(*(topics or ("t",))))]


class Scene:
    """Calls the coordinator, appends and replays its records, and keeps the answers by ticket."""

    def __init__(
        self, *, loaded_from: Iterable[CoordinatorRecord] = (), initial_delay_ms: int = 0, **settings: Any
    ) -> None:
        self.now_ms = 0
        self.settings = GroupSettings(group_initial_rebalance_delay_ms=initial_delay_ms, **settings)
        self.core = GroupCoordinator(self.settings)
        self.log: list[CoordinatorRecord] = []
        self.answers: dict[int, Struct] = {}
        self.notes: list[str] = []
        self.tickets = 0
        for record in loaded_from:
            self._replay(record)
        self.core.begin(self.now)

    @property
    def now(self) -> Instant:
        return Instant(self.now_ms, WALL_MS + self.now_ms)

    def restarted(self) -> Scene:
        """A new coordinator over the same log."""
        scene = Scene(loaded_from=self.log, initial_delay_ms=self.settings.group_initial_rebalance_delay_ms)
        scene.now_ms = self.now_ms
        return scene

    def group(self, group_id: str = "g") -> ClassicGroup:
        group = self.core.groups[group_id]
        assert isinstance(group, ClassicGroup)
        return group

    def state(self, group_id: str = "g") -> str:
        return self.core.describe(group_id, 5).group_state

    def pass_time(self, ms: int) -> None:
        """Let time go by, with a tick at each deadline."""
        end_ms = self.now_ms + ms
        while (deadline_ms := self.core.next_deadline_ms) is not None and deadline_ms <= end_ms:
            self.now_ms = max(self.now_ms, deadline_ms)
            self.tick()
        self.now_ms = end_ms

    def tick(self) -> None:
        while (timer := self.core.pop_due(self.now)) is not None:
            self.carry_out(self.core.time_over(timer, self.now))

    def carry_out(self, result: CoordinatorResult[R]) -> R:
        self.notes += result.notes
        for answer in result.answers:
            self._keep(answer)
        for record in result.records:
            self._replay(record)
        return result.response

    def _replay(self, record: CoordinatorRecord) -> None:
        self.log.append(record)
        for answer in self.core.replay(record, len(self.log) - 1, self.now):
            self._keep(answer)

    def _keep(self, answer: Answer) -> None:
        assert answer.ticket not in self.answers, "one answer per ticket"
        self.answers[answer.ticket] = answer.response

    # ------------------------------------------------------------------------------------------------- requests

    def join(
        self,
        member_id: str = "",
        *,
        new_id: str = "",
        instance: str | None = None,
        version: int = 3,
        protocols: Sequence[JoinGroupRequestProtocol] | None = None,
        protocol_type: str = "consumer",
        session_ms: int = SESSION_MS,
        rebalance_ms: int = REBALANCE_MS,
        group: str = "g",
    ) -> int:
        """The ticket, by which the answer is found in `answers` once there is one."""
        self.tickets += 1
        ticket = self.tickets
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=rebalance_ms,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocols=range_protocol() if protocols is None else protocols,
        )
        joiner = Joiner(
            ticket=ticket, version=version, new_member_id=new_id or f"id-{ticket}", client_id="c", client_host="/h"
        )
        response = self.carry_out(self.core.join(request, joiner, self.now))
        if response is not None:
            self._keep(Answer(ticket, response))
        return ticket

    def joined(self, ticket: int) -> JoinGroupResponse:
        response = self.answers[ticket]
        assert isinstance(response, JoinGroupResponse)
        return response

    def sync(
        self,
        member_id: str,
        generation: int,
        assignments: dict[str, bytes] | None = None,
        *,
        instance: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        group: str = "g",
    ) -> int:
        self.tickets += 1
        ticket = self.tickets
        request = SyncGroupRequest(
            group_id=group,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocol_name=protocol_name,
            assignments=[SyncGroupRequestAssignment(*pair) for pair in (assignments or {}).items()],
        )
        response = self.carry_out(self.core.sync(request, ticket, self.now))
        if response is not None:
            self._keep(Answer(ticket, response))
        return ticket

    def synced(self, ticket: int) -> SyncGroupResponse:
        response = self.answers[ticket]
        assert isinstance(response, SyncGroupResponse)
        return response

    def heartbeat(self, member_id: str, generation: int, *, instance: str | None = None, group: str = "g") -> int:
        request = HeartbeatRequest(group, generation, member_id, instance)
        return self.carry_out(self.core.heartbeat(request, self.now)).error_code

    def leave(self, *members: MemberIdentity, group: str = "g") -> list[int]:
        request = LeaveGroupRequest(group_id=group, members=members)
        return [each.error_code for each in self.carry_out(self.core.leave(request, self.now)).members]

    def leave_alone(self, member_id: str, group: str = "g") -> LeaveGroupResponse:
        """As up to version 2."""
        return self.carry_out(self.core.leave(LeaveGroupRequest(group_id=group, member_id=member_id), self.now))

    def commit(
        self,
        offset: int,
        member_id: str = "",
        generation: int = -1,
        *,
        topic: str = "t",
        partition: int = 0,
        metadata: str | None = "",
        retention_ms: int = -1,
        instance: str | None = None,
        group: str = "g",
    ) -> int:
        request = OffsetCommitRequest(
            group_id=group,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            group_instance_id=instance,
            retention_time_ms=retention_ms,
            topics=[
                OffsetCommitRequestTopic(
                    topic, partitions=[OffsetCommitRequestPartition(partition, offset, committed_metadata=metadata)]
                )
            ],
        )
        response = self.carry_out(self.core.commit(request, self.now))
        return response.topics[0].partitions[0].error_code

    def fetch(
        self, topic: str = "t", partition: int = 0, *, group: str = "g", require_stable: bool = False
    ) -> OffsetFetchResponsePartitions:
        topics = [OffsetFetchRequestTopics(topic, partition_indexes=[partition])]
        request = OffsetFetchRequestGroup(group, topics=topics)
        return self.core.fetch(request, require_stable=require_stable).topics[0].partitions[0]

    def fetch_all(self, group: str = "g") -> dict[tuple[str, int], int]:
        response = self.core.fetch(OffsetFetchRequestGroup(group, topics=None), require_stable=False)
        return {
            (topic.name, each.partition_index): each.committed_offset
            for topic in response.topics
            for each in topic.partitions
        }

    def delete(self, group: str = "g") -> int:
        result: DeletableGroupResult = self.carry_out(self.core.delete(group, self.now))
        return result.error_code

    def delete_offset(self, topic: str = "t", partition: int = 0, *, group: str = "g") -> OffsetDeleteResponse:
        topics = [OffsetDeleteRequestTopic(topic, [OffsetDeleteRequestPartition(partition)])]
        return self.carry_out(self.core.delete_offsets(OffsetDeleteRequest(group, topics), self.now))

    # ------------------------------------------------------------------------------------------------- stories

    def stable(self, *names: str, **options: object) -> int:
        """Bring a group of these members to Stable, the first being its leader; returns its generation."""
        for name in names:
            self.join(new_id=name, **options)  # type: ignore[arg-type]
        tickets = [self.join(name) for name in names if self.group().state == "PreparingRebalance"]
        generation = self.group().generation
        assert self.state() == "CompletingRebalance", (self.state(), [self.answers.get(each) for each in tickets])
        for name in names[1:]:
            self.sync(name, generation)
        self.sync(names[0], generation, {name: name.encode() for name in names})
        assert self.state() == "Stable"
        return generation
