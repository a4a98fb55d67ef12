"""The group coordinators of this broker: what requests ask of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import consumer_group_describe
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
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
from odradek_broker.config.coordination_keys import CONSUMER
from odradek_broker.config.group_keys import group_value
from odradek_broker.controller.image import GROUP_TOPIC, GROUP_VERSION, ResourceType
from odradek_broker.coordination.result import CoordinatorResult, Instant
from odradek_broker.coordinators.batches import ProducerStamp
from odradek_broker.coordinators.coordinators import Coordinators
from odradek_broker.coordinators.group_partition import GroupPartition
from odradek_broker.coordinators.image_topics import ImageTopics
from odradek_broker.coordinators.runtime import CoordinatorUnavailable
from odradek_broker.groups.commit import refuse_commit
from odradek_broker.groups.consumer.heartbeat import HeartbeatSender
from odradek_broker.groups.consumer.regexes import Resolved, resolve
from odradek_broker.groups.coordinator import GroupCoordinator
from odradek_broker.groups.history import Rebalance
from odradek_broker.groups.join import Joiner
from odradek_broker.groups.settings import ConsumerGroupSettings, GroupSettings
from odradek_broker.loop.slices import Slices

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.context import NodeContext
    from odradek_broker.controller.image import MetadataImage
    from odradek_broker.loop.looks import Looks
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.partitions.replica_logs import ReplicaLogs
    from odradek_broker.partitions.replica_manager import ReplicaManager

R = TypeVar("R")

MINUTE_MS = 60_000
SHARE_SESSION = "share.session.timeout.ms"


class GroupsRuntime(Coordinators[GroupPartition]):
    """Finds the coordinator of a group and asks it. Every request raises CoordinatorUnavailable where it cannot."""

    topic = GROUP_TOPIC

    def __init__(self, context: NodeContext, replicas: ReplicaManager, logs: ReplicaLogs, looks: Looks) -> None:
        super().__init__(context, replicas, logs)
        self._looks = looks
        self._topics = ImageTopics(context.image)
        self._resolving: set[str] = set()
        """Groups whose regular expressions are being resolved."""

    @property
    def takes_consumer_protocol(self) -> bool:
        """Whether the cluster has agreed on it (group.version), and this broker's settings leave it on."""
        is_on = CONSUMER in self._context.config.group_coordinator_rebalance_protocols
        return is_on and self._context.image.features.get(GROUP_VERSION, 0) >= 1

    def _make(self, partition: Partition, *, is_only_copy: bool) -> GroupPartition:
        coordinator = GroupCoordinator(_settings(self._context.config, self._context.image))
        coordinator.topics = self._topics
        return GroupPartition(partition, coordinator, self._context.steady_clock, is_only_copy=is_only_copy)

    def on_image(self, old: MetadataImage, new: MetadataImage) -> None:
        """The metadata has changed: leaders may be others, topics may be gone."""
        self._topics = ImageTopics(new, self._topics)
        for each in self._partitions.values():
            each.coordinator.topics = self._topics
        if new.configs is not old.configs:
            settings = _settings(self._context.config, new)
            for each in self._partitions.values():
                each.coordinator.settings = settings
        self.refresh()
        gone = {name for name, topic in old.topics.items() if _topic_id(new, name) != topic.topic_id}
        if gone:
            for each in self._partitions.values():
                if each.is_loaded:
                    each.carry_out(each.coordinator.forget_topics(gone, each.now()))

    # ---------------------------------------------------------------------------------------------------- requests

    async def join(
        self, request: JoinGroupRequest, version: int, client_id: str, client_host: str
    ) -> JoinGroupResponse:
        new_member_id = f"{request.group_instance_id or client_id}-{self._new_uuid()}"

        def decide(core: GroupCoordinator, now: Instant, ticket: int) -> CoordinatorResult[JoinGroupResponse | None]:
            joiner = Joiner(
                ticket=ticket,
                version=version,
                new_member_id=new_member_id,
                client_id=client_id,
                client_host=client_host,
            )
            return core.join(request, joiner, now)

        return await self._ask(request.group_id, decide)

    async def sync(self, request: SyncGroupRequest) -> SyncGroupResponse:
        return await self._ask(request.group_id, lambda core, now, ticket: core.sync(request, ticket, now))

    async def heartbeat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        return await self._ask(request.group_id, lambda core, now, _: core.heartbeat(request, now))

    async def leave(self, request: LeaveGroupRequest) -> LeaveGroupResponse:
        return await self._ask(request.group_id, lambda core, now, _: core.leave(request, now))

    async def consumer_heartbeat(
        self,
        request: ConsumerGroupHeartbeatRequest,
        version: int,
        client_id: str,
        client_host: str,
        may_know: Callable[[str], bool] | None = None,
    ) -> ConsumerGroupHeartbeatResponse:
        """ConsumerGroupHeartbeat: of the consumer protocol. `may_know`: whether its sender may be told of a topic."""
        found = await self.find(request.group_id)
        sender = HeartbeatSender(
            version=version,
            new_member_id=str(self._new_uuid()),
            client_id=client_id,
            client_host=client_host,
            resolved=await self._resolve(request, found, may_know),
        )
        return await found.ask(lambda now, _: found.coordinator.consumer_heartbeat(request, sender, now))

    async def _resolve(
        self,
        request: ConsumerGroupHeartbeatRequest,
        found: GroupPartition,
        may_know: Callable[[str], bool] | None,
    ) -> Resolved:
        """Look through the names of all topics, beside the loop, where this heartbeat needs it.

        Of those who come while it is looked for their group, only one with an expression of its own looks too.
        """
        group_id = request.group_id
        expressions = found.coordinator.regexes_to_resolve(request, found.now())
        if not expressions or (group_id in self._resolving and not request.subscribed_topic_regex):
            return Resolved()
        self._resolving.add(group_id)
        try:
            names, version = list(self._topics.names()), self._topics.version
            resolved = await self._looks.look(partial(resolve, expressions, names, version))
            return resolved if may_know is None else await _only_known(resolved, may_know)
        finally:
            self._resolving.discard(group_id)

    async def commit(
        self,
        request: OffsetCommitRequest,
        producer: ProducerStamp | None = None,
        *,
        version: int = 0,
        is_admitted: Callable[[], bool] = lambda: True,
    ) -> OffsetCommitResponse:
        """`producer`: commit within its transaction (TxnOffsetCommit), if that is still open when it comes to it.

        Topics are known by name.
        """

        def decide(core: GroupCoordinator, now: Instant, _ticket: int) -> CoordinatorResult[OffsetCommitResponse]:
            if not is_admitted():
                return CoordinatorResult([], refuse_commit(request, ErrorCode.TRANSACTION_ABORTABLE))
            return core.commit(request, now, version=version, transactional=producer is not None)

        with trio.move_on_after(self._context.config.offsets_commit_timeout_ms / 1000):
            return await self._ask(request.group_id, decide, producer)
        raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)

    async def fetch(self, request: OffsetFetchRequestGroup, *, require_stable: bool) -> OffsetFetchResponseGroup:
        return await self._ask(
            request.group_id,
            lambda core, _now, _: CoordinatorResult([], core.fetch(request, require_stable=require_stable)),
        )

    async def delete_offsets(self, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
        return await self._ask(request.group_id, lambda core, now, _: core.delete_offsets(request, now))

    async def describe(self, group_id: str, version: int) -> DescribedGroup:
        return await self._ask(group_id, lambda core, _now, _: CoordinatorResult([], core.describe(group_id, version)))

    async def describe_consumer_group(self, group_id: str) -> consumer_group_describe.DescribedGroup:
        return await self._ask(
            group_id, lambda core, _now, _: CoordinatorResult([], core.describe_consumer_group(group_id))
        )

    async def act(self, group_id: str, act: Callable[..., R], *arguments: Any) -> R:
        """What an act upon the groups comes to, called with (table, topics, step) and the arguments."""
        return await self._ask(group_id, lambda core, now, _: core.act(now, lambda *at_hand: act(*at_hand, *arguments)))

    async def rebalances(self, group_id: str) -> tuple[Rebalance, ...] | None:
        """None where there is no such group."""
        found = await self.find(group_id)
        return found.coordinator.rebalances(group_id)

    async def delete(self, group_id: str) -> DeletableGroupResult:
        return await self._ask(group_id, lambda core, now, _: core.delete(group_id, now))

    async def list_groups(
        self, states: Collection[str] = (), types: Collection[str] = ()
    ) -> tuple[ErrorCode, list[ListedGroup]]:
        """The groups of this broker; an error where some of them are not known yet."""
        error, loaded = await self._all_loaded()
        groups = [group for each in loaded for group in each.coordinator.list_groups(states, types)]
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
        decide: Callable[[GroupCoordinator, Instant, int], CoordinatorResult[R | None]],
        producer: ProducerStamp | None = None,
    ) -> R:
        found = await self.find(group_id)
        return await found.ask(lambda now, ticket: decide(found.coordinator, now, ticket), producer)

    def _new_uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._context.random.getrandbits(128), version=4)


