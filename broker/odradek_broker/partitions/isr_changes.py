"""What leaders propose to the controller about who is in sync, gathered into one AlterPartition after the other.

Invariant
    A proposal counts as open until it is known what became of it: as long as the controller may have taken it, the
    high watermark waits for those that would be in sync. So it is asked about again and again, until the metadata has
    gone past it: an answer does not say that this is here already, and a refusal not that it was asked only once.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestPartitionData,
    AlterPartitionRequestTopicData,
    AlterPartitionResponse,
    BrokerState,
)
from odradek_broker.metadata.client import ControllerUnavailable

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.partitions.partition import Partition, Partitions
    from odradek_broker.replication.leader import Proposal

logger = logging.getLogger(__name__)

VERSION = 3
BACKOFF_SECONDS = 0.1
STILL_TO_COME = {ErrorCode.INVALID_UPDATE_VERSION, ErrorCode.FENCED_LEADER_EPOCH}
"""The controller knows more than we do; the metadata will tell."""


class IsrChanges:
    """One for a broker."""

    def __init__(self, context: NodeContext, partitions: Partitions, controller: ControllerClient) -> None:
        self._context = context
        self._partitions = partitions
        self._controller = controller
        self._proposals: dict[Partition, Proposal] = {}
        self._due = trio.Event()

    def maybe_expand_isr(self, partition: Partition) -> None:
        """A follower has fetched: it may be back in sync."""
        leadership = partition.leadership
        if leadership is not None:
            proposal = leadership.maybe_expand_isr(
                partition.high_watermark, self._is_active, partition.log.log_start_offset
            )
            if proposal is not None:
                self._propose(partition, proposal)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._shrink_isrs)
            while True:
                await self._due.wait()
                self._due = trio.Event()
                proposals, self._proposals = self._proposals, {}
                proposals = {partition: each for partition, each in proposals.items() if _is_open(partition, each)}
                if proposals:
                    await self._ask(proposals)

    def _is_active(self, broker_id: int, epoch: int) -> bool:
        broker = self._context.image.brokers.get(broker_id)
        return broker is not None and broker.is_active and epoch >= broker.epoch

    def _propose(self, partition: Partition, proposal: Proposal) -> None:
        self._proposals[partition] = proposal
        self._due.set()

    async def _shrink_isrs(self) -> None:
        while True:
            max_lag_ms = self._context.config.replica_lag_time_max_ms
            await trio.sleep(max_lag_ms / 2000)
            now_ms = self._context.clock.monotonic_ms()
            for partition in self._partitions.values():
                if partition.leadership is not None:
                    end = partition.log.log_end_offset
                    proposal = partition.leadership.maybe_shrink_isr(end, now_ms, max_lag_ms)
                    if proposal is not None:
                        self._propose(partition, proposal)

    async def _ask(self, proposals: dict[Partition, Proposal]) -> None:
        topics: defaultdict[bytes, list[AlterPartitionRequestPartitionData]] = defaultdict(list)
        for partition, proposal in proposals.items():
            topics[partition.topic_id].append(
                AlterPartitionRequestPartitionData(
                    partition_index=partition.index,
                    leader_epoch=proposal.leader_epoch,
                    new_isr_with_epochs=[BrokerState(*each) for each in proposal.isr],
                    partition_epoch=proposal.partition_epoch,
                )
            )
        request = AlterPartitionRequest(
            broker_id=self._context.node_id,
            broker_epoch=self._controller.broker_epoch,
            topics=[AlterPartitionRequestTopicData(topic_id, entries) for topic_id, entries in topics.items()],
        )
        try:
            answer = await self._controller.ask(request, AlterPartitionResponse, VERSION)
        except ControllerUnavailable as error:
            logger.warning("cannot say who is in sync: %s", error)
            await self._again(proposals)
            return
        answers = {(topic.topic_id, each.partition_index): each for topic in answer.topics for each in topic.partitions}
        unknown: dict[Partition, Proposal] = {}
        for partition, proposal in proposals.items():
            one = answers.get((partition.topic_id, partition.index))
            code = ErrorCode.from_code(answer.error_code if one is None else one.error_code)
            if code is ErrorCode.NOT_CONTROLLER:
                unknown[partition] = proposal
            elif code is ErrorCode.NONE:
                logger.info("%s: in sync are now %s", partition, ", ".join(str(broker) for broker, _ in proposal.isr))
            elif code not in STILL_TO_COME and partition.leadership is not None:
                instead = partition.leadership.refused(proposal)
                if instead is not None:
                    if proposal.refused:
                        unknown[partition] = instead
                    else:
                        logger.info("%s: the controller refuses other in-sync replicas: %s", partition, code.name)
                        self._propose(partition, instead)
        if unknown:
            await self._again(unknown)

    async def _again(self, proposals: dict[Partition, Proposal]) -> None:
        """In a moment; nobody knows whether the controller has taken them."""
        await trio.sleep(BACKOFF_SECONDS)
        for partition, proposal in proposals.items():
            if _is_open(partition, proposal):
                self._propose(partition, proposal)


def _is_open(partition: Partition, proposal: Proposal) -> bool:
    """Of this very proposal: another of the same partition may have taken its place."""
    return partition.leadership is not None and partition.leadership.is_open(proposal)
