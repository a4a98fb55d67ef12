"""Membership of a share group: heartbeats, and which partitions are ours to fetch.

A member chooses its id itself. Nobody waits for anybody: what the coordinator assigns holds at once, and partitions
that are not ours any longer are simply not fetched any more.
"""

from __future__ import annotations

import base64
import logging

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.errors import OdradekError, broker_error
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from odradek.share.config import ShareConsumerConfig
from odradek.share.verdicts import PartitionId
from odradek.wakeup import Changes

logger = logging.getLogger(__name__)

JOINING, LEAVING = 0, -1
JOIN_AGAIN = {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND}


class ShareMembership:
    """One member's."""

    def __init__(self, cluster: Cluster, config: ShareConsumerConfig, group: str, topics: list[str]) -> None:
        random = cluster.surroundings.random
        self.member_id = base64.urlsafe_b64encode(random.randbytes(16)).rstrip(b"=").decode()
        self.assigned: frozenset[PartitionId] = frozenset()
        self.changed = Changes()
        """Announced when what is ours has changed, or `error` is there."""
        self.error: OdradekError | None = None
        """Why we cannot be a member."""
        self._cluster = cluster
        self._config = config
        self._group = group
        self._topics = topics
        self._coordinator = Coordinator(cluster, GROUP, group)
        self._epoch = JOINING
        self._may_be_known = False
        """A join that was sent may have been carried out, answered or not."""

    @property
    def epoch(self) -> int:
        """0 while we are no member."""
        return self._epoch

    @property
    def coordinator(self) -> int | None:
        """Its node id, where it is known."""
        return self._coordinator.node_id

    async def run(self) -> None:
        """Be a member until cancelled, or until there is an `error`."""
        try:
            while True:
                self._may_be_known = True
                answer = await self._beat(self._epoch)
                await trio.sleep(self._take(answer))
        except OdradekError as error:
            self.error = error
            self.changed.announce()

    async def leave(self) -> None:
        """Tell the coordinator that we go, if it can be told."""
        if self._may_be_known:
            self._epoch, self._may_be_known = JOINING, False
            try:
                await self._ask(LEAVING)
            except OdradekError as error:
                logger.debug("leaving share group %s: %s", self._group, error)

    def _take(self, answer: ShareGroupHeartbeatResponse) -> float:
        """Seconds until the next heartbeat. Raises what a broker says that is final."""
        code = ErrorCode.from_code(answer.error_code)
        if code in JOIN_AGAIN:
            logger.info("share group %s does not know us any longer (%s), and we join again", self._group, code.name)
            self._epoch, self._may_be_known = JOINING, False
            self._assign(frozenset())
            return self._cluster.backoff_s
        if code:
            error = broker_error(code, answer.error_message or self._group)
            if not error.retriable:
                raise error
            return self._cluster.backoff_s
        self._epoch = answer.member_epoch
        if answer.assignment is not None:
            topics = answer.assignment.topic_partitions
            self._assign(frozenset((each.topic_id, index) for each in topics for index in each.partitions))
        return max(answer.heartbeat_interval_ms / 1000, self._cluster.backoff_s)

    def _assign(self, assigned: frozenset[PartitionId]) -> None:
        if assigned != self.assigned:
            self.assigned = assigned
            self._cluster.wish_refresh()
            self.changed.announce()

    async def _beat(self, epoch: int) -> ShareGroupHeartbeatResponse:
        return await self._coordinator.ask_until_answered(
            self._request(epoch), ShareGroupHeartbeatResponse, lambda answer: answer.error_code, purpose="heartbeat"
        )

    async def _ask(self, epoch: int) -> ShareGroupHeartbeatResponse:
        timeout_s = self._cluster.request_timeout_s
        return await self._coordinator.ask(
            self._request(epoch), ShareGroupHeartbeatResponse, purpose="heartbeat", timeout_s=timeout_s
        )

    def _request(self, epoch: int) -> ShareGroupHeartbeatRequest:
        joins = epoch == JOINING
        return ShareGroupHeartbeatRequest(
            group_id=self._group,
            member_id=self.member_id,
            member_epoch=epoch,
            rack_id=self._config.client_rack if joins else None,
            subscribed_topic_names=self._topics if joins else None,
        )