async def _only_known(resolved: Resolved, may_know: Callable[[str], bool]) -> Resolved:
    """Without topics that whoever asks may not be told of. On the loop, whose is what is remembered of permissions."""
    slices, topics = Slices(), dict[str, frozenset[str]]()
    for expression, names in resolved.topics.items():
        known = set()
        for name in names:
            if may_know(name):
                known.add(name)
            await slices.pay()
        topics[expression] = frozenset(known)
    return structs.replace(resolved, topics=topics)


def _topic_id(image: MetadataImage, name: str) -> bytes | None:
    topic = image.topics.get(name)
    return None if topic is None else topic.topic_id


def _settings(config: BrokerConfig, image: MetadataImage) -> GroupSettings:
    return GroupSettings(
        group_initial_rebalance_delay_ms=config.group_initial_rebalance_delay_ms,
        group_min_session_timeout_ms=config.group_min_session_timeout_ms,
        group_max_session_timeout_ms=config.group_max_session_timeout_ms,
        group_max_size=config.group_max_size,
        offset_metadata_max_bytes=config.offset_metadata_max_bytes,
        offsets_retention_ms=config.offsets_retention_minutes * MINUTE_MS,
        offsets_retention_check_interval_ms=config.offsets_retention_check_interval_ms,
        group_share_session_timeout_ms=config.group_share_session_timeout_ms,
        own={
            name: _settings_of_consumers(config, values)
            for (kind, name), values in image.configs.items()
            if kind == ResourceType.GROUP and any(key.startswith("consumer.") for key in values)
        },
        own_share_session_timeout_ms={
            name: group_value(config, values, SHARE_SESSION)
            for (kind, name), values in image.configs.items()
            if kind == ResourceType.GROUP and SHARE_SESSION in values
        },
        group_consumer_session_timeout_ms=config.group_consumer_session_timeout_ms,
        group_consumer_heartbeat_interval_ms=config.group_consumer_heartbeat_interval_ms,
        group_consumer_max_size=config.group_consumer_max_size,
        group_consumer_assignors=config.group_consumer_assignors,
        group_consumer_assignment_interval_ms=config.group_consumer_assignment_interval_ms,
        group_consumer_migration_policy=config.group_consumer_migration_policy,
        group_consumer_regex_refresh_interval_ms=config.group_consumer_regex_refresh_interval_ms,
    )


def _settings_of_consumers(config: BrokerConfig, own: Mapping[str, str]) -> ConsumerGroupSettings:
    return ConsumerGroupSettings(
        session_timeout_ms=group_value(config, own, "consumer.session.timeout.ms"),
        heartbeat_interval_ms=group_value(config, own, "consumer.heartbeat.interval.ms"),
        assignment_interval_ms=group_value(config, own, "consumer.assignment.interval.ms"),
    )
