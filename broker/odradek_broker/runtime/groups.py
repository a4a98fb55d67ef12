"""The group coordinators of this broker: one for each partition of __consumer_offsets that it leads.

A group belongs to the partition that its id hashes to, and whoever leads the partition coordinates the group. How many
partitions there are is what the topic says and not what the configuration does: two brokers that disagreed about it
would both think that they own a group.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_groups import DeletableGroupResult
from odradek.protocol.messages.describe_groups import DescribedGroup
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from odradek.protocol.messages.list_groups import ListedGroup
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from odradek.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from odradek_broker.controller.image import GROUP_TOPIC
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.join import Joiner
from odradek_broker.groups.partitioning import coordinator_partition
from odradek_broker.groups.settings import GroupSettings
from odradek_broker.groups.step import Instant, Result
from odradek_broker.runtime.group_partition import CoordinatorUnavailable, GroupPartition, ProducerStamp

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.runtime.broker import Broker

R = TypeVar("R")

LOADING_WAIT_SECONDS = 1.0
"""A request that comes while the log is still being read waits for so long before the client is sent away."""

RELOAD_SECONDS = 1.0
"""A coordinator that could not go on, where its broker still leads, is made anew no more often than that."""

MINUTE_MS = 60_000


class GroupsRuntime:
    """Finds the coordinator of a group and asks it. Every request raises CoordinatorUnavailable where it cannot."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._partitions: dict[int, GroupPartition] = {}
        self._nursery: trio.Nursery | None = None

    # -------------------------------------------------------------------------------------------------------- life

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Coordinate until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.refresh()
            task_status.started()
            await trio.sleep_forever()

    def close(self) -> None:
        """Let go of all groups; who waits is told to look elsewhere."""
        for each in self._partitions.values():
            each.close()
        self._partitions.clear()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()
            self._nursery = None

    def on_image(self, old: MetadataImage, new: MetadataImage) -> None:
        """The metadata has changed: leaders may be others, topics may be gone."""
        self.refresh()
        gone = {name for name, topic in old.topics.items() if _topic_id(new, name) != topic.topic_id}
        if gone:
            for each in self._partitions.values():
                if each.is_loaded:
                    each.carry_out(each.coordinator.forget_topics(gone, each.now()))

    def refresh(self) -> None:
        """Take up the partitions that this broker has come to lead, and drop those that it no longer leads.

        Also when the lease has run out, or is there again: nobody is answered meanwhile, and the log knows all.
        """
        topic = self._broker.image.topics.get(GROUP_TOPIC)
        for index in set(self._partitions).union(() if topic is None else topic.partitions):
            self._take_up(index)

    def _take_up(self, index: int) -> GroupPartition | None:
        """The coordinator of a partition, as of the present leader epoch; None where it is another broker's."""
        partition = self._broker.partition(GROUP_TOPIC, index)
        current = self._partitions.get(index)
        if isinstance(partition, ErrorCode) or not partition.is_leader or self._nursery is None:
            if current is not None:
                self._partitions.pop(index).close()
            return None
        if current is not None:
            if current.partition is partition and current.leader_epoch == partition.leader_epoch:
                return current
            current.close()
        taken = GroupPartition(
            partition,
            _settings(self._broker.config),
            self._broker.clock,
            is_only_copy=not self._broker.others_have(partition),
        )
        self._partitions[index] = taken
        self._nursery.start_soon(self._coordinate, index, taken)
        return taken

    async def _coordinate(self, index: int, taken: GroupPartition) -> None:
        """Until it is closed here. Where it ends by itself and we lead all the same, another begins after a while.

        Where the log is damaged that is another broker's, if one has it.
        """
        await taken.run()
        partition = taken.partition
        if self._partitions.get(index) is not taken or partition.log.failed is not None:
            return
        if taken.damaged_at is not None and self._broker.others_have(partition):
            self._broker.replica_logs.doubt(partition, taken.damaged_at)
            return
        await trio.sleep(RELOAD_SECONDS)
        if self._partitions.get(index) is taken:
            del self._partitions[index]
            self._take_up(index)

    # ---------------------------------------------------------------------------------------------------- requests

    async def join(
        self, request: JoinGroupRequest, version: int, client_id: str, client_host: str
    ) -> JoinGroupResponse:
        new_member_id = f"{request.group_instance_id or client_id}-{self._new_uuid()}"

        def decide(coordinator: GroupCoordinator, now: Instant, ticket: int) -> Result[JoinGroupResponse | None]:
            joiner = Joiner(
                ticket=ticket,
                version=version,
                new_member_id=new_member_id,
                client_id=client_id,
                client_host=client_host,
            )
            return coordinator.join(request, joiner, now)

        return await self._ask(request.group_id, decide)

    async def sync(self, request: SyncGroupRequest) -> SyncGroupResponse:
        return await self._ask(request.group_id, lambda core, now, ticket: core.sync(request, ticket, now))

    async def heartbeat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        return await self._ask(request.group_id, lambda core, now, _: core.heartbeat(request, now))

    async def leave(self, request: LeaveGroupRequest) -> LeaveGroupResponse:
        return await self._ask(request.group_id, lambda core, now, _: core.leave(request, now))

    async def commit(self, request: OffsetCommitRequest, producer: ProducerStamp | None = None) -> OffsetCommitResponse:
        """`producer`: commit within its transaction (TxnOffsetCommit). Topics are known by name."""

        def decide(coordinator: GroupCoordinator, now: Instant, _ticket: int) -> Result[OffsetCommitResponse]:
            return coordinator.commit(request, now, transactional=producer is not None)

        with trio.move_on_after(self._broker.config.offsets_commit_timeout_ms / 1000):
            return await self._ask(request.group_id, decide, producer)
        raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)

    async def fetch(self, request: OffsetFetchRequestGroup, *, require_stable: bool) -> OffsetFetchResponseGroup:
        return await self._ask(
            request.group_id, lambda core, _now, _: Result(core.fetch(request, require_stable=require_stable), [], [])
        )

    async def delete_offsets(self, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
        return await self._ask(request.group_id, lambda core, now, _: core.delete_offsets(request, now))

    async def describe(self, group_id: str, version: int) -> DescribedGroup:
        return await self._ask(group_id, lambda core, _now, _: Result(core.describe(group_id, version), [], []))

    async def delete(self, group_id: str) -> DeletableGroupResult:
        return await self._ask(group_id, lambda core, now, _: core.delete(group_id, now))

    async def list_groups(
        self, states: Collection[str] = (), types: Collection[str] = ()
    ) -> tuple[ErrorCode, list[ListedGroup]]:
        """The groups of this broker; an error where some of them are not known yet."""
        self.refresh()
        with trio.move_on_after(LOADING_WAIT_SECONDS):
            for each in list(self._partitions.values()):
                await each.wait_loaded()
        error, groups = ErrorCode.NONE, []
        for each in self._partitions.values():
            if each.is_loaded:
                groups += each.coordinator.list_groups(states, types)
            else:
                error = each.why_not
        return error, groups

    def complete_transaction(self, index: int, producer_id: int, *, commit: bool) -> None:
        """A transaction's marker has been appended to partition `index` of __consumer_offsets."""
        found = self._partitions.get(index)
        if found is not None and found.is_loaded:
            found.complete_transaction(producer_id, commit=commit)

    # --------------------------------------------------------------------------------------------------------- asking

    async def _ask(
        self,
        group_id: str,
        decide: Callable[[GroupCoordinator, Instant, int], Result[R | None]],
        producer: ProducerStamp | None = None,
    ) -> R:
        found = await self._find(group_id)
        return await found.ask(lambda now, ticket: decide(found.coordinator, now, ticket), producer)

    async def _find(self, group_id: str) -> GroupPartition:
        topic = self._broker.image.topics.get(GROUP_TOPIC)
        if topic is None:
            raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        found = self._take_up(coordinator_partition(group_id, len(topic.partitions)))
        if found is None:
            raise CoordinatorUnavailable(ErrorCode.NOT_COORDINATOR)
        if not found.is_loaded:
            with trio.move_on_after(LOADING_WAIT_SECONDS):
                await found.wait_loaded()
        if not found.is_loaded:
            raise CoordinatorUnavailable(found.why_not)
        return found

    def _new_uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._broker.random.getrandbits(128), version=4)


def _topic_id(image: MetadataImage, name: str) -> bytes | None:
    topic = image.topics.get(name)
    return None if topic is None else topic.topic_id


def _settings(config: BrokerConfig) -> GroupSettings:
    return GroupSettings(
        group_initial_rebalance_delay_ms=config.group_initial_rebalance_delay_ms,
        group_min_session_timeout_ms=config.group_min_session_timeout_ms,
        group_max_session_timeout_ms=config.group_max_session_timeout_ms,
        group_max_size=config.group_max_size,
        offset_metadata_max_bytes=config.offset_metadata_max_bytes,
        offsets_retention_ms=config.offsets_retention_minutes * MINUTE_MS,
        offsets_retention_check_interval_ms=config.offsets_retention_check_interval_ms,
    )
