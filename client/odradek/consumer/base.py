"""What a consumer is made of, and its life: what runs while it is open, and how it ends.

What a program calls is in consumer.py, seeking.py and committing.py.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import trio

from odradek.cluster.client import Client
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.consumer.commits import Commits
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.cursor import Cursor
from odradek.consumer.epoch_group import EpochGroup
from odradek.consumer.fetcher import Fetcher
from odradek.consumer.group import Group
from odradek.consumer.lags import Lags
from odradek.consumer.missing_topics import MissingTopics
from odradek.consumer.partition import PartitionState
from odradek.consumer.positions import Positions
from odradek.consumer.reader import Reader
from odradek.consumer.rebalance import OwnedPartitions
from odradek.consumer.subscription import Subscription
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.topic_partition import TopicPartition
from odradek.wakeup import Changes

logger = logging.getLogger(__name__)

WHERE_MEMBERS_NAME_THEMSELVES = 1
"""The version of ConsumerGroupHeartbeat, and the first that is more than a preview."""


class ConsumerBase(Client[ConsumerConfig]):
    """The scope. Entering raises BootstrapFailed where no broker answers."""

    _KIND = "a consumer"

    def __init__(
        self, bootstrap: str | Sequence[str], config: ConsumerConfig, group: str | None, subscription: Subscription
    ) -> None:
        super().__init__(bootstrap, config)
        self.group = group
        self._subscription = subscription
        self._cursor = Cursor()
        self._changed = Changes()
        self._group: Group | EpochGroup | None = None
        self._commits: Commits | None = None

    @asynccontextmanager
    async def _serve(self, nursery: trio.Nursery) -> AsyncIterator[None]:
        self._build()
        self._membership_scope = trio.CancelScope()
        self._group_scope = trio.CancelScope()
        nursery.start_soon(self._fetcher.run)
        nursery.start_soon(self._positions.run)
        nursery.start_soon(self._lags.run)
        nursery.start_soon(self._keep_membership)
        self._is_open = True
        try:
            yield
            await self._close()
        finally:
            self._is_open = False
            await self._leave()

    def _build(self) -> None:
        config, cluster = self.config, self._cluster
        self._owned = OwnedPartitions(cluster, config, self._subscription, self._cursor, self._changed)
        self._fetcher = Fetcher(cluster, config, self._states, self._fetched)
        self._positions = Positions(cluster, config, self._states, self._found_positions)
        self._owned.positions = self._positions
        self._lags = Lags(cluster, config, self._states)
        self._reader = Reader(
            config,
            self._subscription,
            self._cursor,
            self._owned,
            self._activities,
            self._changed,
            self._fetcher.wake,
        )
        if self.group is not None:
            self._set_up_group(self.group)

    def _set_up_group(self, group: str, *, classic: bool = False) -> None:
        if self._subscription.by_hand:
            coordinator, membership = Coordinator(self._cluster, GROUP, group), None
        else:
            kind = EpochGroup if self._speaks_epochs(classic=classic) else Group
            self._group = kind(self._cluster, self.config, group, self._subscription, self._owned)
            coordinator, membership = self._group.coordinator, self._group.membership
        self._reader.group = self._group
        self._commits = Commits(self._cluster, coordinator, group, membership, self.config.instance_id)
        self._owned.commits = self._reader.commits = self._positions.commits = self._commits

    def _speaks_epochs(self, *, classic: bool) -> bool:
        """Whether we take part by the consumer protocol. Left to us, we do where the brokers have it."""
        if classic or self.config.protocol is not None:
            return not classic and self.config.protocol == "consumer"
        return self._cluster.offers(ConsumerGroupHeartbeatRequest, WHERE_MEMBERS_NAME_THEMSELVES)

    async def _keep_membership(self) -> None:
        """What is to stop before the last commit."""
        with self._membership_scope:
            async with trio.open_nursery() as nursery:
                if self._group is not None:
                    nursery.start_soon(self._run_group, self._group)
                elif not self._subscription.by_hand:
                    nursery.start_soon(self._follow_topics)
                nursery.start_soon(MissingTopics(self._cluster, self._subscription).run)
                if self.config.commit == "auto" and self._commits is not None:
                    nursery.start_soon(self._commit_now_and_then)

    async def _run_group(self, group: Group | EpochGroup) -> None:
        """Alone, so that a consumer that takes to assigning by hand goes on committing now and then."""
        with self._group_scope:
            await group.run()  # which ends only where the consumer protocol is refused, and the classic one may do
            self._set_up_group(group.membership.group_id, classic=True)
            assert self._group is not None
            await self._group.run()

    async def _close(self) -> None:
        """The scope is left normally: what was handed out is finished."""
        self._cursor.finish()
        self._membership_scope.cancel()
        assigned = self._subscription.assigned
        with trio.move_on_after(self.config.close_timeout_ms / 1000) as patience:
            if self.config.commit == "auto" and self._commits is not None:
                await self._owned.commit_finished(list(self._states()))
            if self.config.on_revoke is not None and assigned:
                await self.config.on_revoke(assigned)
        if patience.cancelled_caught:
            logger.warning("the last commit took longer than close_timeout_ms; records may be read again")

    async def _leave(self) -> None:
        """Shielded and short: the others of the group need not wait for a session timeout."""
        self._membership_scope.cancel()
        if self._group is not None:
            with trio.move_on_after(self.config.close_timeout_ms / 5000) as patience:
                patience.shield = True
                await self._group.leave()

    async def _follow_topics(self) -> None:
        """Without a group: every partition of the topics is ours."""
        while True:
            wanted = set(self._subscription.wanted_partitions(self._cluster.image))
            new = sorted(wanted - set(self._subscription.assigned))
            if new:
                await self._owned.assign(new)
            await self._cluster.changed.wait()

    async def _commit_now_and_then(self) -> None:
        while True:
            await trio.sleep(self.config.auto_commit_interval_ms / 1000)
            if self._group is None or self._group.is_stable:
                await self._owned.commit_finished(list(self._states()))

    # ------------------------------------------------------------------------------------------------- inside

    def _states(self) -> Collection[PartitionState]:
        return self._subscription.states.values()

    def _track(self) -> None:
        if not hasattr(self, "_cluster"):
            return
        self._cluster.track(self._subscription.names)
        if self._subscription.pattern is not None:
            self._cluster.track_all()

    def _drop(self, partitions: Collection[TopicPartition]) -> None:
        self._owned.drop_handed_out([self._subscription.state(partition) for partition in partitions])
        self._subscription.remove(partitions)

    def _fetched(self) -> None:
        self._positions.wake()
        self._changed.announce()

    def _found_positions(self) -> None:
        self._fetcher.wake()
        self._changed.announce()
